//! What a word of a message is: evidence, or the name of something.
//!
//! Names are chosen by people and may say anything, so that an image called `timeout-denied:429`
//! is evidence of nothing. What a word is follows from its shape and from the fixed words that
//! kubelet and runtimes write before it, never from its meaning.

use crate::domain::image::is_domain;

/// What a word is. Only plain words are evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Image,
    Host,
    Url,
    Digest,
    Path,
    MediaType,
    /// Of a container, a secret, a tag, and whatever else is quoted.
    Other,
}

impl Kind {
    /// The letter that stands for such a word among the plain ones, which are in lower case.
    pub(super) const fn mark(self) -> char {
        match self {
            Self::Plain => '?',
            Self::Image => 'I',
            Self::Host => 'H',
            Self::Url => 'U',
            Self::Digest => 'D',
            Self::Path => 'P',
            Self::MediaType => 'M',
            Self::Other => 'N',
        }
    }
}

/// What a name is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Mentioned,
    /// A URL or host that was asked.
    Asked,
    /// A host whose address was asked for.
    LookedUp,
    /// The image, as kubelet and runtimes quote it.
    Quoted,
    /// The image, in a form that can only be one.
    Reference,
    /// The tag or digest of `reading manifest TAG in REPOSITORY`.
    Tag,
    /// The repository of the same.
    Repository,
}

/// Kind and role of a word that is not in quotes, by the three words before it.
pub(super) fn mark(word: &str, before: [&str; 3]) -> (Kind, Role) {
    if GO_WORDS.iter().any(|own| word.eq_ignore_ascii_case(own)) {
        return (Kind::Plain, Role::Mentioned);
    }
    match before {
        // "failed to lookup X" is about something else.
        [_, second, "lookup"] if second != "to" => (Kind::Host, Role::LookedUp),
        ["pinging", "container" | "docker", "registry"] | [_, "from", "host"] => {
            (Kind::Host, Role::Asked)
        }
        [_, "reading", "manifest"] => (Kind::Other, Role::Tag),
        ["manifest", "N", "in"] => (Kind::Image, Role::Repository),
        // "no matching manifest for linux/amd64"
        ["matching" | "no", "manifest", "for"] => by_shape(word, before),
        ["access", "denied", "for"]
        | ["blocked", "pull", "of"]
        | [_, "manifest" | "history", "for"]
        | [_, "for", "image"] => (Kind::Image, Role::Reference),
        // "Error pulling image (latest) from library/nginx"; not "failed to resolve image: pulling from
        // host quay.io"
        ["image", tag, "from"] if !matches!(tag, "I" | "pulling") => (Kind::Image, Role::Reference),
        [_, _, "pull" | "pulling"]
        | [_, "pull" | "pulling" | "find", "image"]
        | ["pull", "failed", "for"]
            if is_image(word) =>
        {
            (Kind::Image, Role::Reference)
        }
        _ => by_shape(word, before),
    }
}

/// Words that Go's and the runtimes' own sentences have, and that look like names.
const GO_WORDS: &[&str] = &[
    "and/or",
    "archive/tar",
    "client.timeout",
    "http/1.x",
    "i/o",
    "login/password",
    "net/http",
    "policy.json",
    "registries.conf",
    "target.mediatype",
    "text/html",
    "username/password",
];

fn by_shape(word: &str, before: [&str; 3]) -> (Kind, Role) {
    if word.contains("://") {
        return url(word, before);
    }
    let is_path = word.contains('\\') || word.starts_with(['/', '~']) || word.starts_with("./");
    let kind = if is_path {
        Kind::Path
    } else if word.starts_with("application/") {
        Kind::MediaType
    } else if word.contains("->") {
        Kind::Host
    } else if is_digest(word) {
        Kind::Digest
    } else if word.contains('/') {
        return slashed(word);
    } else if word.contains(':') {
        if is_host_and_port(word) {
            Kind::Host
        } else {
            Kind::Image
        }
    } else if is_dotted_host(word) {
        Kind::Host
    } else {
        Kind::Plain
    };
    (kind, Role::Mentioned)
}

/// Kind and role of a URL. Some stand in prose, to be read by people: those nobody asked.
pub(super) fn url(word: &str, before: [&str; 3]) -> (Kind, Role) {
    if word.starts_with(DOCKER) {
        return (Kind::Image, Role::Reference);
    }
    let is_asked = match before {
        [_, _, "get" | "head" | "post" | "put" | "code"] | [_, "request" | "connect", "to"] => true,
        _ => ["/v2/", "/v1/", "/token"]
            .iter()
            .any(|path| word.contains(path)),
    };
    let role = if is_asked {
        Role::Asked
    } else {
        Role::Mentioned
    };
    (Kind::Url, role)
}

/// How CRI-O and podman write the image that they pull.
pub(super) const DOCKER: &str = "docker://";

/// The image's name only if it says from where and which, as none but images do.
fn slashed(word: &str) -> (Kind, Role) {
    let Some((first, rest)) = word.split_once('/') else {
        return (Kind::Path, Role::Mentioned);
    };
    let has_domain = is_domain(first) && (first.contains(['.', ':']) || first == "localhost");
    if has_domain && rest.contains(':') && is_image(word) {
        return (Kind::Image, Role::Reference);
    }
    let kind = if is_image(word) {
        Kind::Image
    } else {
        Kind::Path
    };
    (kind, Role::Mentioned)
}

