//! `WWW-Authenticate`, parsed: how a registry wants to be asked.
//!
//! Total and lenient: whatever stands in the headers, what can be read is read. Our own parser and
//! not the crate `http-auth`: that one follows the RFC to the letter and loses the whole value,
//! measured, over an unquoted URL as realm, over `service=host:5000`, over a blank where a comma
//! belongs and over one `Negotiate YII=` beside a good Bearer. containerd, whose verdict counts on
//! the node, reads all four.

#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

/// Longer values are cut: no registry needs more, and the header may be anyone's.
const MAX_VALUE_BYTES: usize = 8 * 1024;
/// More challenges than this in one answer are left aside.
const MAX_CHALLENGES: usize = 16;

/// One challenge of an answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge {
    /// How to authenticate.
    pub scheme: Scheme,
    /// Token endpoint for Bearer, a name for Basic; as sent.
    pub realm: Option<String>,
    /// The audience of the token.
    pub service: Option<String>,
    /// `repository:<name>:pull`, what the request would have needed.
    pub scope: Option<String>,
    /// Why a credential that was sent did not do.
    pub error: Option<ChallengeError>,
}

/// Authentication schemes, as far as a kubelet follows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// User name and password with each request.
    Basic,
    /// A token from the realm.
    Bearer,
    /// Digest, Negotiate and the like: nothing that we send.
    Other,
}

/// `error=` of a Bearer challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChallengeError {
    /// The token is not accepted: garbled, expired, for another audience.
    InvalidToken,
    /// The token is good and does not allow this.
    InsufficientScope,
    /// Any other word.
    Other,
}

/// The token endpoint of a Bearer challenge: an absolute http(s) URL with a host, without user
/// information and fragment.
///
/// Says what it looks like, not whether we may go there: that is judged by
/// [`Policy`](super::policy::Policy) on the parsed URL that is then asked.
#[derive(Clone, PartialEq, Eq)]
pub struct Realm {
    url: String,
    plain: bool,
}

/// A realm that is no absolute http(s) URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("realm is no absolute http or https URL")]
pub struct InvalidRealm;

impl Challenge {
    /// Reads the values of all `WWW-Authenticate` headers of one answer, in their order.
    pub fn parse_all<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut challenges = Vec::new();
        for value in values {
            Reader::new(value).read_into(&mut challenges);
        }
        challenges.truncate(MAX_CHALLENGES);
        challenges
    }

    /// The one that is followed: Bearer before Basic, as containerd sorts them
    /// (core/remotes/docker/auth/parse.go), the first of its kind.
    pub fn followed(challenges: &[Self]) -> Option<&Self> {
        let first = |scheme| challenges.iter().find(|one| one.scheme == scheme);
        first(Scheme::Bearer).or_else(|| first(Scheme::Basic))
    }

    /// What may be kept of the answer to a request that carried a credential: registries reflect
    /// what they were sent.
    pub fn without_texts(&self) -> Self {
        Self {
            error: self.error,
            ..Self::new(self.scheme)
        }
    }

    fn new(scheme: Scheme) -> Self {
        Self {
            scheme,
            realm: None,
            service: None,
            scope: None,
            error: None,
        }
    }

    /// The last of two parameters of one name holds, as in containerd.
    fn set(&mut self, name: &str, value: String) {
        match name.to_ascii_lowercase().as_str() {
            "realm" => self.realm = Some(value),
            "service" => self.service = Some(value),
            "scope" => self.scope = Some(value),
            "error" => self.error = Some(ChallengeError::parse(&value)),
            _ => {}
        }
    }
}

/// Scheme and error only: the rest is text of strangers.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("scheme", &self.scheme)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl Scheme {
    fn parse(word: &str) -> Self {
        if word.eq_ignore_ascii_case("bearer") {
            Self::Bearer
        } else if word.eq_ignore_ascii_case("basic") {
            Self::Basic
        } else {
            Self::Other
        }
    }
}

impl ChallengeError {
    fn parse(word: &str) -> Self {
        if word.eq_ignore_ascii_case("invalid_token") {
            Self::InvalidToken
        } else if word.eq_ignore_ascii_case("insufficient_scope") {
            Self::InsufficientScope
        } else {
            Self::Other
        }
    }
}

