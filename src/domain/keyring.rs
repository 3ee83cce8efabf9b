//! The kubelet's keyring: which keys of docker configs match an image, and in which order.
//!
//! A port of k8s pkg/credentialprovider/keyring.go, quirks included. Source of each rule is that
//! file unless another is named.

mod glob;
mod intent;
mod likeness;
mod near_miss;
mod rule;
mod url;

use std::{borrow::Cow, cmp::Reverse, fmt, sync::Arc};

pub(crate) use intent::Intent;
pub use near_miss::{NearMiss, near_misses};
pub use rule::Rule;
pub use url::InvalidKey;
use url::Url;

use super::image::{self, Registry};

/// The key whose credentials the kubelet tries for Docker Hub when no key matches the image.
const DOCKER_HUB_FALLBACK: &str = "index.docker.io";

/// A registry key of a docker config, normalised as the kubelet indexes it: `host[:port][/path]`,
/// where the host may hold `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// What the kubelet makes of a key as written; an error means that it drops the entry.
    ///
    /// Bytes that are not UTF-8 (from `%ff`) become U+FFFD, which no image name has either.
    pub fn normalise(raw: &str) -> Result<Self, InvalidKey> {
        let has_scheme = raw.starts_with("https://") || raw.starts_with("http://");
        let url = Url::parse(raw, has_scheme)?;
        // Only with the slash behind: `/v1` is a path like any other.
        let path = match &*url.path {
            [b'/', b'v', b'1' | b'2', rest @ ..] if rest.starts_with(b"/") => rest,
            path => path,
        };
        let path = if path == b"/" { b"" } else { path };
        let key = [lossy(&url.host), lossy(path)].concat();
        Ok(Self(key.into()))
    }

    /// The key, as labels and reports show it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `host[:port]`, in the case it was written.
    pub fn host(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// What the repository must start with; empty, or with a slash in front.
    pub fn path(&self) -> &str {
        &self.0[self.host().len()..]
    }

    /// The host stands for several, so that a login has no address.
    pub fn is_glob(&self) -> bool {
        self.host().contains('*')
    }

    /// Where a login with this key goes; none for a glob, or a host that no image can name.
    pub fn registry(&self) -> Option<Registry> {
        let host = self.host();
        // An image's first part is a registry only with a dot or a port, or as `localhost`.
        let is_host = host.contains(['.', ':']) || host == "localhost";
        (is_host && image::is_domain(host)).then(|| Registry::from_domain(host))
    }

    /// The kubelet tries this key for an image of that name, the Docker Hub fallback aside.
    pub fn matches(&self, name: &str) -> bool {
        urls_match(&self.0, name).unwrap_or(false)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the kubelet tries for an image, in its order: all matches, keys in reverse lexicographic
/// order, and entries of one key as they come in. Docker Hub's key counts if nothing else matched.
///
/// Entries must come in the order of the pod's pull secrets. `name` is
/// [`Reference::name`](super::image::Reference::name).
pub fn lookup<'a, T>(entries: impl IntoIterator<Item = (&'a Key, T)>, name: &str) -> Vec<T> {
    let (mut matched, mut fallback) = (Vec::new(), Vec::new());
    for (key, item) in entries {
        if key.matches(name) {
            matched.push((key, item));
        } else if key.as_str() == DOCKER_HUB_FALLBACK {
            fallback.push((key, item));
        }
    }
    if matched.is_empty() && is_default_registry(name) {
        matched = fallback;
    }
    // sort.Reverse(sort.StringSlice): a longer path comes before its own beginning, and literal
    // hosts before `*`. Stable, so that the order within one key stays.
    matched.sort_by_key(|(key, _)| Reverse(*key));
    matched.into_iter().map(|(_, item)| item).collect()
}

/// `isDefaultRegistryMatch`: also true of `localhost/app`, to which the kubelet then sends
/// Docker Hub's credentials.
pub fn is_default_registry(name: &str) -> bool {
    let Some((first, _)) = name.split_once('/') else {
        return !name.is_empty();
    };
    match first {
        "" => false,
        "docker.io" | "index.docker.io" => true,
        _ => !first.contains(['.', ':']),
    }
}

