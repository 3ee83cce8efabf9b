//! Registries for which nodes have credentials of their own, which nobody sees from here: a credential
//! provider of the kubelet, the runtime's configuration, a pull secret that is on every node.
//!
//! They are told in the kubelet's own syntax, `matchImages` of its CredentialProviderConfig: host, with
//! `*` for whole labels or parts of them, port, and the beginning of a path.

use super::image::Reference;
use super::keyring;

/// What the providers of the clouds serve (cloud-provider-aws docs/credential_provider.md;
/// cloud-provider-gcp cmd/auth-provider-gcp; Azure/acr-credential-provider).
const OF_CLOUDS: [&str; 12] = [
    "*.dkr.ecr.*.amazonaws.com",
    "*.dkr.ecr.*.amazonaws.com.cn",
    "*.dkr.ecr-fips.*.amazonaws.com",
    "*.dkr-ecr.*.on.aws",
    "container.cloud.google.com",
    "gcr.io",
    "*.gcr.io",
    "*.pkg.dev",
    "*.azurecr.io",
    "*.azurecr.cn",
    "*.azurecr.de",
    "*.azurecr.us",
];

/// Patterns of images that nodes may have a credential for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCredentials(Vec<String>);

impl Default for NodeCredentials {
    /// The clouds' own.
    fn default() -> Self {
        Self(OF_CLOUDS.map(str::to_owned).to_vec())
    }
}

impl NodeCredentials {
    /// The word that stands for the default among patterns.
    pub const CLOUDS: &str = "clouds";

    /// None but these.
    pub fn only(patterns: impl IntoIterator<Item = String>) -> Self {
        Self(patterns.into_iter().collect())
    }

    /// These too.
    #[must_use]
    pub fn with(mut self, patterns: impl IntoIterator<Item = String>) -> Self {
        self.0.extend(patterns);
        self
    }

    /// A node may have a credential for this image.
    pub fn cover(&self, image: &Reference) -> bool {
        let mut patterns = self.0.iter();
        patterns.any(|pattern| keyring::urls_match(pattern, image.name()).unwrap_or(false))
    }

    /// The same as flags have it, the clouds' own by their word.
    pub fn told(&self) -> Vec<&str> {
        let of_clouds = Self::default();
        let has_clouds = of_clouds.0.iter().all(|pattern| self.0.contains(pattern));
        let others = self
            .0
            .iter()
            .filter(|pattern| !has_clouds || !of_clouds.0.contains(pattern));
        let clouds = has_clouds.then_some(Self::CLOUDS);
        clouds
            .into_iter()
            .chain(others.map(String::as_str))
            .collect()
    }

    /// What was told, in order.
    pub fn patterns(&self) -> &[String] {
        &self.0
    }
}

/// A pattern that the kubelet could make nothing of.
pub fn is_pattern(pattern: &str) -> bool {
    !pattern.is_empty() && keyring::urls_match(pattern, "registry.example.com/app").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_the_kubelets() {
        let check = |credentials: &NodeCredentials, image: &str, expected| {
            let image = Reference::parse(image).unwrap();
            assert_eq!(credentials.cover(&image), expected, "{image}");
        };
        let clouds = NodeCredentials::default();
        check(&clouds, "1.dkr.ecr.eu-west-1.amazonaws.com/app:1", true);
        check(&clouds, "europe-docker.pkg.dev/p/r/app", true);
        check(&clouds, "team.azurecr.io/app", true);
        check(&clouds, "ghcr.io/org/app", false);
        check(&clouds, "nginx", false);
        let own = NodeCredentials::only(["registry.corp.example:5000/team".to_owned()]);
        check(&own, "registry.corp.example:5000/team/app", true);
        check(&own, "registry.corp.example:5000/other/app", false);
        check(&own, "team.azurecr.io/app", false);
    }

    #[test]
    fn what_the_kubelet_cannot_read_is_no_pattern() {
        assert!(is_pattern("*.example.com") && is_pattern("ghcr.io/org"));
        assert!(!is_pattern("") && !is_pattern("[.example.com"));
    }
}
