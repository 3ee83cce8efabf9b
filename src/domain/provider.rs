//! Which product serves a registry, as far as its host name tells.
//!
//! Self-hosted products have any name: they are `unknown` here.

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
    /// quay.io.
    Quay,
    /// GitLab.com.
    Gitlab,
    /// JFrog's cloud.
    Jfrog,
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
    pub const ALL: [Self; 14] = [
        Self::DockerHub,
        Self::Ghcr,
        Self::Ecr,
        Self::EcrPublic,
        Self::Google,
        Self::Acr,
        Self::Quay,
        Self::Gitlab,
        Self::Jfrog,
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
            Self::Gitlab => "gitlab",
            Self::Jfrog => "jfrog",
            Self::DigitalOcean => "digitalocean",
            Self::Ocir => "ocir",
            Self::Ibm => "ibm",
            Self::Alibaba => "alibaba",
            Self::Unknown => "unknown",
        }
    }

    /// From the host name.
    pub fn of(registry: &Registry) -> Self {
        let host = registry.as_str();
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
            _ if host.ends_with(".aliyuncs.com") => Self::Alibaba,
            _ => Self::Unknown,
        }
    }
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
        ] {
            assert_eq!(
                Provider::of(&Registry::from_domain(host)),
                expected,
                "{host}"
            );
        }
    }
}