/// `URLsMatchStr`: both sides are parsed as URLs once more, so that an escape which the key
/// itself had escaped is undone here.
pub fn urls_match(glob: &str, target: &str) -> Result<bool, InvalidKey> {
    let (glob, target) = (Url::parse(glob, false)?, Url::parse(target, false)?);
    let (glob_host, glob_port) = glob.split_host_port();
    let (host, port) = target.split_host_port();
    let labels = |host: &[u8]| host.iter().filter(|b| **b == b'.').count();
    // The path is a plain prefix: `ghcr.io/org` matches `ghcr.io/organ/app`.
    if glob_port != port
        || labels(glob_host) != labels(host)
        || !target.path.starts_with(&glob.path)
    {
        return Ok(false);
    }
    let pairs = glob_host.split(is_dot).zip(host.split(is_dot));
    for (pattern, label) in pairs {
        match glob::matches(pattern, label) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(glob::BadPattern) => return Err(InvalidKey::Pattern),
        }
    }
    Ok(true)
}

fn is_dot(byte: &u8) -> bool {
    *byte == b'.'
}

/// As Go writes bytes that are no text: U+FFFD for each byte of them.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(
            bytes
                .utf8_chunks()
                .flat_map(|chunk| {
                    [
                        chunk.valid().to_owned(),
                        "\u{fffd}".repeat(chunk.invalid().len()),
                    ]
                })
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keys: &[&str], name: &str, expected: &[&str]) {
        let keys: Vec<Key> = keys
            .iter()
            .map(|raw| Key::normalise(raw).unwrap())
            .collect();
        let found = lookup(keys.iter().map(|key| (key, key.as_str())), name);
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn keys_are_tried_in_reverse_lexicographic_order() {
        check(
            &[
                "*",
                "*.io",
                "ghcr.io",
                "g*r.io",
                "ghcr.io/org",
                "ghcr.io/org/",
                "ghcr.io/org/app",
                "quay.io",
            ],
            "ghcr.io/org/app",
            &[
                "ghcr.io/org/app",
                "ghcr.io/org/",
                "ghcr.io/org",
                "ghcr.io",
                "g*r.io",
                "*.io",
            ],
        );
    }

    #[test]
    fn docker_hubs_key_counts_only_if_nothing_matches() {
        check(
            &["https://index.docker.io/v1/", "quay.io"],
            "docker.io/library/nginx",
            &["index.docker.io"],
        );
        check(
            &["https://index.docker.io/v1/", "docker.io"],
            "docker.io/library/nginx",
            &["docker.io"],
        );
        check(
            &["https://index.docker.io/v1"],
            "docker.io/library/nginx",
            &[],
        );
        check(&["index.docker.io"], "localhost/app", &["index.docker.io"]);
        check(&["index.docker.io"], "localhost:5000/app", &[]);
    }

    #[test]
    fn one_key_keeps_the_order_of_the_secrets() {
        let keys = ["ghcr.io", "https://ghcr.io/"].map(|raw| Key::normalise(raw).unwrap());
        let entries = || keys.iter().zip(["first", "second"]);
        assert_eq!(lookup(entries(), "ghcr.io/app"), ["first", "second"]);
        assert_eq!(lookup(entries().rev(), "ghcr.io/app"), ["second", "first"]);
    }

    #[test]
    fn a_key_is_taken_apart() {
        let key = Key::normalise("https://Registry.example.com:5000/v2/org/").unwrap();
        assert_eq!(
            (key.host(), key.path(), key.is_glob()),
            ("Registry.example.com:5000", "/org/", false)
        );
        assert_eq!(
            key.registry(),
            Some(Registry::from_domain("registry.example.com:5000"))
        );
    }

    #[test]
    fn a_login_needs_a_host_that_an_image_can_name() {
        let registry = |raw: &str| Key::normalise(raw).unwrap().registry();
        assert_eq!(
            registry("https://index.docker.io/v1/"),
            Some(Registry::from_domain("docker.io"))
        );
        assert_eq!(
            registry("localhost"),
            Some(Registry::from_domain("localhost"))
        );
        for raw in [
            "*.example.com",
            "auths",
            "https:///ghcr.io",
            "oci://ghcr.io",
            "a_b.example.com",
        ] {
            assert_eq!(registry(raw), None, "{raw}");
        }
    }
}
