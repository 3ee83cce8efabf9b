//! The habits of well-known registries, as far as their answers tell them apart.

use serde_json::json;

use super::answer::Answer;
use super::behaviour::{Behaviour, Denial};

impl Behaviour {
    /// Docker Hub: the realm elsewhere, a lockout after five failures, a pull quota, one answer for
    /// what is private and what does not exist.
    pub fn docker_hub() -> Self {
        let refused = json!({ "details": "incorrect username or password" });
        Self {
            missing_repository: Denial::InsufficientScope,
            ..Self::bearer()
                .realm_elsewhere()
                .service("registry.docker.io")
                .token_fields(&["token", "access_token"])
                .refused_login(Answer::status(401).json(&refused))
                .lockout_after(5)
                .quota(100, 21_600)
        }
    }

    /// Amazon ECR: Basic, 403 for an expired token and for missing rights.
    pub fn ecr() -> Self {
        Self::basic()
            .challenge(&["Basic realm=\"https://{host}/\",service=\"ecr.amazonaws.com\""])
            .no_credentials(Answer::status(401).text("Not Authorized\n"))
            .refused_login(Answer::status(401).text("Not Authorized\n"))
            .expired_login(Answer::error(
                403,
                "DENIED",
                "Your authorization token has expired. Reauthenticate and try again.",
            ))
            .no_rights(Answer::error(
                403,
                "DENIED",
                "User: arn:aws:iam::123456789012:user/bot is not authorized to perform: \
                 ecr:BatchGetImage",
            ))
    }

    /// GHCR: 403 from the token server for a bad token, 403 for missing rights.
    pub fn ghcr() -> Self {
        Self::bearer()
            .service("ghcr.io")
            .refused_login(Answer::error(403, "DENIED", "denied"))
            .no_rights(Answer::error(403, "DENIED", "denied"))
            .missing_repository(Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"))
    }

    /// GitLab: the realm elsewhere at `/jwt/auth`, 403 for a token without scope and login.
    pub fn gitlab() -> Self {
        Self::bearer()
            .realm_elsewhere()
            .realm_path("/jwt/auth")
            .service("container_registry")
            .refused_login(Answer::error(
                401,
                "UNAUTHORIZED",
                "HTTP Basic: Access denied",
            ))
            .anonymous_token_refusal(Answer::error(403, "DENIED", "access forbidden"))
    }

    /// Google Artifact Registry: 403 both for missing rights and for what does not exist.
    pub fn google() -> Self {
        let denied = Answer::error(
            403,
            "DENIED",
            "Permission \"artifactregistry.repositories.downloadArtifacts\" denied on resource \
             \"projects/p/locations/l/repositories/r\" (or it may not exist)",
        );
        Self::bearer()
            .realm_path("/v2/token")
            .no_rights(denied.clone())
            .missing_repository(denied)
    }

    /// Harbor: wrong credentials get an anonymous token when a scope is asked for; only a token
    /// request without scope tells.
    pub fn harbor() -> Self {
        Self {
            scope_hides_refusal: true,
            ..Self::bearer()
                .realm_path("/service/token")
                .service("harbor-registry")
                .refused_login(Answer::status(401))
                .no_rights(
                    Answer::error(
                        401,
                        "UNAUTHORIZED",
                        "unauthorized to access repository: project/app, action: pull",
                    )
                    .header("www-authenticate", "Basic realm=\"harbor\""),
                )
                .missing_repository(Answer::error(404, "NOT_FOUND", "repository not found"))
        }
    }

    /// JFrog Artifactory: 403 for missing rights, and 403 for everyone of a suspended user.
    pub fn jfrog() -> Self {
        Self::bearer()
            .realm_path("/v2/token")
            .no_rights(Answer::error(403, "DENIED", "access denied"))
            .locked_login(Answer::error(
                403,
                "DENIED",
                "login attempts are temporarily suspended",
            ))
    }

    /// Quay: a token without scope and login is refused.
    pub fn quay() -> Self {
        let refused = Answer::error(
            401,
            "UNAUTHORIZED",
            "Could not find robot with specified username",
        );
        Self::bearer()
            .realm_path("/v2/auth")
            .service("quay.io")
            .anonymous_token_refusal(refused.clone())
            .refused_login(refused)
    }

    /// zot: Basic, 403 for missing rights.
    pub fn zot() -> Self {
        Self::basic().no_rights(Answer::error(
            403,
            "DENIED",
            "requested access to the resource is denied",
        ))
    }
}
