//! The rules of matching, each by its own name: what keeps a key from an image.

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
