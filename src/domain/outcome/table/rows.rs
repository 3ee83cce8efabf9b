//! The rows themselves. Each provider's comment says where its habits are written down; a row
//! without a public source is `unverified`.

use super::At::{Login, Manifest, ManifestForNobody, Ping, Token, TokenForNobody};
use super::Outcome::{
    Expired, Forbidden, LockedOut, NotFound, RateLimited, RegistryError, Unauthorized,
};
use super::{At, ChallengeError, ErrorCode, Phrase, Provider, Row, Situation};

const EXPIRED: &[Situation] = &[Situation::ExpiredCredential];
const LOCKED: &[Situation] = &[Situation::LockedOut];
const OVER_LIMIT: &[Situation] = &[Situation::OverLimit];
const NO_RIGHT: &[Situation] = &[Situation::NoRight];
const TAG: &[Situation] = &[Situation::TagAbsent];
const REPOSITORY: &[Situation] = &[Situation::RepositoryAbsent];
const WRONG_OR_EXPIRED: &[Situation] = &[Situation::WrongPassword, Situation::ExpiredCredential];
const WRONG_EXPIRED_OR_LOCKED: &[Situation] = &[
    Situation::WrongPassword,
    Situation::ExpiredCredential,
    Situation::LockedOut,
];
const NO_LOGIN_OR_NO_RIGHT: &[Situation] = &[
    Situation::WrongPassword,
    Situation::ExpiredCredential,
    Situation::NoRight,
];
const PRIVATE_OR_ABSENT: &[Situation] = &[Situation::NoRight, Situation::RepositoryAbsent];
/// A `HEAD` has no body that would tell a missing repository from a missing tag.
const REPOSITORY_OR_TAG: &[Situation] = &[Situation::RepositoryAbsent, Situation::TagAbsent];
const HIDDEN_OR_ABSENT: &[Situation] = &[
    Situation::NoRight,
    Situation::RepositoryAbsent,
    Situation::TagAbsent,
];
const FOR_NOBODY: &[Situation] = &[Situation::CredentialNeeded, Situation::RepositoryAbsent];
const NOTHING_FOR_NOBODY: &[Situation] = &[
    Situation::CredentialNeeded,
    Situation::RepositoryAbsent,
    Situation::TagAbsent,
];

const BY_A_LOGIN: &[At] = &[Login, Token, Manifest];
const ONE_REPOSITORY: &[At] = &[Token, Manifest];
const NOBODY: &[At] = &[TokenForNobody, ManifestForNobody];
const MANIFESTS: &[At] = &[Manifest, ManifestForNobody];
const ALL_BUT_PING: &[At] = &[Login, Token, Manifest, TokenForNobody, ManifestForNobody];
const EVERYWHERE: &[At] = &[
    Ping,
    Login,
    Token,
    Manifest,
    TokenForNobody,
    ManifestForNobody,
];

/// What holds for a registry of which nothing is known: the specification's status codes
/// (distribution docs/content/spec/api.md and spec/auth/token.md), and every doubt that one of the
/// products below raises.
pub(super) const ANYWHERE: &[Row] = &[
    Row::on(EVERYWHERE, &[429], LockedOut, LOCKED).phrase(Phrase::TooManyFailedLogins),
    Row::on(ALL_BUT_PING, &[401, 403], LockedOut, LOCKED).phrase(Phrase::TooManyFailedLogins),
    Row::on(ALL_BUT_PING, &[401, 403], LockedOut, LOCKED).phrase(Phrase::LoginBlocked),
    Row::on(ALL_BUT_PING, &[401, 403], Expired, EXPIRED).phrase(Phrase::TokenExpired),
    // The token is a second old: its clock or its keys are not the token server's.
    Row::on(MANIFESTS, &[401], RegistryError, &[]).error(ChallengeError::InvalidToken),
    Row::on(&[Manifest], &[401], Forbidden, PRIVATE_OR_ABSENT)
        .error(ChallengeError::InsufficientScope),
    Row::on(&[ManifestForNobody], &[401], Forbidden, FOR_NOBODY)
        .error(ChallengeError::InsufficientScope),
    Row::on(MANIFESTS, &[404], NotFound, TAG).code(ErrorCode::ManifestUnknown),
    Row::on(MANIFESTS, &[404], NotFound, REPOSITORY).code(ErrorCode::NameUnknown),
    Row::on(EVERYWHERE, &[429], RateLimited, OVER_LIMIT),
    Row::on(&[Login], &[401], Unauthorized, WRONG_EXPIRED_OR_LOCKED),
    Row::on(&[Login], &[403], Forbidden, NO_LOGIN_OR_NO_RIGHT),
    // After a good login this is one of this repository: distribution, Harbor, Quay, and every
    // registry that asks for Basic.
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, PRIVATE_OR_ABSENT),
    Row::on(&[Manifest], &[404], NotFound, HIDDEN_OR_ABSENT),
    Row::on(NOBODY, &[401], Unauthorized, FOR_NOBODY),
    Row::on(NOBODY, &[403], Forbidden, FOR_NOBODY),
    Row::on(&[ManifestForNobody], &[404], NotFound, NOTHING_FOR_NOBODY),
];

