//! Headers that name the product behind an answer, or what it counts.

use reqwest::header::{ACCESS_CONTROL_ALLOW_HEADERS, HeaderMap, SERVER};

use crate::domain::exchange::Sign;

/// Headers whose presence is enough. Their values are the registry's own affair.
const PRESENT: &[(&str, Sign)] = &[
    ("docker-distribution-api-version", Sign::ApiVersion),
    ("x-jfrog-version", Sign::Artifactory),
    ("x-artifactory-id", Sign::Artifactory),
    ("x-artifactory-node-id", Sign::Artifactory),
    ("gitlab-container-registry-version", Sign::Gitlab),
    ("x-github-request-id", Sign::Github),
    ("ratelimit-limit", Sign::PullsCounted),
    ("ratelimit-remaining", Sign::PullsCounted),
    ("docker-ratelimit-source", Sign::PullsCounted),
];

/// What `Server` begins with, in lower case: `Nexus/3.87.1-01 (PRO)`, `Artifactory/7.77.5`.
const SERVERS: &[(&str, Sign)] = &[("nexus/", Sign::Nexus), ("artifactory/", Sign::Artifactory)];

/// The signs of an answer, each once.
pub(super) fn read(headers: &HeaderMap) -> Vec<Sign> {
    let has = |sign: &Sign| {
        let is_present = |(name, of): &(&str, Sign)| of == sign && headers.contains_key(*name);
        PRESENT.iter().any(is_present) || server(headers) == Some(*sign)
    };
    let is_zot = allows_zot_clients(headers);
    Sign::ALL
        .iter()
        .copied()
        .filter(|sign| has(sign) || (is_zot && *sign == Sign::Zot))
        .collect()
}

fn server(headers: &HeaderMap) -> Option<Sign> {
    let server = text(headers.get(SERVER)?)?;
    let begins = |(start, _): &&(&str, Sign)| server.starts_with(start);
    SERVERS.iter().find(begins).map(|(_, sign)| *sign)
}

fn allows_zot_clients(headers: &HeaderMap) -> bool {
    let allowed = headers.get_all(ACCESS_CONTROL_ALLOW_HEADERS);
    let names_zot = |value| text(value).is_some_and(|text| text.contains("x-zot-api-client"));
    allowed.iter().any(names_zot)
}

fn text(value: &reqwest::header::HeaderValue) -> Option<String> {
    Some(value.to_str().ok()?.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_told_by_its_headers() {
        let check = |headers: &[(&'static str, &str)], expected: &[Sign]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(read(&map), expected, "{headers:?}");
        };
        check(&[], &[]);
        check(&[("server", "nginx/1.25")], &[]);
        check(&[("server", "Nexus/3.87.1-01 (PRO)")], &[Sign::Nexus]);
        check(&[("server", "not Nexus/3")], &[]);
        check(&[("server", "Artifactory/6.23.1")], &[Sign::Artifactory]);
        check(
            &[
                ("x-artifactory-node-id", "node1"),
                ("x-jfrog-version", "Artifactory/7.77.5 77705900"),
                ("docker-distribution-api-version", "registry/2.0"),
            ],
            &[Sign::ApiVersion, Sign::Artifactory],
        );
        check(
            &[(
                "access-control-allow-headers",
                "Authorization,content-type,X-ZOT-API-CLIENT",
            )],
            &[Sign::Zot],
        );
        check(
            &[("gitlab-container-registry-version", "4.15.2-gitlab")],
            &[Sign::Gitlab],
        );
        check(&[("ratelimit-limit", "")], &[Sign::PullsCounted]);
        check(
            &[("docker-ratelimit-source", "192.0.2.1")],
            &[Sign::PullsCounted],
        );
    }
}
