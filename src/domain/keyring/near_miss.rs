//! Keys that a person evidently wrote for an image, and the rule each of them breaks.

use super::{
    DOCKER_HUB_FALLBACK, Key, glob,
    intent::{Intent, split_port},
    is_default_registry,
};

/// Registries of their own, however alike their names: never a slip of the pen for each other.
const WELL_KNOWN: [&str; 12] = [
    "cr.io",
    "docker.io",
    "gcr.io",
    "ghcr.io",
    "icr.io",
    "k8s.gcr.io",
    "lscr.io",
    "mcr.microsoft.com",
    "ocr.io",
    "public.ecr.aws",
    "quay.io",
    "registry.k8s.io",
];

/// Below these each customer has a host of his own, so that siblings are strangers.
const SHARED_DOMAINS: [&str; 10] = [
    "aliyuncs.com",
    "amazonaws.com",
    "amazonaws.com.cn",
    "azurecr.cn",
    "azurecr.io",
    "azurecr.us",
    "github.io",
    "jfrog.io",
    "ocir.io",
    "scw.cloud",
];

/// The kubelet's rule that keeps a key from matching, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// `oci://ghcr.io`.
    Scheme,
    /// `GHCR.io`.
    UpperCaseHost,
    /// `https://index.docker.io/v1`.
    V1WithoutSlash,
    /// `registry-1.docker.io`.
    DockerHubAlias,
    /// `ghcr.io/org/*`.
    GlobInPath,
    /// `ghcr.io:443`.
    Port,
    /// `*.example.com` for `a.b.example.com`.
    LabelCount,
    /// `ghrc.io`.
    Host,
    /// `ghcr.io/team-b` for `ghcr.io/team-a/app`.
    PathPrefix,
}

impl Rule {
    /// Every rule, nearest first.
    pub const ALL: [Self; 9] = [
        Self::Scheme,
        Self::UpperCaseHost,
        Self::V1WithoutSlash,
        Self::DockerHubAlias,
        Self::GlobInPath,
        Self::Port,
        Self::LabelCount,
        Self::Host,
        Self::PathPrefix,
    ];

    /// The word for labels and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheme => "scheme",
            Self::UpperCaseHost => "upper_case_host",
            Self::V1WithoutSlash => "v1_without_slash",
            Self::DockerHubAlias => "docker_hub_alias",
            Self::GlobInPath => "glob_in_path",
            Self::Port => "port",
            Self::LabelCount => "label_count",
            Self::Host => "host",
            Self::PathPrefix => "path_prefix",
        }
    }

    /// The rule in one sentence.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Scheme => {
                "A key is a host and perhaps a path: of schemes the kubelet takes off only https:// and http://."
            }
            Self::UpperCaseHost => {
                "The kubelet compares hosts letter by letter, so the case must be that of the image."
            }
            Self::V1WithoutSlash => {
                "The kubelet takes off /v1/ and /v2/ only with their last slash."
            }
            Self::DockerHubAlias => {
                "For Docker Hub the kubelet knows only docker.io and https://index.docker.io/v1/."
            }
            Self::GlobInPath => "A path is a plain prefix: `*` works in the host only.",
            Self::Port => {
                "The port must be written in the key exactly as in the image, and in neither or both."
            }
            Self::LabelCount => {
                "`*` stands for one label, so key and image must have as many dots in their hosts."
            }
            Self::Host => "The image names another host.",
            Self::PathPrefix => "The path of the key must be the beginning of the repository.",
        }
    }
}

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
        let is_related = is_within(key, &self.host)
            || is_within(&self.host, key)
            || are_siblings(&self.host, key)
            || is_one_edit(&self.host, key) && !WELL_KNOWN.contains(&key);
        Err(is_related.then_some(Rule::Host))
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

fn label_count(host: &str) -> usize {
    host.split('.').count()
}

/// `registry.example.com` within `example.com`.
fn is_within(host: &str, domain: &str) -> bool {
    let is_below = host
        .strip_suffix(domain)
        .is_some_and(|rest| rest.ends_with('.'));
    is_below && domain.contains('.') && !SHARED_DOMAINS.contains(&domain)
}

/// One label is another one, and not the one that tells customers of one provider apart.
fn are_siblings(one: &str, other: &str) -> bool {
    if label_count(one) != label_count(other) || label_count(one) < 3 {
        return false;
    }
    let pairs = one.split('.').zip(other.split('.'));
    let mut different = pairs.enumerate().filter(|(_, (a, b))| a != b);
    let (Some((place, _)), None) = (different.next(), different.next()) else {
        return false;
    };
    let is_shared = SHARED_DOMAINS
        .iter()
        .any(|domain| one.ends_with(&format!(".{domain}")));
    place + 2 < label_count(one) && !(place == 0 && is_shared)
}

/// One character inserted, left out, changed, or swapped with its neighbour.
fn is_one_edit(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let shared = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    match (&one[shared..], &other[shared..]) {
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([a, b, rest @ ..], [c, d, other @ ..]) if (a, b, rest) == (d, c, other) => true,
        ([_, a @ ..], b) | (b, [_, a @ ..]) if a == b => true,
        ([], [_]) | ([_], []) => true,
        _ => false,
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
