//! Which product serves a registry: by the host name of those that have one, by the way it asks for
//! credentials for the rest.

mod answer;

use super::exchange::Asked;
use super::image::Registry;

/// The `provider` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Provider {
    /// Docker Hub.
    DockerHub,
    /// GitHub's container registry.
    Ghcr,
    /// Amazon ECR, private.
    Ecr,
    /// Amazon ECR Public.
    EcrPublic,
    /// Google Container Registry and Artifact Registry.
    Google,
    /// Azure Container Registry.
    Acr,
    /// Quay, quay.io too.
    Quay,
    /// Harbor.
    Harbor,
    /// GitLab's container registry, GitLab.com too.
    Gitlab,
    /// JFrog Artifactory, its cloud too.
    Jfrog,
    /// Sonatype Nexus Repository.
    Nexus,
    /// zot.
    Zot,
    /// distribution (`registry:2`, `registry:3`), or something that answers as it does.
    Distribution,
    /// DigitalOcean.
    DigitalOcean,
    /// Oracle Cloud.
    Ocir,
    /// IBM Cloud.
    Ibm,
    /// Alibaba Cloud.
    Alibaba,
    /// Anything else.
    Unknown,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Self; 18] = [
        Self::DockerHub,
        Self::Ghcr,
        Self::Ecr,
        Self::EcrPublic,
        Self::Google,
        Self::Acr,
        Self::Quay,
        Self::Harbor,
        Self::Gitlab,
        Self::Jfrog,
        Self::Nexus,
        Self::Zot,
        Self::Distribution,
        Self::DigitalOcean,
        Self::Ocir,
        Self::Ibm,
        Self::Alibaba,
        Self::Unknown,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DockerHub => "docker_hub",
            Self::Ghcr => "ghcr",
            Self::Ecr => "ecr",
            Self::EcrPublic => "ecr_public",
            Self::Google => "google",
            Self::Acr => "acr",
            Self::Quay => "quay",
            Self::Harbor => "harbor",
            Self::Gitlab => "gitlab",
            Self::Jfrog => "jfrog",
            Self::Nexus => "nexus",
            Self::Zot => "zot",
            Self::Distribution => "distribution",
            Self::DigitalOcean => "digitalocean",
            Self::Ocir => "ocir",
            Self::Ibm => "ibm",
            Self::Alibaba => "alibaba",
            Self::Unknown => "unknown",
        }
    }

    /// Who answered. A host name that belongs to a provider is believed before anything that its
    /// answers say: whoever controls the name controls the answers, not the other way round. Any
    /// other name is `unknown` until an anonymous ping was answered.
    pub fn of(registry: &Registry, asked: &[Asked]) -> Self {
        match Self::named(registry) {
            Self::Unknown => answer::answering(asked),
            named => named,
        }
    }

    /// From the host name alone.
    pub fn named(registry: &Registry) -> Self {
        let host = registry.host();
        let is_ecr = || {
            host.contains(".dkr.ecr.")
                && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
        };
        match host {
            "docker.io" => Self::DockerHub,
            "ghcr.io" => Self::Ghcr,
            "public.ecr.aws" => Self::EcrPublic,
            "quay.io" => Self::Quay,
            "registry.gitlab.com" => Self::Gitlab,
            "registry.digitalocean.com" => Self::DigitalOcean,
            "gcr.io" => Self::Google,
            "icr.io" => Self::Ibm,
            _ if is_ecr() => Self::Ecr,
            _ if host.ends_with(".gcr.io") || host.ends_with("-docker.pkg.dev") => Self::Google,
            _ if host.ends_with(".azurecr.io") => Self::Acr,
            _ if host.ends_with(".jfrog.io") => Self::Jfrog,
            _ if host.ends_with(".ocir.io") => Self::Ocir,
            _ if host.ends_with(".icr.io") => Self::Ibm,
            _ if is_alibaba(host) => Self::Alibaba,
            _ => Self::Unknown,
        }
    }

    /// A GET of a manifest costs nobody a pull: nothing is counted there, and nothing stands behind
    /// it from which a GET would make it pull. Every product that can be a cache of Docker Hub may
    /// be one.
    pub fn gives_manifests_free(self) -> bool {
        match self {
            Self::Ghcr
            | Self::EcrPublic
            | Self::Gitlab
            | Self::DigitalOcean
            | Self::Ocir
            | Self::Ibm
            | Self::Alibaba => true,
            // counts them
            Self::DockerHub => false,
            // pull-through cache rules, remote repositories, proxy projects and organisations
            Self::Ecr
            | Self::Google
            | Self::Acr
            | Self::Quay
            | Self::Harbor
            | Self::Jfrog
            | Self::Nexus
            | Self::Zot
            | Self::Distribution => false,
            Self::Unknown => false,
        }
    }
}

/// `registry.cn-hangzhou.aliyuncs.com`, `registry-vpc...`, `<name>-registry.<region>.cr.aliyuncs.com`;
/// other names below `aliyuncs.com` are anybody's.
fn is_alibaba(host: &str) -> bool {
    host.ends_with(".cr.aliyuncs.com")
        || (host.starts_with("registry") && host.ends_with(".aliyuncs.com"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_tells_its_provider() {
        for (host, expected) in [
            ("docker.io", Provider::DockerHub),
            ("index.docker.io", Provider::DockerHub),
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
                Provider::Ecr,
            ),
            ("europe-docker.pkg.dev", Provider::Google),
            ("eu.gcr.io", Provider::Google),
            ("team.azurecr.io", Provider::Acr),
            ("azurecr.io.example.com", Provider::Unknown),
            ("registry.example.com:5000", Provider::Unknown),
            ("ghcr.io:443", Provider::Ghcr),
            ("team.jfrog.io", Provider::Jfrog),
            ("fra.ocir.io", Provider::Ocir),
            ("us.icr.io", Provider::Ibm),
            ("registry-vpc.cn-hangzhou.aliyuncs.com", Provider::Alibaba),
            (
                "team-registry.cn-hangzhou.cr.aliyuncs.com",
                Provider::Alibaba,
            ),
            ("bucket.oss-cn-hangzhou.aliyuncs.com", Provider::Unknown),
        ] {
            assert_eq!(
                Provider::named(&Registry::from_domain(host)),
                expected,
                "{host}"
            );
        }
    }
}