/// More than one word of prose could be, and all of it as in names of images.
fn is_image(word: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || b"/:@._-+[]".contains(&byte);
    let has_empty_part = word.contains("//");
    word.contains(['/', ':']) && !has_empty_part && word.bytes().all(is_inside)
}

/// `sha256:...`, with or without something before it, or hexadecimal that is longer than words.
fn is_digest(word: &str) -> bool {
    let (before, hex) = word.rsplit_once(':').unwrap_or(("", word));
    let is_hex = hex.len() >= 12 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_algorithm = ["sha256", "sha384", "sha512"]
        .iter()
        .any(|algorithm| before.ends_with(algorithm));
    let has_digit = || hex.bytes().any(|byte| byte.is_ascii_digit());
    !word.contains('/') && (has_algorithm || before.is_empty() && is_hex && has_digit())
}

/// `app:443` without a dot is an image and its tag.
fn is_host_and_port(word: &str) -> bool {
    let Some((host, port)) = word.rsplit_once(':') else {
        return false;
    };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_port && (host.contains('.') || host == "localhost" || host.starts_with('['))
}

fn is_dotted_host(word: &str) -> bool {
    let Some((_, last)) = word.rsplit_once('.') else {
        return false;
    };
    let is_top = last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_number = word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    is_domain(word) && (is_top || is_number && word.matches('.').count() == 3)
}

/// What is in quotes is the image behind these words.
pub(super) fn introduces_image(before: [&str; 3]) -> bool {
    matches!(
        before,
        [_, _, "image" | "reference" | "artifact" | "pullimage"]
            | [_, "image", "tag" | "name"]
            | ["access", "denied", "for"]
    )
}

/// Keys of logs whose values are texts, even if of one word.
pub(super) fn introduces_text(before: [&str; 3]) -> bool {
    matches!(before[2], "err" | "error" | "msg" | "message" | "reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, word: &str, expected: (Kind, Role)) {
        let words: Vec<&str> = before.split(' ').collect();
        let before = [3, 2, 1].map(|back| {
            let index = words.len().checked_sub(back);
            index.map_or("", |index| words[index])
        });
        assert_eq!(mark(word, before), expected, "{before:?} {word}");
    }

    #[test]
    fn shape_tells_names_from_words() {
        use Kind::{Digest, Host, Image, MediaType, Path, Plain, Url};
        let hex = "0123456789abcdef".repeat(4);
        for (word, kind) in [
            ("unauthorized", Plain),
            ("429", Plain),
            ("i/o", Plain),
            ("Client.Timeout", Plain),
            ("v1.29.3", Plain),
            ("timeout-denied:429", Image),
            ("team/denied", Image),
            ("registry.example/team/app:1", Image),
            ("registry.example", Host),
            ("localhost:5000", Host),
            ("192.0.2.1", Host),
            ("192.0.2.1:401->192.0.2.2:443", Host),
            ("[2001:db8::1]:443", Host),
            ("https://registry.example/v2/", Url),
            ("docker://team/app", Image),
            (&*format!("sha256:{hex}"), Digest),
            (&*format!("layer-sha256:{hex}"), Digest),
            (&*hex, Digest),
            (&*format!("registry.example/a@sha256:{hex}"), Image),
            ("/var/lib/denied", Path),
            (r"C:\denied", Path),
            ("application/vnd.oci.image.index.v1+json", MediaType),
        ] {
            assert_eq!(mark(word, [""; 3]).0, kind, "{word}");
        }
    }

    #[test]
    fn fixed_words_before_it_tell_what_a_bare_name_is() {
        let image = (Kind::Image, Role::Reference);
        let asked = (Kind::Host, Role::Asked);
        check("pull access denied for", "denied", image);
        check("manifest for", "timeout", image);
        check("trying to fetch remote history for", "ubuntu", image);
        check("unable to pull", "team/app", image);
        check("pulling image latest from", "hello-world", image);
        check("dial tcp lookup", "denied", (Kind::Host, Role::LookedUp));
        check("pinging container registry", "denied", asked);
        check("pulling from host", "denied", asked);
        check("error reading manifest", "denied", (Kind::Other, Role::Tag));
        let platform = (Kind::Image, Role::Mentioned);
        check("no matching manifest for", "linux/arm64", platform);
        let plain = (Kind::Plain, Role::Mentioned);
        check("failed to lookup", "credentials", plain);
        check("permission denied for", "denied", plain);
        check("pull image", "err", plain);
        check("image pull failed for", "unknown", plain);
    }

    #[test]
    fn a_url_for_people_was_not_asked() {
        let shop = "https://registry.example/pull-limit";
        check("failed to do request get", shop, (Kind::Url, Role::Asked));
        check("request to", shop, (Kind::Url, Role::Asked));
        check("and upgrading", shop, (Kind::Url, Role::Mentioned));
        check(
            "x",
            "https://registry.example/v2/",
            (Kind::Url, Role::Asked),
        );
    }
}
