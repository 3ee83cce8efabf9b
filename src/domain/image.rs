//! Image references as the kubelet reads them, and the registries they name.
//!
//! A [`Reference`] that exists is valid: nobody checks it again. The rules are those of
//! github.com/distribution/reference, which the kubelet's `ParseImageName` calls
//! (k8s pkg/util/parsers/parsers.go).

mod grammar;

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use thiserror::Error;

pub(crate) use grammar::is_domain;

/// Docker Hub, as the kubelet names it.
const DOCKER_HUB: &str = "docker.io";

/// The host that serves Docker Hub's `/v2/`; `docker.io` itself serves a web site.
const DOCKER_HUB_ENDPOINT: &str = "registry-1.docker.io";

/// The other names that Docker Hub's registry answers to.
const DOCKER_HUB_HOSTS: [&str; 3] = [
    "index.docker.io",
    DOCKER_HUB_ENDPOINT,
    "registry.hub.docker.com",
];

/// `host[:port]` of an image as the kubelet names it: lower case, Docker Hub's hosts folded to
/// `docker.io`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Registry(Arc<str>);

impl Registry {
    /// The registry that the first part of an image name, or of a key, means.
    pub fn from_domain(domain: &str) -> Self {
        let domain = domain.to_ascii_lowercase();
        if DOCKER_HUB_HOSTS.contains(&domain.as_str()) {
            return Self(DOCKER_HUB.into());
        }
        Self(domain.into())
    }

    /// The name, as labels and reports show it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `host[:port]` to contact.
    pub fn endpoint(&self) -> &str {
        if self.is_docker_hub() {
            return DOCKER_HUB_ENDPOINT;
        }
        &self.0
    }

    /// Docker Hub differs from all others in its name, its keys and its limits.
    pub fn is_docker_hub(&self) -> bool {
        &*self.0 == DOCKER_HUB
    }

    /// The node's own registry: another one on each node, and none of ours.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        host == "localhost" || host.parse().is_ok_and(is_loopback)
    }

    /// The name without port and without the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        match self.0.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None if self.0.parse::<Ipv6Addr>().is_ok() => &self.0,
            None => self.0.split(':').next().unwrap_or(&self.0),
        }
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({})", self.0)
    }
}

/// A full image name: what is pulled, and from where.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Registry and repository as the keyring sees them. Its registry keeps the case and the
    /// alias it was written with, since the kubelet matches keys against exactly that.
    name: Arc<str>,
    tag: Option<Arc<str>>,
    digest: Option<Arc<str>>,
    registry: Registry,
}

impl Reference {
    /// Reads an image name as it stands in a pod.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let parts = grammar::split(text)?;
        Ok(Self {
            name: format!("{}/{}", parts.domain, parts.path).into(),
            tag: parts.tag.map(Arc::from),
            digest: parts.digest.map(Arc::from),
            registry: Registry::from_domain(parts.domain),
        })
    }

    /// Where the image comes from.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What the keyring matches, without tag and digest: `docker.io/library/nginx`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path inside the registry: `library/nginx`.
    pub fn repository(&self) -> &str {
        self.name
            .split_once('/')
            .map_or(&*self.name, |(_, path)| path)
    }

    /// The tag, if one was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was written.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// What to ask the registry for: the digest, else the tag, else `latest`.
    pub fn manifest(&self) -> &str {
        self.digest().or_else(|| self.tag()).unwrap_or("latest")
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reference({self})")
    }
}

/// Why no image can have this name. Whoever wrote the pod can fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidReference {
    /// Nothing was written.
    #[error("image name is empty")]
    Empty,
    /// 64 hexadecimal digits are an image id, which cannot be pulled.
    #[error("image name is an image id")]
    ImageId,
    /// A digest is `sha256:` and 64 lower-case hexadecimal digits, or sha384, sha512 alike.
    #[error("invalid digest")]
    Digest,
    /// The registry or a part of the path has a character or a separator in a wrong place.
    #[error("invalid image name")]
    Name,
    /// A tag is at most 128 letters, digits, `_`, `.` and `-`.
    #[error("invalid tag")]
    Tag,
    /// The path may have 255 characters.
    #[error("repository is longer than 255 characters")]
    TooLong,
    /// Only registry and tag may have capitals.
    #[error("repository is not lower case")]
    UpperCase,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(domain: &str, expected: (&str, &str, bool)) {
        let registry = Registry::from_domain(domain);
        let found = (
            registry.as_str(),
            registry.endpoint(),
            registry.is_loopback(),
        );
        assert_eq!(found, expected, "{domain}");
    }

    #[test]
    fn docker_hub_has_one_name() {
        let hub = ("docker.io", "registry-1.docker.io", false);
        check("docker.io", hub);
        check("index.docker.io", hub);
        check("registry-1.docker.io", hub);
        check("registry.hub.docker.com", hub);
        check("DOCKER.io", hub);
    }

    #[test]
    fn other_registries_keep_theirs_in_lower_case() {
        check("GHCR.io", ("ghcr.io", "ghcr.io", false));
        check(
            "r.example:5000",
            ("r.example:5000", "r.example:5000", false),
        );
        check(
            "127.example.com",
            ("127.example.com", "127.example.com", false),
        );
    }

    #[test]
    fn loopback_is_the_nodes_own() {
        for domain in ["localhost", "localhost:5000", "127.0.0.1", "127.8.9.1:5000"] {
            check(domain, (domain, domain, true));
        }
        check("[::1]:5000", ("[::1]:5000", "[::1]:5000", true));
        check(
            "[::ffff:127.0.0.1]",
            ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]", true),
        );
        check("[::2]:5000", ("[::2]:5000", "[::2]:5000", false));
    }
}
