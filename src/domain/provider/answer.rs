//! A product by its answer to the anonymous ping: how it asks for credentials, and its headers.
//!
//! Only an answer to a request without a credential is looked at: of all others the texts of the
//! challenge are gone.

use super::Provider;
use crate::domain::challenge::{Challenge, Scheme};
use crate::domain::exchange::{Asked, ErrorCode, Phrase, Purpose, Response, Sign};

/// Who answered the newest anonymous ping.
pub(super) fn answering(asked: &[Asked]) -> Provider {
    let is_ping = |one: &&Asked| one.purpose == Purpose::AnonymousPing;
    let answer = asked.iter().rfind(is_ping).map(|one| &one.answer);
    let Some(Ok(answer)) = answer else {
        return Provider::Unknown;
    };
    Challenge::followed(&answer.challenges)
        .and_then(challenging)
        .or_else(|| named_by(&answer.signs))
        .or_else(|| like_distribution(answer))
        .unwrap_or(Provider::Unknown)
}

fn challenging(challenge: &Challenge) -> Option<Provider> {
    let realm = challenge.realm.as_deref().unwrap_or_default();
    let service = challenge.service.as_deref().unwrap_or_default();
    match challenge.scheme {
        Scheme::Bearer => of_service(service).or_else(|| of_token_endpoint(realm, service)),
        Scheme::Basic if service == "ecr.amazonaws.com" => Some(Provider::Ecr),
        Scheme::Basic => of_basic_realm(realm),
        Scheme::Other => None,
    }
}

/// Services that are the name of one product, whatever the host.
fn of_service(service: &str) -> Option<Provider> {
    Some(match service {
        "registry.docker.io" => Provider::DockerHub,
        "ghcr.io" => Provider::Ghcr,
        "public.ecr.aws" => Provider::EcrPublic,
        "registry.digitalocean.com" => Provider::DigitalOcean,
        // goharbor/harbor src/core/service/token/creator.go
        "harbor-registry" => Provider::Harbor,
        "quay.io" => Provider::Quay,
        "gcr.io" => Provider::Google,
        _ if service.ends_with(".gcr.io") || service.ends_with("-docker.pkg.dev") => {
            Provider::Google
        }
        _ if service.ends_with(".azurecr.io") => Provider::Acr,
        // registry.aliyuncs.com:cn-hangzhou:26842
        _ if service.starts_with("registry.aliyuncs.com:") => Provider::Alibaba,
        _ => return None,
    })
}

/// Token endpoints that only one product has.
fn of_token_endpoint(realm: &str, service: &str) -> Option<Provider> {
    let (_, rest) = realm.split_once("://")?;
    let (authority, path) = rest.split_once('/')?;
    let path = path.split('?').next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    let is_ibm = host == "icr.io" || host.ends_with(".icr.io");
    Some(match path {
        // quay/quay endpoints/v2/v2auth.py
        "v2/auth" => Provider::Quay,
        // gitlab config/routes.rb; the service may be configured, this is its default
        "jwt/auth" if service == "container_registry" => Provider::Gitlab,
        "20180419/docker/token" => Provider::Ocir,
        "oauth/token" if is_ibm => Provider::Ibm,
        // <host>/artifactory/api/docker/<repository>/v2/token
        _ if path.contains("api/docker/") => Provider::Jfrog,
        _ => return None,
    })
}

fn of_basic_realm(realm: &str) -> Option<Provider> {
    match realm {
        "Sonatype Nexus Repository Manager" => Some(Provider::Nexus),
        "Artifactory Realm" => Some(Provider::Jfrog),
        // goharbor/harbor src/server/middleware/v2auth/auth.go
        "harbor" => Some(Provider::Harbor),
        _ => None,
    }
}

/// Headers: the last resort of products whose challenge anybody could have written.
fn named_by(signs: &[Sign]) -> Option<Provider> {
    signs.iter().find_map(|sign| match sign {
        Sign::Artifactory => Some(Provider::Jfrog),
        Sign::Nexus => Some(Provider::Nexus),
        Sign::Gitlab => Some(Provider::Gitlab),
        Sign::Zot => Some(Provider::Zot),
        // GitHub Enterprise Server too, whose hosts have any name
        Sign::Github => Some(Provider::Ghcr),
        Sign::ApiVersion | Sign::PullsCounted => None,
    })
}