/// A provider's own rows.
pub(super) fn of(provider: Provider) -> &'static [Row] {
    match provider {
        Provider::DockerHub => DOCKER_HUB,
        Provider::Ghcr => GHCR,
        Provider::Ecr => ECR,
        Provider::EcrPublic => ECR_PUBLIC,
        Provider::Google => GOOGLE,
        Provider::Acr => ACR,
        Provider::Quay => QUAY,
        Provider::Harbor => HARBOR,
        Provider::Gitlab => GITLAB,
        Provider::Jfrog => JFROG,
        Provider::Nexus => NEXUS,
        Provider::Zot => ZOT,
        Provider::Distribution => DISTRIBUTION,
        Provider::DigitalOcean => DIGITAL_OCEAN,
        Provider::Ocir => OCIR,
        Provider::Ibm => IBM,
        Provider::Alibaba => ALIBABA,
        Provider::Unknown => &[],
    }
}

/// registry/auth/token/accesscontroller.go, registry/auth/htpasswd/access.go: who may not read gets
/// 401 whatever exists, who may gets 404. It has no lockout.
const DISTRIBUTION: &[Row] = &[
    Row::on(&[Manifest], &[401], Forbidden, NO_RIGHT).error(ChallengeError::InsufficientScope),
    Row::on(&[Login], &[401], Unauthorized, WRONG_OR_EXPIRED),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, NO_RIGHT),
    // To nobody as well: whoever may not read is not told.
    Row::on(MANIFESTS, &[404], NotFound, REPOSITORY_OR_TAG),
];

/// docker/hub-feedback#814 and #2217 (the lockout), docs.docker.com/docker-hub/usage/pulls. One text
/// for a wrong password and an expired token; one answer for what is private and what is not there.
const DOCKER_HUB: &[Row] = &[
    Row::on(&[Login], &[401], Unauthorized, WRONG_OR_EXPIRED),
    Row::on(MANIFESTS, &[404], NotFound, TAG),
];

/// 403 at the token endpoint is a bad token, where others mean a missing right: its own text is
/// `denied` for both (public pull logs). 404 is also what a private package looks like.
const GHCR: &[Row] = &[
    Row::on(&[Login], &[401, 403], Unauthorized, WRONG_OR_EXPIRED),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, NO_RIGHT),
];

/// docs.aws.amazon.com/AmazonECR common-errors-docker: the text of 403 tells an expired token from a
/// missing right. IAM is asked before the repository is looked for.
const ECR: &[Row] = &[
    Row::on(BY_A_LOGIN, &[403], Expired, EXPIRED).phrase(Phrase::TokenExpired),
    Row::on(
        &[Login],
        &[401, 403],
        Unauthorized,
        &[Situation::WrongPassword],
    )
    .unverified(),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, NO_RIGHT).unverified(),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG),
];

/// An expired token is refused for public images too, by whichever of the two requests sees it.
const ECR_PUBLIC: &[Row] = &[
    Row::on(BY_A_LOGIN, &[401, 403], Expired, EXPIRED).phrase(Phrase::TokenExpired),
    Row::on(
        &[Login],
        &[401, 403],
        Unauthorized,
        &[Situation::WrongPassword],
    )
    .unverified(),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, NO_RIGHT).unverified(),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG).unverified(),
];

/// "Permission ... denied on resource ... (or it may not exist)": its own words for the doubt.
/// Login: google-github-actions/auth#432.
const GOOGLE: &[Row] = &[
    Row::on(&[Login], &[401, 403], Unauthorized, WRONG_OR_EXPIRED),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, PRIVATE_OR_ABSENT),
    Row::on(&[Manifest], &[404], NotFound, TAG),
];

/// learn.microsoft.com, "authentication required": one 401 for a bad password, for one that has
/// ended, and for a missing AcrPull (Azure/acr docs/AAD-OAuth.md). Once the login was good, the
/// last is what remains. A firewall is about our address.
const ACR: &[Row] = &[
    Row::on(
        EVERYWHERE,
        &[403],
        RegistryError,
        &[Situation::AddressRefused],
    )
    .phrase(Phrase::AddressNotAllowed)
    .unverified(),
    Row::on(&[Login], &[401, 403], Unauthorized, NO_LOGIN_OR_NO_RIGHT),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, NO_RIGHT),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG).unverified(),
];

/// endpoints/v2/v2auth.py, endpoints/v2/errors.py, data/model/user.py. Robots and application tokens
/// are never locked; users are, exponentially, and are told so.
const QUAY: &[Row] = &[
    Row::on(
        BY_A_LOGIN,
        &[405],
        Forbidden,
        &[Situation::NamespaceDisabled],
    )
    .code(ErrorCode::Denied),
    Row::on(&[Login], &[401], Unauthorized, WRONG_OR_EXPIRED),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, PRIVATE_OR_ABSENT),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG),
];

