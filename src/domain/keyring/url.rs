//! As much of Go's net/url as decides a key: which are refused, and what host and path the others
//! have. Follows Go 1.26, with one exception that is named below.

use std::{borrow::Cow, net::Ipv6Addr};

use thiserror::Error;

/// Why the kubelet drops an entry; its node logs `Entry ... in dockercfg invalid`.
///
/// Never quotes the key, which may hold a password. Whoever wrote the Secret can fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}", self.as_str())]
pub enum InvalidKey {
    /// A control character, such as a newline from an `echo`.
    ControlCharacter,
    /// A `%` that two hexadecimal digits do not follow, or that escapes what a host cannot hold.
    Escape,
    /// A blank, a brace or another character that no host has.
    Host,
    /// A bracket without its pair, or not around an IPv6 address.
    IpLiteral,
    /// A pattern that cannot be read; only an IPv6 address without port comes to this.
    Pattern,
    /// What follows the colon is not a number.
    Port,
    /// A character that cannot stand before the `@`.
    UserInfo,
}

impl InvalidKey {
    /// The reason in few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ControlCharacter => "control character",
            Self::Escape => "invalid escape",
            Self::Host => "invalid character in host",
            Self::IpLiteral => "invalid IPv6 address",
            Self::Pattern => "invalid pattern",
            Self::Port => "invalid port",
            Self::UserInfo => "invalid user info",
        }
    }
}

/// Host and path, unescaped: bytes, since `%ff` is allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) host: Cow<'a, [u8]>,
    pub(super) path: Cow<'a, [u8]>,
}

/// What may be escaped where (`unescape` and its table in net/url).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Host,
    Zone,
    Other,
}

impl<'a> Url<'a> {
    /// `url.Parse`, of `https://` and the text unless it has its scheme.
    pub(super) fn parse(text: &'a str, has_scheme: bool) -> Result<Self, InvalidKey> {
        let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
        if url.bytes().any(|b| b < b' ' || b == 0x7f) {
            return Err(InvalidKey::ControlCharacter);
        }
        let rest = match url.split_once("://") {
            Some((_, rest)) if has_scheme => rest,
            _ => url,
        };
        let rest = rest.split('?').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        let host = parse_host(host)?;
        if let Some(user_info) = user_info {
            check_user_info(user_info)?;
        }
        let path = unescape(path, Part::Other)?;
        unescape(fragment, Part::Other)?;
        Ok(Self { host, path })
    }

    /// `SplitURL`, by net.SplitHostPort: what that refuses is all host and has no port.
    pub(super) fn split_host_port(&self) -> (&[u8], &[u8]) {
        split_host_port(&self.host).unwrap_or((&self.host, b""))
    }
}

fn split_host_port(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = text.iter().rposition(|b| *b == b':')?;
    let (host, port) = (&text[..colon], &text[colon + 1..]);
    let host = match host {
        // The bracket must close right before the last colon.
        [b'[', address @ .., b']'] => address,
        [b'[', ..] => return None,
        _ if host.contains(&b':') => return None,
        _ => host,
    };
    let has_bracket = |part: &[u8]| part.iter().any(|b| matches!(b, b'[' | b']'));
    (!has_bracket(host) && !has_bracket(port)).then_some((host, port))
}

fn parse_host(host: &str) -> Result<Cow<'_, [u8]>, InvalidKey> {
    match host.rfind('[') {
        Some(0) => parse_ip_literal(host),
        Some(_) => Err(InvalidKey::IpLiteral),
        None => {
            // Go 1.26 refuses a second colon; kubelets built before, and with its GODEBUG
            // urlstrictcolons=0, keep the entry (the vectors have `::1`). No image has such a
            // host, so that the entry is useless either way.
            let port = host.rfind(':').map_or("", |colon| &host[colon..]);
            check_port(port)?;
            unescape(host, Part::Host)
        }
    }
}

/// An IPv6 address in brackets, perhaps with an escaped zone, perhaps with a port.
fn parse_ip_literal(host: &str) -> Result<Cow<'_, [u8]>, InvalidKey> {
    let (inside, port) = host[1..].rsplit_once(']').ok_or(InvalidKey::IpLiteral)?;
    check_port(port)?;
    let zone_at = inside.find("%25").unwrap_or(inside.len());
    let address = unescape(&inside[..zone_at], Part::Host)?;
    let zone = unescape(&inside[zone_at..], Part::Zone)?;
    let is_address = str::from_utf8(&address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    // An empty zone is refused: only the unescaped percent sign of it is there.
    if !is_address || *zone == *b"%" {
        return Err(InvalidKey::IpLiteral);
    }
    Ok([b"[", &*address, &*zone, b"]", port.as_bytes()]
        .concat()
        .into())
}

