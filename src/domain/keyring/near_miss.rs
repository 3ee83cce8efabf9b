//! Keys that a person evidently wrote for an image, and the rule each of them breaks.

use super::{
    DOCKER_HUB_FALLBACK, Key, glob,
    intent::{Intent, split_port},
    is_default_registry,
    likeness::{is_alike, label_count},
    rule::Rule,
};

/// A key that nearly matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss<T> {
    /// What came with the key.
    pub item: T,
    /// The key.
    pub key: Key,
    /// The first rule that it breaks.
    pub rule: Rule,
}

/// The keys that were evidently meant for this image and do not match it, nearest first: those
/// that break one rule before those that break more, then in the order of [`Rule`], then as they
/// came. Unrelated keys are left out.
pub fn near_misses<'a, T>(
    entries: impl IntoIterator<Item = (&'a Key, T)>,
    name: &str,
) -> Vec<NearMiss<T>> {
    let image = Image::of(name);
    let mut ranked = Vec::new();
    for (key, item) in entries {
        let is_fallback = key.as_str() == DOCKER_HUB_FALLBACK && is_default_registry(name);
        if is_fallback || key.matches(name) {
            continue;
        }
        let broken = image.broken_rules(&Intent::of(key));
        if let Some(rule) = broken.first().copied() {
            let miss = NearMiss {
                item,
                key: key.clone(),
                rule,
            };
            ranked.push((broken.len(), miss));
        }
    }
    ranked.sort_by_key(|(broken, miss)| (*broken, miss.rule));
    ranked.into_iter().map(|(_, miss)| miss).collect()
}

/// An image's name as keys are held against it.
struct Image<'a> {
    /// In lower case, as [`Intent::host`].
    host: String,
    has_capitals: bool,
    port: &'a str,
    path: &'a str,
}

impl<'a> Image<'a> {
    fn of(name: &'a str) -> Self {
        let (authority, path) = name.split_at(name.find('/').unwrap_or(name.len()));
        let (host, port) = split_port(authority);
        Self {
            host: host.to_ascii_lowercase(),
            has_capitals: host.contains(|c: char| c.is_ascii_uppercase()),
            port,
            path,
        }
    }

    /// Empty for a key that was not meant for this image.
    fn broken_rules(&self, key: &Intent<'_>) -> Vec<Rule> {
        let mut broken = Vec::new();
        let is_docker_hub = self.host == "docker.io" && key.is_docker_hub_alias();
        let host_rule = if is_docker_hub {
            None
        } else {
            match self.host_rule(&key.host) {
                Ok(()) => None,
                Err(None) => return broken,
                Err(rule) => rule,
            }
        };
        let path_rule = self.path_rule(key);
        // Another host and another path: nobody meant this image.
        if host_rule.is_some() && path_rule == Some(Rule::PathPrefix) {
            return broken;
        }
        let has_other_case = key.has_capitals || self.has_capitals;
        broken.extend(key.has_scheme.then_some(Rule::Scheme));
        broken.extend(has_other_case.then_some(Rule::UpperCaseHost));
        if is_docker_hub {
            let is_version = key.is_version_path();
            broken.push(if is_version {
                Rule::V1WithoutSlash
            } else {
                Rule::DockerHubAlias
            });
            return broken;
        }
        broken.extend(host_rule);
        broken.extend((key.port != self.port).then_some(Rule::Port));
        broken.extend(path_rule);
        broken
    }

    fn path_rule(&self, key: &Intent<'_>) -> Option<Rule> {
        if self.path.starts_with(key.path) {
            None
        } else if key.is_version_path() {
            Some(Rule::V1WithoutSlash)
        } else if key.path.contains('*') {
            Some(Rule::GlobInPath)
        } else {
            Some(Rule::PathPrefix)
        }
    }

    /// The host matches, or nearly, or (`Err(None)`) is another one altogether.
    fn host_rule(&self, key: &str) -> Result<(), Option<Rule>> {
        if label_count(key) == label_count(&self.host) && self.labels_match(key) {
            return Ok(());
        }
        if key.contains('*') {
            return Err(self.is_covered_by(key).then_some(Rule::LabelCount));
        }
        Err(is_alike(&self.host, key).then_some(Rule::Host))
    }

    fn labels_match(&self, key: &str) -> bool {
        let mut pairs = key.split('.').zip(self.host.split('.'));
        pairs
            .all(|(pattern, label)| glob::matches(pattern.as_bytes(), label.as_bytes()) == Ok(true))
    }

