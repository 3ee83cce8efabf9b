//! Headers that name the product behind an answer, or what it counts.

use reqwest::header::{ACCESS_CONTROL_ALLOW_HEADERS, HeaderMap, SERVER};

use crate::domain::exchange::Mark;

/// Headers whose presence is enough. Their values are the registry's own affair.
const PRESENT: &[(&str, Mark)] = &[
    ("docker-distribution-api-version", Mark::ApiVersion),
    ("x-jfrog-version", Mark::Artifactory),
    ("x-artifactory-id", Mark::Artifactory),
    ("x-artifactory-node-id", Mark::Artifactory),
    ("gitlab-container-registry-version", Mark::Gitlab),
    ("x-github-request-id", Mark::Github),
    ("ratelimit-limit", Mark::PullsCounted),
    ("ratelimit-remaining", Mark::PullsCounted),
    ("docker-ratelimit-source", Mark::PullsCounted),
];

/// What `Server` begins with, in lower case: `Nexus/3.87.1-01 (PRO)`, `Artifactory/7.77.5`.
const SERVERS: &[(&str, Mark)] = &[("nexus/", Mark::Nexus), ("artifactory/", Mark::Artifactory)];

/// The marks of an answer, each once.
pub(super) fn read(headers: &HeaderMap) -> Vec<Mark> {
    let has = |mark: &Mark| {
        let is_present = |(name, of): &(&str, Mark)| of == mark && headers.contains_key(*name);
        PRESENT.iter().any(is_present) || server(headers) == Some(*mark)
    };
    let is_zot = allows_zot_clients(headers);
    Mark::ALL
        .iter()
        .copied()
        .filter(|mark| has(mark) || (is_zot && *mark == Mark::Zot))
        .collect()
}

fn server(headers: &HeaderMap) -> Option<Mark> {
    let server = text(headers.get(SERVER)?)?;
    let begins = |(start, _): &&(&str, Mark)| server.starts_with(start);
    SERVERS.iter().find(begins).map(|(_, mark)| *mark)
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
    fn a_product_is_marked_by_its_headers() {
        let check = |headers: &[(&'static str, &str)], expected: &[Mark]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            assert_eq!(read(&map), expected, "{headers:?}");
        };
        check(&[], &[]);
        check(&[("server", "nginx/1.25")], &[]);
        check(&[("server", "Nexus/3.87.1-01 (PRO)")], &[Mark::Nexus]);
        check(&[("server", "not Nexus/3")], &[]);
        check(&[("server", "Artifactory/6.23.1")], &[Mark::Artifactory]);
        check(
            &[
                ("x-artifactory-node-id", "node1"),
                ("x-jfrog-version", "Artifactory/7.77.5 77705900"),
                ("docker-distribution-api-version", "registry/2.0"),
            ],
            &[Mark::ApiVersion, Mark::Artifactory],
        );
        check(
            &[(
                "access-control-allow-headers",
                "Authorization,content-type,X-ZOT-API-CLIENT",
            )],
            &[Mark::Zot],
        );
        check(
            &[("gitlab-container-registry-version", "4.15.2-gitlab")],
            &[Mark::Gitlab],
        );
        check(&[("ratelimit-limit", "")], &[Mark::PullsCounted]);
        check(
            &[("docker-ratelimit-source", "192.0.2.1")],
            &[Mark::PullsCounted],
        );
    }
}