/// Empty, or a colon and digits, perhaps none.
fn check_port(port: &str) -> Result<(), InvalidKey> {
    let is_port = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if port.is_empty() || port.strip_prefix(':').is_some_and(is_port) {
        return Ok(());
    }
    Err(InvalidKey::Port)
}

fn check_user_info(user_info: &str) -> Result<(), InvalidKey> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
    if !user_info.bytes().all(is_allowed) {
        return Err(InvalidKey::UserInfo);
    }
    let (username, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    unescape(username, Part::Other)?;
    unescape(password, Part::Other)?;
    Ok(())
}

fn unescape(text: &str, part: Part) -> Result<Cow<'_, [u8]>, InvalidKey> {
    let mut rest = text.as_bytes();
    let is_plain = |b: &u8| part == Part::Other || *b >= 0x80 || *b == b'%' || is_host_byte(*b);
    if !rest.iter().all(is_plain) {
        return Err(InvalidKey::Host);
    }
    if !rest.contains(&b'%') {
        return Ok(Cow::Borrowed(rest));
    }
    let mut unescaped = Vec::with_capacity(rest.len());
    while let [byte, tail @ ..] = rest {
        if *byte != b'%' {
            unescaped.push(*byte);
            rest = tail;
            continue;
        }
        let [high, low, tail @ ..] = tail else {
            return Err(InvalidKey::Escape);
        };
        let byte = hex(*high)? << 4 | hex(*low)?;
        // A host may escape what is not ASCII, and its zone what could stand there as it is.
        let is_allowed = match part {
            Part::Host => byte >= 0x80 || byte == b'%',
            Part::Zone => matches!(byte, b' ' | b'%') || is_host_byte(byte),
            Part::Other => true,
        };
        if !is_allowed {
            return Err(InvalidKey::Escape);
        }
        unescaped.push(byte);
        rest = tail;
    }
    Ok(Cow::Owned(unescaped))
}

/// The table of net/url for hosts: laxer than any DNS name.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!\"$&'()*+,-.:;<=>[]_~".contains(&byte)
}

fn hex(digit: u8) -> Result<u8, InvalidKey> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(InvalidKey::Escape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&[u8], &[u8]), InvalidKey>) {
        let url = Url::parse(text, text.starts_with("https://"));
        let found = url.as_ref().map(|url| (&*url.host, &*url.path));
        assert_eq!(found, expected.as_ref().map(|pair| *pair), "{text}");
    }

    #[test]
    fn user_info_query_and_fragment_are_dropped() {
        check("https://user:p@ss@r.io/org?a=b#c", Ok((b"r.io", b"/org")));
        check("r.io#\n", Ok((b"r.io", b"")));
        check("r.io#%", Err(InvalidKey::Escape));
        check("us er@r.io", Err(InvalidKey::UserInfo));
        check("us%er@r.io", Err(InvalidKey::Escape));
    }

    #[test]
    fn paths_are_unescaped_and_hosts_only_beyond_ascii() {
        check("r.io/a%20b%ff", Ok((b"r.io", b"/a b\xff")));
        check("b%C3%BCcher.io", Ok(("bücher.io".as_bytes(), b"")));
        check("r%2eio", Err(InvalidKey::Escape));
        check("r.io/%zz", Err(InvalidKey::Escape));
        check("r.io/%2", Err(InvalidKey::Escape));
    }

    #[test]
    fn a_port_is_digits_or_nothing() {
        check("r.io:", Ok((b"r.io:", b"")));
        check("r.io:5000/a:b", Ok((b"r.io:5000", b"/a:b")));
        check("r.io:*", Err(InvalidKey::Port));
        check("user:password", Err(InvalidKey::Port));
    }

    #[test]
    fn brackets_hold_an_ipv6_address() {
        check("[::1]:5000/app", Ok((b"[::1]:5000", b"/app")));
        check("[fe80::1%25en%300]", Ok((b"[fe80::1%en00]", b"")));
        for text in ["[127.0.0.1]", "[::1", "[]", "a[b].io", "[fe80::1%25]"] {
            check(text, Err(InvalidKey::IpLiteral));
        }
        check("[a-z]hcr.io", Err(InvalidKey::Port));
    }

    #[test]
    fn only_one_colon_outside_brackets_makes_a_port() {
        let split = |text| {
            Url::parse(text, false).map(|url| {
                let (host, port) = url.split_host_port();
                (lossy(host), lossy(port))
            })
        };
        let lossy_pair = |host: &str, port: &str| Ok((host.to_owned(), port.to_owned()));
        assert_eq!(split("r.io:1"), lossy_pair("r.io", "1"));
        assert_eq!(split("[::1]:1"), lossy_pair("::1", "1"));
        assert_eq!(split("[::1]"), lossy_pair("[::1]", ""));
        assert_eq!(split("::1"), lossy_pair("::1", ""));
        assert_eq!(split("a]b:1"), lossy_pair("a]b:1", ""));
    }

    fn lossy(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }
}