/// distribution's own words (registry/api/errcode/register.go), or an open `/v2/` with its header.
fn like_distribution(answer: &Response) -> Option<Provider> {
    let has_header = answer.signs.contains(&Sign::ApiVersion);
    let asks = answer.codes.contains(&ErrorCode::Unauthorized)
        && answer.phrases.contains(&Phrase::AuthenticationRequired);
    let does = match answer.status {
        200 => !answer.html,
        401 => asks,
        _ => false,
    };
    (has_header && does).then_some(Provider::Distribution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exchange::{NetworkFault, Step};
    use crate::domain::image::Registry;

    fn ping(answer: Result<Response, NetworkFault>) -> Asked {
        Asked {
            step: Step::Ping,
            manifest: None,
            purpose: Purpose::AnonymousPing,
            answer,
        }
    }

    fn asking(challenge: &str, signs: &[Sign]) -> Response {
        Response {
            status: 401,
            challenges: Challenge::parse_all([challenge]),
            signs: signs.to_vec(),
            ..Response::default()
        }
    }

    fn check(challenge: &str, signs: &[Sign], expected: Provider) {
        let asked = [ping(Ok(asking(challenge, signs)))];
        assert_eq!(answering(&asked), expected, "{challenge} {signs:?}");
    }

    #[test]
    fn a_challenge_tells_a_product() {
        let bearer = |realm: &str, service: &str, expected| {
            let challenge = format!(r#"Bearer realm="{realm}",service="{service}""#);
            check(&challenge, &[], expected);
        };
        let here = "https://r.example/token";
        bearer(here, "registry.docker.io", Provider::DockerHub);
        bearer(here, "ghcr.io", Provider::Ghcr);
        bearer(
            "https://r.example/service/token",
            "harbor-registry",
            Provider::Harbor,
        );
        bearer(
            "https://git.example/jwt/auth",
            "container_registry",
            Provider::Gitlab,
        );
        bearer("https://git.example/jwt/auth", "other", Provider::Unknown);
        bearer("https://r.example/v2/auth", "r.example", Provider::Quay);
        bearer("https://r.example/v2/auth?x=y", "r.example", Provider::Quay);
        bearer(
            "https://r.example/x/v2/auth",
            "r.example",
            Provider::Unknown,
        );
        bearer(
            "https://fra.ocir.io/20180419/docker/token",
            "fra.ocir.io",
            Provider::Ocir,
        );
        bearer("https://us.icr.io/oauth/token", "registry", Provider::Ibm);
        bearer(
            "https://icr.io.example/oauth/token",
            "registry",
            Provider::Unknown,
        );
        bearer(
            "https://dockerauth.cn-hangzhou.aliyuncs.com/auth",
            "registry.aliyuncs.com:cn-hangzhou:26842",
            Provider::Alibaba,
        );
        bearer(
            "https://r.example/artifactory/api/docker/team/v2/token",
            "r",
            Provider::Jfrog,
        );
        bearer(
            "https://r.example/v2/token",
            "europe-docker.pkg.dev",
            Provider::Google,
        );
        bearer(here, "team.azurecr.io", Provider::Acr);
        bearer(here, "", Provider::Unknown);
        bearer("not a url", "x", Provider::Unknown);

        check(
            r#"BASIC realm="Sonatype Nexus Repository Manager""#,
            &[],
            Provider::Nexus,
        );
        check(r#"Basic realm="Artifactory Realm""#, &[], Provider::Jfrog);
        check(
            r#"Basic realm="r",service="ecr.amazonaws.com""#,
            &[],
            Provider::Ecr,
        );
        check(r#"Basic realm="Registry Realm""#, &[], Provider::Unknown);
        check("Negotiate", &[], Provider::Unknown);
    }

    #[test]
    fn headers_tell_where_the_challenge_does_not() {
        let plain = r#"Bearer realm="https://r.example/v2/token",service="r.example""#;
        check(
            plain,
            &[Sign::ApiVersion, Sign::Artifactory],
            Provider::Jfrog,
        );
        check(plain, &[Sign::ApiVersion, Sign::Nexus], Provider::Nexus);
        check(plain, &[Sign::ApiVersion, Sign::Gitlab], Provider::Gitlab);
        check(plain, &[Sign::ApiVersion, Sign::Github], Provider::Ghcr);
        check(plain, &[Sign::ApiVersion, Sign::Zot], Provider::Zot);
        check(plain, &[Sign::ApiVersion], Provider::Unknown);
        check(plain, &[Sign::PullsCounted], Provider::Unknown);
        let harbor = r#"Bearer realm="https://r.example/service/token",service="harbor-registry""#;
        check(harbor, &[Sign::Artifactory], Provider::Harbor);
    }

    #[test]
    fn distribution_is_known_by_its_header_and_its_words() {
        let check = |answer: Response, expected| {
            let text = format!("{answer:?}");
            assert_eq!(answering(&[ping(Ok(answer))]), expected, "{text}");
        };
        let says = Response {
            codes: vec![ErrorCode::Unauthorized],
            phrases: vec![Phrase::AuthenticationRequired],
            ..asking(r#"Basic realm="Registry Realm""#, &[Sign::ApiVersion])
        };
        check(says.clone(), Provider::Distribution);
        let without = Response {
            signs: vec![],
            ..says.clone()
        };
        check(without, Provider::Unknown);
        let silent = Response {
            phrases: vec![],
            ..says.clone()
        };
        check(silent, Provider::Unknown);
        check(
            Response {
                status: 503,
                ..says
            },
            Provider::Unknown,
        );
        let open = Response {
            status: 200,
            signs: vec![Sign::ApiVersion],
            ..Response::default()
        };
        check(open.clone(), Provider::Distribution);
        check(Response { html: true, ..open }, Provider::Unknown);
    }

    #[test]
    fn a_name_that_belongs_to_a_provider_is_believed_before_its_answers() {
        let pretends = [ping(Ok(asking(
            r#"Bearer realm="https://r.example/token",service="registry.docker.io""#,
            &[Sign::Nexus],
        )))];
        let check = |host: &str, expected| {
            assert_eq!(
                Provider::of(&Registry::from_domain(host), &pretends),
                expected,
                "{host}"
            );
        };
        check("ghcr.io", Provider::Ghcr);
        check("team.azurecr.io", Provider::Acr);
        check("registry.example", Provider::DockerHub);
        let silent = [ping(Err(NetworkFault::Refused))];
        let of_silent = |host| Provider::of(&Registry::from_domain(host), &silent);
        assert_eq!(of_silent("ghcr.io"), Provider::Ghcr);
        assert_eq!(of_silent("registry.example"), Provider::Unknown);
        assert_eq!(answering(&[]), Provider::Unknown);
    }
}