    /// The stars in front would have to stand for more labels, or for fewer.
    fn is_covered_by(&self, key: &str) -> bool {
        let suffix = key.trim_start_matches(['*', '.']);
        let is_under = self.host == suffix || self.host.ends_with(&format!(".{suffix}"));
        suffix.is_empty() || key.starts_with("*.") && suffix.contains('.') && is_under
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, raw: &str, expected: Option<Rule>) {
        let key = Key::normalise(raw).unwrap();
        let found = near_misses([(&key, ())], name);
        assert_eq!(
            found.first().map(|miss| miss.rule),
            expected,
            "{raw} for {name}"
        );
    }

    #[test]
    fn a_key_for_the_same_host_breaks_the_rule_that_is_named() {
        let name = "ghcr.io/org/app";
        check(name, "GHCR.io", Some(Rule::UpperCaseHost));
        check(name, "oci://ghcr.io", Some(Rule::Scheme));
        check(name, "HTTPS://ghcr.io/org", Some(Rule::Scheme));
        check(name, "ghcr.io:443", Some(Rule::Port));
        check(name, "https://ghcr.io/v1", Some(Rule::V1WithoutSlash));
        check(name, "ghcr.io/org/*", Some(Rule::GlobInPath));
        check(name, "ghcr.io/other", Some(Rule::PathPrefix));
        check("ghcr.io:443/org/app", "ghcr.io", Some(Rule::Port));
        check("GHCR.io/org/app", "ghcr.io", Some(Rule::UpperCaseHost));
    }

    #[test]
    fn docker_hub_has_names_that_the_kubelet_does_not_know() {
        let name = "docker.io/library/nginx";
        check(name, "registry-1.docker.io", Some(Rule::DockerHubAlias));
        check(name, "https://hub.docker.com", Some(Rule::DockerHubAlias));
        check(name, "*.docker.io", Some(Rule::DockerHubAlias));
        check(name, "index.docker.io/library", Some(Rule::DockerHubAlias));
        check(
            name,
            "https://index.docker.io/v1",
            Some(Rule::V1WithoutSlash),
        );
        check(name, "https://docker.io/v1", Some(Rule::V1WithoutSlash));
        check(name, "docker.io/org", Some(Rule::PathPrefix));
    }

    #[test]
    fn a_related_host_is_near() {
        check("ghcr.io/org/app", "ghrc.io", Some(Rule::Host));
        check("ghcr.io/org/app", "ghcr.i", Some(Rule::Host));
        check("registry.example.com/app", "example.com", Some(Rule::Host));
        check(
            "registry.example.com/app",
            "docker.example.com",
            Some(Rule::Host),
        );
        check(
            "a.b.example.com/app",
            "*.example.com",
            Some(Rule::LabelCount),
        );
        check("example.com/app", "*.example.com", Some(Rule::LabelCount));
        check("ghcr.io/app", "*", Some(Rule::LabelCount));
        let ecr = "1.dkr.ecr.us-east-1.amazonaws.com/app";
        check(ecr, "1.dkr.ecr.eu-west-1.amazonaws.com", Some(Rule::Host));
    }

    #[test]
    fn a_stranger_is_not() {
        check("ghcr.io/org/app", "gcr.io", None);
        check("ghcr.io/org/app", "quay.io", None);
        check("contoso.azurecr.io/app", "fabrikam.azurecr.io", None);
        check("ghcr.io/org/app", "*.example.com", None);
        check(
            "registry.example.com/team-a/app",
            "docker.example.com/team-b",
            None,
        );
        check(
            "1.dkr.ecr.us-east-1.amazonaws.com/a",
            "234.dkr.ecr.us-east-1.amazonaws.com",
            None,
        );
    }

    #[test]
    fn what_matches_is_no_near_miss() {
        check("ghcr.io/org/app", "ghcr.io", None);
        check(
            "docker.io/library/nginx",
            "https://index.docker.io/v1/",
            None,
        );
    }

    #[test]
    fn the_nearest_comes_first() {
        let keys = [
            "ghcr.io/other",
            "oci://GHCR.io",
            "quay.io",
            "ghcr.io:443",
            "GHCR.io",
        ]
        .map(|raw| Key::normalise(raw).unwrap());
        let found = near_misses(keys.iter().zip(0..), "ghcr.io/org/app");
        let order: Vec<i32> = found.iter().map(|miss| miss.item).collect();
        assert_eq!(order, [4, 3, 0, 1]);
    }
}
