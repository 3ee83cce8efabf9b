//! What the author of a key evidently meant, where the kubelet reads something else.

use super::Key;

/// Docker Hub's names that the kubelet does not map to it.
const DOCKER_HUB_ALIASES: [&str; 11] = [
    "*.docker.com",
    "*.docker.io",
    "auth.docker.io",
    "cloud.docker.com",
    "docker.com",
    "hub.docker.com",
    "hub.docker.io",
    "registry-1.docker.io",
    "registry.docker.io",
    "registry.hub.docker.com",
    "www.docker.com",
];

/// What people write in front of a registry; the kubelet takes off `https` and `http` alone.
const SCHEMES: [&str; 5] = ["docker", "docker-image", "http", "https", "oci"];

/// A key as a person reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Intent<'a> {
    /// A scheme, or slashes, that became part of the key.
    pub(crate) has_scheme: bool,
    /// Without port, in lower case.
    pub(crate) host: String,
    pub(crate) has_capitals: bool,
    pub(crate) port: &'a str,
    /// Empty, or with a slash in front.
    pub(crate) path: &'a str,
}

impl<'a> Intent<'a> {
    pub(crate) fn of(key: &'a Key) -> Self {
        let text = key.as_str();
        let rest = without_scheme(text);
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = split_port(authority);
        Self {
            has_scheme: rest.len() < text.len(),
            host: host.to_ascii_lowercase(),
            has_capitals: host.contains(|c: char| c.is_ascii_uppercase()),
            port,
            path,
        }
    }

    /// Docker Hub by a name under which no credential reaches an image of it.
    pub(crate) fn is_docker_hub_alias(&self) -> bool {
        // The kubelet falls back to the bare host alone.
        let is_more = !self.path.is_empty() || !self.port.is_empty();
        DOCKER_HUB_ALIASES.contains(&self.host.as_str())
            || self.host == "index.docker.io" && is_more
    }

    /// `/v1` or `/v2` without the slash that would make the kubelet drop it.
    pub(crate) fn is_version_path(&self) -> bool {
        matches!(self.path, "/v1" | "/v2")
    }
}

/// Host and port as text; an IPv6 address keeps its brackets.
pub(super) fn split_port(authority: &str) -> (&str, &str) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    }
}

fn without_scheme(text: &str) -> &str {
    let rest = match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme, rest) => rest,
        _ => text,
    };
    rest.trim_start_matches('/')
}

fn is_scheme(name: &str, rest: &str) -> bool {
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-".contains(&b));
    let is_known = SCHEMES.contains(&name.to_ascii_lowercase().as_str());
    is_name && rest.starts_with("//") || is_known && rest.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, has_scheme: bool, host: &str, port: &str, path: &str) {
        let key = Key::normalise(raw).unwrap();
        let found = Intent::of(&key);
        let has_capitals = found.has_capitals;
        assert_eq!(
            found,
            Intent {
                has_scheme,
                host: host.to_owned(),
                has_capitals,
                port,
                path
            },
            "{raw}"
        );
    }

    #[test]
    fn a_scheme_that_the_kubelet_keeps_is_seen_through() {
        check("oci://GHCR.io/org", true, "ghcr.io", "", "/org");
        check("HTTPS://ghcr.io", true, "ghcr.io", "", "");
        check("https://https://ghcr.io", true, "ghcr.io", "", "");
        check("https:/ghcr.io", true, "ghcr.io", "", "");
        check("https:///ghcr.io", true, "ghcr.io", "", "");
        check("//ghcr.io", true, "ghcr.io", "", "");
    }

    #[test]
    fn a_host_with_a_port_has_no_scheme() {
        check("localhost:5000/app", false, "localhost", "5000", "/app");
        check("registry:/app", false, "registry", "", "/app");
        check("[::1]:5000", false, "[::1]", "5000", "");
        check("[::1]", false, "[::1]", "", "");
        check("https://ghcr.io/v1", false, "ghcr.io", "", "/v1");
    }
}
