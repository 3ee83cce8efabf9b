//! What is wrong with a key for every image, whatever images there are.

use super::FaultKind;
use crate::domain::keyring::{Intent, Key};

/// Why the key can match no image, if so; else what makes it doubtful.
pub(super) fn examine(raw: &str, key: &Key) -> Vec<FaultKind> {
    let mut kinds = Vec::new();
    let intent = Intent::of(key);
    match why_never(key, &intent) {
        Some(kind) => kinds.push(kind),
        None if intent.port == "443" => kinds.push(FaultKind::KeyDefaultPort),
        None if key.as_str() == "*" => kinds.push(FaultKind::KeySingleStar),
        None => {}
    }
    if has_user_info(raw) {
        kinds.push(FaultKind::KeyUserInfo);
    }
    kinds
}

fn why_never(key: &Key, intent: &Intent<'_>) -> Option<FaultKind> {
    if intent.host.is_empty() {
        Some(FaultKind::KeyEmptyHost)
    } else if intent.has_scheme {
        Some(FaultKind::KeyScheme)
    } else if intent.has_capitals {
        Some(FaultKind::KeyUpperCaseHost)
    } else if intent.is_version_path() {
        Some(FaultKind::KeyV1WithoutSlash)
    } else if intent.is_docker_hub_alias() {
        Some(FaultKind::KeyDockerHubAlias)
    } else if matches!(intent.path, "/v0" | "/v0/") {
        Some(FaultKind::KeyV0Path)
    } else if !is_possible_host(key.host()) {
        Some(FaultKind::KeyImpossibleHost)
    } else if intent.path.contains('*') {
        Some(FaultKind::KeyGlobInPath)
    } else if !is_possible_path(intent.path) {
        Some(FaultKind::KeyImpossiblePath)
    } else {
        None
    }
}

/// Some image could name a host like this one, as far as its letters tell.
fn is_possible_host(host: &str) -> bool {
    if host.starts_with('[') {
        // Without a port Go reads the brackets as a set of characters.
        return host.contains("]:");
    }
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let is_label = |label: &str| {
        let is_inside = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'*');
        !label.is_empty() && label.bytes().all(is_inside)
    };
    let is_registry = name.contains(['.', '*']) || !port.is_empty() || name == "localhost";
    is_registry && name.split('.').all(is_label) && !port.contains(':')
}

/// Some repository could begin like this.
fn is_possible_path(path: &str) -> bool {
    let is_inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/._-".contains(&b);
    let starts_badly = |part: &str| part.starts_with(['.', '_', '-']);
    path.bytes().all(is_inside) && !path.contains("//") && !path.split('/').any(starts_badly)
}

fn has_user_info(raw: &str) -> bool {
    let rest = raw.split_once("://").map_or(raw, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next();
    authority.is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: &[FaultKind]) {
        let key = Key::normalise(raw).unwrap();
        assert_eq!(examine(raw, &key), expected, "{raw}");
    }

    #[test]
    fn keys_that_work_have_no_fault() {
        for raw in [
            "https://index.docker.io/v1/",
            "https://index.docker.io/v2/",
            "index.docker.io",
            "docker.io",
            "docker.io/org",
            "ghcr.io",
            "ghcr.io/",
            "ghcr.io/org/",
            "registry:5000",
            "localhost",
            "localhost:5000/app",
            "[::1]:5000",
            "*.*",
            "*:5000",
            "*.dkr.ecr.*.amazonaws.com",
            "k*.io",
            "https://quay.io/v1/",
            "127.0.0.1:5000",
            "r.io:",
        ] {
            check(raw, &[]);
        }
    }

    #[test]
    fn dead_keys_are_told_why() {
        check("oci://ghcr.io", &[FaultKind::KeyScheme]);
        check("HTTPS://ghcr.io", &[FaultKind::KeyScheme]);
        check("//ghcr.io", &[FaultKind::KeyScheme]);
        check("https:///ghcr.io", &[FaultKind::KeyScheme]);
        check("", &[FaultKind::KeyEmptyHost]);
        check("https://", &[FaultKind::KeyEmptyHost]);
        check("GHCR.io", &[FaultKind::KeyUpperCaseHost]);
        check(
            "https://index.docker.io/v1",
            &[FaultKind::KeyV1WithoutSlash],
        );
        check("ghcr.io/v2", &[FaultKind::KeyV1WithoutSlash]);
        check("registry-1.docker.io/v2/", &[FaultKind::KeyDockerHubAlias]);
        check("hub.docker.com", &[FaultKind::KeyDockerHubAlias]);
        check("index.docker.io/library", &[FaultKind::KeyDockerHubAlias]);
        check("https://gcr.io/v0/", &[FaultKind::KeyV0Path]);
        check("ghcr.io/org/*", &[FaultKind::KeyGlobInPath]);
        check("auths", &[FaultKind::KeyImpossibleHost]);
        check("a_b.example.com", &[FaultKind::KeyImpossibleHost]);
        check("::1", &[FaultKind::KeyImpossibleHost]);
        check("[::1]", &[FaultKind::KeyImpossibleHost]);
        check("b\u{fc}cher.example", &[FaultKind::KeyImpossibleHost]);
        check("ghcr.io/org/app:1", &[FaultKind::KeyImpossiblePath]);
        check("ghcr.io/Org", &[FaultKind::KeyImpossiblePath]);
        check("ghcr.io//org", &[FaultKind::KeyImpossiblePath]);
        check("ghcr.io/v2/_catalog", &[FaultKind::KeyImpossiblePath]);
    }

    #[test]
    fn doubtful_keys_are_told_too() {
        check("ghcr.io:443", &[FaultKind::KeyDefaultPort]);
        check("*", &[FaultKind::KeySingleStar]);
        check("https://user:pw@ghcr.io", &[FaultKind::KeyUserInfo]);
    }
}
