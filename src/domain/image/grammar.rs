//! The grammar of image names: regexp.go, reference.go and normalize.go of
//! github.com/distribution/reference v0.6.0, without a regular expression.

use super::{DOCKER_HUB, InvalidReference};

/// Docker Hub's own images live here: `nginx` is `docker.io/library/nginx`.
const OFFICIAL: &str = "library/";

/// `RepositoryNameTotalLengthMax`; the domain does not count.
const LONGEST_PATH: usize = 255;

/// A valid image name, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) domain: &'a str,
    pub(super) path: String,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

/// `ParseNormalizedNamed`.
pub(super) fn split(text: &str) -> Result<Parts<'_>, InvalidReference> {
    if text.is_empty() {
        return Err(InvalidReference::Empty);
    }
    if text.len() == 64 && is_lower_hex(text) {
        return Err(InvalidReference::ImageId);
    }
    let (domain, remainder) = split_domain(text);
    let (rest, digest) = cut(remainder, '@');
    let (path, tag) = cut(rest, ':');
    // Familiar names are completed on Docker Hub only.
    let is_official = domain == DOCKER_HUB && !remainder.contains('/');
    let path = if is_official {
        OFFICIAL.to_owned() + path
    } else {
        path.to_owned()
    };

    if path.contains(|c: char| c.is_ascii_uppercase()) {
        return Err(InvalidReference::UpperCase);
    }
    // A first part that is no domain may still be the first part of a path, as `a_b.c` is: then
    // the name has no domain for the kubelet, and runtimes take its first part for the host.
    let has_domain = is_domain(domain);
    if !has_domain && !is_path_component(domain) || !path.split('/').all(is_path_component) {
        return Err(InvalidReference::Name);
    }
    let path_length = if has_domain {
        path.len()
    } else {
        domain.len() + 1 + path.len()
    };
    if path_length > LONGEST_PATH {
        return Err(InvalidReference::TooLong);
    }
    if !tag.is_none_or(is_tag) {
        return Err(InvalidReference::Tag);
    }
    if !digest.is_none_or(is_digest) {
        return Err(InvalidReference::Digest);
    }
    Ok(Parts {
        domain,
        path,
        tag,
        digest,
    })
}

/// `splitDockerDomain`: the first part is a registry if it is `localhost`, has a dot, a colon or a
/// capital; else the image is Docker Hub's.
fn split_domain(text: &str) -> (&str, &str) {
    let Some((first, rest)) = text.split_once('/') else {
        return (DOCKER_HUB, text);
    };
    if first == "index.docker.io" {
        return (DOCKER_HUB, rest);
    }
    let is_registry = |c: char| matches!(c, '.' | ':') || c.is_ascii_uppercase();
    if first == "localhost" || first.contains(is_registry) {
        return (first, rest);
    }
    (DOCKER_HUB, text)
}

fn cut(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// `domainAndPort`: dotted labels or an IPv6 address in brackets, then perhaps a port.
pub(crate) fn is_domain(text: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        let is_address = |b: u8| b.is_ascii_hexdigit() || b == b':';
        return !address.is_empty()
            && address.bytes().all(is_address)
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = cut(text, ':');
    host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_label(label: &str) -> bool {
    let is_inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !label.is_empty()
        && label.bytes().all(is_inside)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// `pathComponent`: runs of lower-case letters and digits, joined by `.`, `_`, `__` or dashes.
fn is_path_component(component: &str) -> bool {
    let is_alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator =
        |run: &str| matches!(run, "." | "_" | "__") || run.bytes().all(|b| b == b'-');
    component.starts_with(is_alphanumeric)
        && component.ends_with(is_alphanumeric)
        && component.split(is_alphanumeric).all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let is_inside = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=128).contains(&tag.len()) && tag.bytes().all(is_inside) && !tag.starts_with(['.', '-'])
}

/// The algorithms that the kubelet links (go-digest algorithm.go); it refuses any other.
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && is_lower_hex(hex)
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// Domain, path, tag and digest.
    type Expected<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>);

    #[track_caller]
    fn check(text: &str, expected: Result<Expected<'_>, InvalidReference>) {
        let found = split(text);
        let found = found
            .as_ref()
            .map(|parts| (parts.domain, &*parts.path, parts.tag, parts.digest));
        assert_eq!(found, expected.as_ref().map(|parts| *parts), "{text}");
    }

    #[test]
    fn familiar_names_are_docker_hubs() {
        check("nginx", Ok(("docker.io", "library/nginx", None, None)));
        check(
            "nginx:1.27",
            Ok(("docker.io", "library/nginx", Some("1.27"), None)),
        );
        check("org/app", Ok(("docker.io", "org/app", None, None)));
        check(
            "docker.io/nginx",
            Ok(("docker.io", "library/nginx", None, None)),
        );
        check(
            "index.docker.io/nginx",
            Ok(("docker.io", "library/nginx", None, None)),
        );
    }

    #[test]
    fn a_dot_a_port_a_capital_or_localhost_makes_a_registry() {
        check("ghcr.io/app", Ok(("ghcr.io", "app", None, None)));
        check(
            "registry:5000/app:1",
            Ok(("registry:5000", "app", Some("1"), None)),
        );
        check("[::1]:5000/app", Ok(("[::1]:5000", "app", None, None)));
        check("Registry/app", Ok(("Registry", "app", None, None)));
        check("localhost/app", Ok(("localhost", "app", None, None)));
        check(
            "registry/app",
            Ok(("docker.io", "registry/app", None, None)),
        );
    }

    #[test]
    fn a_first_part_that_is_no_domain_stays_part_of_the_name() {
        check("a_b.c/app", Ok(("a_b.c", "app", None, None)));
    }

    #[test]
    fn tag_and_digest_may_come_together() {
        let text = format!("ghcr.io/org/app:1@{DIGEST}");
        check(&text, Ok(("ghcr.io", "org/app", Some("1"), Some(DIGEST))));
    }

    #[test]
    fn what_is_wrong_is_named() {
        check("", Err(InvalidReference::Empty));
        check(&DIGEST[7..], Err(InvalidReference::ImageId));
        check("ghcr.io/App", Err(InvalidReference::UpperCase));
        check("Nginx", Err(InvalidReference::UpperCase));
        check("ghcr.io/org//app", Err(InvalidReference::Name));
        check("ghcr.io/org/a..b", Err(InvalidReference::Name));
        check("https://ghcr.io/org/app", Err(InvalidReference::Name));
        check("nginx:", Err(InvalidReference::Tag));
        check("nginx:-1", Err(InvalidReference::Tag));
        check("nginx@sha256:e3b0", Err(InvalidReference::Digest));
        check(
            "nginx@md5:d41d8cd98f00b204e9800998ecf8427e",
            Err(InvalidReference::Digest),
        );
        check(
            &format!("ghcr.io/{}", "a".repeat(256)),
            Err(InvalidReference::TooLong),
        );
        check(
            &format!("nginx:{}", "a".repeat(129)),
            Err(InvalidReference::Tag),
        );
    }
}
