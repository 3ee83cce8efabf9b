//! Which image a message is about, and whose answer decided.

use super::evidence::{Evidence, Name};
use super::words::{DOCKER, Kind, Role};
use crate::domain::image::{Reference, Registry, is_domain};

/// The image, as the message writes it.
pub(super) fn image(evidence: &Evidence<'_>) -> Option<String> {
    let first = |role: Role| evidence.names().find(|name| name.role == role);
    let written = first(Role::Quoted).or_else(|| first(Role::Reference));
    if let Some(name) = written {
        return Some(name.text.trim_start_matches(DOCKER).to_owned());
    }
    let (tag, repository) = (first(Role::Tag)?.text, first(Role::Repository)?.text);
    let separator = if tag.contains(':') { '@' } else { ':' };
    Some(format!("{repository}{separator}{tag}"))
}

/// What CRI-O says of short names that could come from anywhere.
const UNRESOLVED: [&str; 2] = ["did not resolve to an alias", "returns ambiguous list"];

/// The host that was asked last, else the one that a name of the image means: the last that
/// decides, since mirrors and short names give one image several.
pub(super) fn registry(evidence: &Evidence<'_>, image: Option<&str>) -> Option<Registry> {
    // A short name has no registry until a node finds one for it.
    let is_said = |phrase: &&str| evidence.deciding().contains(*phrase);
    if UNRESOLVED.iter().any(is_said) {
        return None;
    }
    let last = |roles: &[Role]| {
        let mut names = evidence.deciding_names().rev();
        names.find(|name| roles.contains(&name.role))
    };
    let asked = last(&[Role::Asked]).or_else(|| last(&[Role::LookedUp]));
    if let Some(host) = asked.and_then(host) {
        return Some(folded(host));
    }
    let tried = last(&[Role::Reference, Role::Repository]);
    let tried = tried.and_then(|name| of_image(name.text.trim_start_matches(DOCKER)));
    tried
        .or_else(|| image.and_then(of_image))
        .or_else(|| mentioned(evidence))
}

/// Names that a text cuts short, digests above all, still begin with their registry.
fn of_image(text: &str) -> Option<Registry> {
    match Reference::parse(text) {
        Ok(image) => Some(image.registry().clone()),
        Err(_) => domain(text),
    }
}

fn domain(image: &str) -> Option<Registry> {
    let (first, _) = image.split_once('/')?;
    let is_registry = first.contains(['.', ':']) && is_domain(first);
    is_registry.then(|| folded(first))
}

/// `repository ghcr.io/org/app` names a registry, though no image.
fn mentioned(evidence: &Evidence<'_>) -> Option<Registry> {
    let mut images = evidence.names().filter(|name| name.kind == Kind::Image);
    images.find_map(|name| domain(name.text))
}

/// `host[:port]`, without a user.
fn host<'a>(name: &Name<'a>) -> Option<&'a str> {
    let text = name
        .text
        .split_once("://")
        .map_or(name.text, |(_, rest)| rest);
    let authority = text.split(['/', '?', '#']).next().unwrap_or(text);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    is_domain(host).then_some(host)
}

/// Docker Hub answers under more names than the kubelet knows: where tokens and blobs come from.
fn folded(host: &str) -> Registry {
    let is_blobs = host.starts_with("production.") && host.ends_with(".docker.com");
    if host == "auth.docker.io" || is_blobs {
        return Registry::from_domain("docker.io");
    }
    Registry::from_domain(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected_registry: Option<&str>, expected_image: Option<&str>) {
        let evidence = Evidence::of(text);
        let image = image(&evidence);
        let registry = registry(&evidence, image.as_deref());
        let registry = registry.as_ref().map(Registry::as_str);
        assert_eq!(
            (registry, image.as_deref()),
            (expected_registry, expected_image),
            "{text}"
        );
    }

    #[test]
    fn the_image_is_as_written() {
        check("image \"nginx\": x", Some("docker.io"), Some("nginx"));
        check("image \"Nginx:1\"", None, Some("Nginx:1"));
        let short = "image \"a/b\": initializing source docker://quay.io/a/b:1: x";
        check(short, Some("quay.io"), Some("a/b"));
        let read = "Error reading manifest 7 in quay.io/a/b: x";
        check(read, Some("quay.io"), Some("quay.io/a/b:7"));
        let cut = "reading manifest sha256:12 in quay.io/a/b: x";
        check(cut, Some("quay.io"), Some("quay.io/a/b@sha256:12"));
        check("repository a/b not found", None, None);
        check("repository ghcr.io/a/b not found", Some("ghcr.io"), None);
    }

    #[test]
    fn the_registry_is_who_was_asked_last() {
        let realm = "image \"r.example/a:1\": Get \"https://r.example/v2/\": Get \"https://u:p@Auth.example:81/t\": x";
        check(realm, Some("auth.example:81"), Some("r.example/a:1"));
        let transferred = "image \"r.example/a:1\": failed to resolve image: pulling from host m.example:5000 failed with status code [manifests 1]: 401 Unauthorized";
        check(transferred, Some("m.example:5000"), Some("r.example/a:1"));
        let looked_up = "image \"r.example/a:1\": dial tcp: lookup cdn.example: x";
        check(looked_up, Some("cdn.example"), Some("r.example/a:1"));
        let list = "image \"r.example/a:1\": [Get \"https://m.example/v2/\": EOF, denied: x]";
        check(list, Some("r.example"), Some("r.example/a:1"));
    }

    #[test]
    fn docker_hubs_hosts_are_one() {
        for host in [
            "registry-1.docker.io",
            "auth.docker.io",
            "index.docker.io",
            "production.cloudflare.docker.com",
        ] {
            check(
                &format!("Get https://{host}/v2/: x"),
                Some("docker.io"),
                None,
            );
        }
        let other = "Get https://docker.com.example/v2/: x";
        check(other, Some("docker.com.example"), None);
    }
}