impl Realm {
    /// Reads a realm. A relative one is refused, as containerd and the kubelet's clients do.
    pub fn parse(text: &str) -> Result<Self, InvalidRealm> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(InvalidRealm)?;
        let plain = match scheme.to_ascii_lowercase().as_str() {
            "https" => false,
            "http" => true,
            _ => return Err(InvalidRealm),
        };
        // A URL parser drops tabs and newlines and reads a backslash as a slash: what the eye reads
        // as one host would be another.
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\' || c == '#';
        if text.contains(is_odd) {
            return Err(InvalidRealm);
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.is_empty() || authority.starts_with(':') || authority.contains('@') {
            return Err(InvalidRealm);
        }
        Ok(Self {
            url: text.to_owned(),
            plain,
        })
    }

    /// The URL as the registry wrote it.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// `http://`: only for registries that are themselves spoken to without TLS.
    pub fn is_plain_http(&self) -> bool {
        self.plain
    }

    /// The URL of a token request: the realm with its own query kept and `service` and `scope`
    /// appended, `&` where it has one already.
    pub fn with_query(&self, service: Option<&str>, scope: Option<&str>) -> String {
        let mut url = self.url.clone();
        let parameters = [("service", service), ("scope", scope)];
        for (name, value) in parameters {
            let Some(value) = value.filter(|value| !value.is_empty()) else {
                continue;
            };
            url.push(match url.find('?') {
                None => '?',
                Some(_) => '&',
            });
            url.push_str(name);
            url.push('=');
            percent_encode(value, &mut url);
        }
        url
    }
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realm").finish_non_exhaustive()
    }
}

/// Everything but the unreserved characters of RFC 3986, and `:` and `/`, which a query may hold and
/// every token server expects in `repository:org/app:pull`.
fn percent_encode(value: &str, into: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                into.push(char::from(byte));
            }
            _ => {
                into.push('%');
                into.push(char::from(HEX[usize::from(byte >> 4)]));
                into.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

/// Walks over one header value. Words are separated by blanks and commas; a word before `=` is a
/// parameter, any other word opens a challenge, but for a token68 right behind its scheme.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn new(value: &'a str) -> Self {
        let mut end = value.len().min(MAX_VALUE_BYTES);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            rest: &value[..end],
        }
    }

    fn read_into(mut self, challenges: &mut Vec<Challenge>) {
        let mut current: Option<Challenge> = None;
        // Only the word right behind a scheme can be a token68.
        let mut bare = false;
        loop {
            let comma = self.skip_separators();
            bare &= !comma;
            let word = self.word();
            if word.is_empty() {
                if self.rest.is_empty() {
                    break;
                }
                self.skip_char();
                continue;
            }
            let other = |one: &Challenge| one.scheme == Scheme::Other;
            if self.token68_padding(bare && current.as_ref().is_some_and(other)) {
                bare = false;
                continue;
            }
            if self.equals_sign() {
                let value = self.value();
                if let Some(challenge) = &mut current {
                    challenge.set(word, value);
                }
                bare = false;
                continue;
            }
            if bare && !is_known_scheme(word) {
                bare = false;
                continue;
            }
            challenges.extend(current.replace(Challenge::new(Scheme::parse(word))));
            bare = true;
        }
        challenges.extend(current);
    }

    /// Returns whether a comma was among them.
    fn skip_separators(&mut self) -> bool {
        let trimmed = self
            .rest
            .trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        let skipped = &self.rest[..self.rest.len() - trimmed.len()];
        self.rest = trimmed;
        skipped.contains(',')
    }

    fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || matches!(c, ',' | '=' | '"'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn skip_char(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    /// Eats the `=` at the end of a token68: nothing but a separator follows it.
    fn token68_padding(&mut self, bare: bool) -> bool {
        let after = self.rest.trim_start_matches('=');
        let padding = self.rest.len() - after.len();
        let ends = after.is_empty() || after.starts_with(|c: char| c == ',' || c.is_whitespace());
        let is_padding = padding > 1 || (padding == 1 && bare && ends);
        if is_padding {
            self.rest = after;
        }
        is_padding
    }

    fn equals_sign(&mut self) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix('=') else {
            return false;
        };
        self.rest = rest.trim_start();
        true
    }

    fn value(&mut self) -> String {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            return self.unquoted().to_owned();
        };
        let mut value = String::new();
        let mut chars = quoted.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => value.extend(chars.next()),
                _ => value.push(c),
            }
        }
        self.rest = chars.as_str();
        value
    }

    fn unquoted(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || c == ',')
            .unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        value
    }
}

/// Names that open a challenge even where a token68 could stand: `Negotiate, Basic realm=..` is
/// also sent without the comma.
fn is_known_scheme(word: &str) -> bool {
    ["basic", "bearer", "digest", "negotiate", "ntlm"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
}