/// src/core/service/token, src/server/middleware/{v2auth,security}, src/core/auth/authenticator.go:
/// a robot that is expired or disabled answers as a wrong password does; users of the database or of
/// LDAP are held back for 1.5 s, which looks the same. 412 is the vulnerability policy.
const HARBOR: &[Row] = &[
    Row::on(&[Login], &[401], Unauthorized, WRONG_EXPIRED_OR_LOCKED),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, PRIVATE_OR_ABSENT),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG),
    Row::on(&[Manifest], &[412], Forbidden, &[Situation::Withheld]),
];

/// A ban is one of the address, as plain text (gitlab-org/gitlab#21799,
/// docs.gitlab.com/security/rate_limits); older versions answer a wrong password with 403 too
/// (jwt_controller.rb). Without a right the token is empty and the registry says 401.
const GITLAB: &[Row] = &[
    Row::on(EVERYWHERE, &[403], LockedOut, LOCKED).phrase(Phrase::BareForbidden),
    Row::on(&[Login], &[401, 403], Unauthorized, WRONG_OR_EXPIRED).unverified(),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, PRIVATE_OR_ABSENT),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG),
];

/// jfrog.com "User Lock and Login Suspension" (403 for up to a minute even with the right password);
/// help articles 6177 and 7180: without a right 403, or 404 where existence is hidden; Xray blocks
/// with 403 in local repositories and 404 in virtual ones.
const JFROG: &[Row] = &[
    Row::on(&[Login], &[401], Unauthorized, WRONG_EXPIRED_OR_LOCKED),
    Row::on(&[Login], &[403], LockedOut, LOCKED).unverified(),
    Row::on(
        ONE_REPOSITORY,
        &[401, 403],
        Forbidden,
        &[Situation::NoRight, Situation::Withheld],
    ),
    Row::on(
        &[Manifest],
        &[404],
        NotFound,
        &[
            Situation::NoRight,
            Situation::RepositoryAbsent,
            Situation::TagAbsent,
            Situation::Withheld,
        ],
    ),
];

/// help.sonatype.com: 401 `access to the requested resource is not authorized` for a bad login and
/// for a missing right; a lockout is the directory's behind it, which answers as a wrong password.
const NEXUS: &[Row] = &[
    Row::on(&[Login], &[401, 403], Unauthorized, WRONG_EXPIRED_OR_LOCKED).unverified(),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, NO_RIGHT).unverified(),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG).unverified(),
];

/// pkg/api/authn.go (`authFail`), pkg/common (`AuthzFailWithReason`): 401 is the login, 403 the right.
const ZOT: &[Row] = &[
    Row::on(&[Login], &[401], Unauthorized, WRONG_OR_EXPIRED),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, NO_RIGHT),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG),
];

/// docs.digitalocean.com/products/container-registry; distribution behind a token server.
const DIGITAL_OCEAN: &[Row] = &[
    Row::on(&[Login], &[401, 403], Unauthorized, WRONG_OR_EXPIRED),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, PRIVATE_OR_ABSENT).unverified(),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG).unverified(),
];

/// docs.oracle.com, Registry troubleshooting: 401 for a bad token and for a user name of the wrong
/// form; for what may not be read "Anonymous users are only allowed read access on public repos".
const OCIR: &[Row] = &[
    Row::on(&[Login], &[401, 403], Unauthorized, WRONG_OR_EXPIRED),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, PRIVATE_OR_ABSENT).unverified(),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG).unverified(),
];

/// cloud.ibm.com Registry, troubleshoot-auth-req (401: bad key, expired OAuth token, wrong region)
/// and troubleshoot-scope (403: IAM, context-based restrictions).
const IBM: &[Row] = &[
    Row::on(&[Login], &[401], Unauthorized, WRONG_OR_EXPIRED),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, NO_RIGHT),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG).unverified(),
];

/// help.aliyun.com: temporary tokens of an hour, refused with 401 when it has passed.
const ALIBABA: &[Row] = &[
    Row::on(&[Login], &[401, 403], Unauthorized, WRONG_OR_EXPIRED),
    Row::on(ONE_REPOSITORY, &[401, 403], Forbidden, PRIVATE_OR_ABSENT).unverified(),
    Row::on(&[Manifest], &[404], NotFound, REPOSITORY_OR_TAG).unverified(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nonsense_means_nothing() {
        let own = Provider::ALL.iter().flat_map(|provider| of(*provider));
        for row in own.chain(ANYWHERE) {
            let means_nothing = row.meaning.may_mean.is_empty();
            let is_nonsense = row.meaning.outcome == RegistryError;
            assert!(!means_nothing || is_nonsense, "{row:?}");
        }
    }

    #[test]
    fn no_row_is_hidden_by_one_before_it() {
        let check = |rows: &[Row]| {
            for (index, row) in rows.iter().enumerate() {
                let hides = |before: &Row| {
                    format!("{:?}", before.saying) == format!("{:?}", row.saying)
                        && row.at.iter().all(|at| before.at.contains(at))
                        && row
                            .statuses
                            .iter()
                            .all(|status| before.statuses.contains(status))
                };
                assert!(!rows[..index].iter().any(hides), "{row:?}");
            }
        };
        for provider in Provider::ALL {
            check(of(provider));
        }
        check(ANYWHERE);
    }
}
