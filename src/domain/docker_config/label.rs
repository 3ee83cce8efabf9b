//! A tenant's key, made fit to be shown.

/// Longer than any registry and repository that people write.
const LONGEST: usize = 128;

/// The key without what may be a password (user info, a port that is no number, a query), with
/// control and invisible characters escaped, and cut to a bounded length.
pub(super) fn label(raw: &str) -> String {
    let (scheme, rest) = match raw.find("://") {
        Some(at) => raw.split_at(at + "://".len()),
        None => ("", raw),
    };
    let (rest, digest) = match rest.rsplit_once('@') {
        Some((rest, digest)) if digest.starts_with("sha256:") => (rest, "@..."),
        _ => (rest, ""),
    };
    // Up to the last `@` anywhere: a password may hold slashes.
    let (user_info, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("...@", rest),
        None => ("", rest),
    };
    let (rest, query) = match rest.find(['?', '#']) {
        Some(at) => (&rest[..at], "..."),
        None => (rest, ""),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = without_secret_port(authority);
    escape(&[scheme, user_info, host, port, path, query, digest].concat())
}

/// `user:password` as a key is a mistake that people make.
fn without_secret_port(authority: &str) -> (&str, &str) {
    let start = authority.rfind(']').unwrap_or_default();
    let Some(colon) = authority[start..].find(':') else {
        return (authority, "");
    };
    let (host, port) = authority.split_at(start + colon);
    let is_port = port
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'*'));
    (host, if is_port { port } else { ":..." })
}

fn escape(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if shown.len() >= LONGEST {
            shown.push_str("...");
            break;
        }
        match c {
            // Printed between backticks.
            '`' => shown.extend(c.escape_unicode()),
            '\\' => shown.extend(c.escape_default()),
            ' '..='~' => shown.push(c),
            _ if c.is_alphanumeric() => shown.push(c),
            _ => shown.extend(c.escape_default()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &str) {
        assert_eq!(label(raw), expected);
    }

    #[test]
    fn a_plain_key_is_shown_as_written() {
        for raw in [
            "ghcr.io",
            "https://index.docker.io/v1/",
            "GHCR.io:443/org",
            "[::1]:5000",
            "b\u{fc}cher.example",
            "*.io",
            "r.io:*",
        ] {
            check(raw, raw);
        }
    }

    #[test]
    fn what_may_be_a_password_is_not() {
        check("https://ada:pa/ss@w@ghcr.io/org", "https://...@ghcr.io/org");
        check("ada:password", "ada:...");
        check("ghcr.io?token=t", "ghcr.io...");
        check("ghcr.io#t", "ghcr.io...");
        check("ghcr.io/app@sha256:e3b0", "ghcr.io/app@...");
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        check("ghcr.io\n", "ghcr.io\\n");
        check("a\u{202e}b\u{200b}", "a\\u{202e}b\\u{200b}");
        check("a`b\\", "a\\u{60}b\\\\");
    }

    #[test]
    fn the_length_is_bounded() {
        let shown = label(&"\n".repeat(100_000));
        assert!(
            shown.len() <= LONGEST + 3 + 10 && shown.ends_with("..."),
            "{}",
            shown.len()
        );
    }
}
