//! Which host a person may have written for which other.

/// Registries of their own, however alike their names: never a slip of the pen for each other.
const WELL_KNOWN: [&str; 12] = [
    "cr.io",
    "docker.io",
    "gcr.io",
    "ghcr.io",
    "icr.io",
    "k8s.gcr.io",
    "lscr.io",
    "mcr.microsoft.com",
    "ocr.io",
    "public.ecr.aws",
    "quay.io",
    "registry.k8s.io",
];

/// Below these each customer has a host of his own, so that siblings are strangers.
const SHARED_DOMAINS: [&str; 10] = [
    "aliyuncs.com",
    "amazonaws.com",
    "amazonaws.com.cn",
    "azurecr.cn",
    "azurecr.io",
    "azurecr.us",
    "github.io",
    "jfrog.io",
    "ocir.io",
    "scw.cloud",
];

/// A slip of the pen, the parent domain, or a sibling; both in lower case.
pub(super) fn is_alike(image: &str, key: &str) -> bool {
    is_within(key, image)
        || is_within(image, key)
        || are_siblings(image, key)
        || is_one_edit(image, key) && !WELL_KNOWN.contains(&key)
}

pub(super) fn label_count(host: &str) -> usize {
    host.split('.').count()
}

/// `registry.example.com` within `example.com`.
fn is_within(host: &str, domain: &str) -> bool {
    let is_below = host
        .strip_suffix(domain)
        .is_some_and(|rest| rest.ends_with('.'));
    is_below && domain.contains('.') && !SHARED_DOMAINS.contains(&domain)
}

/// One label is another one, and not the one that tells customers of one provider apart.
fn are_siblings(one: &str, other: &str) -> bool {
    if label_count(one) != label_count(other) || label_count(one) < 3 {
        return false;
    }
    let pairs = one.split('.').zip(other.split('.'));
    let mut different = pairs.enumerate().filter(|(_, (a, b))| a != b);
    let (Some((place, _)), None) = (different.next(), different.next()) else {
        return false;
    };
    let is_shared = SHARED_DOMAINS
        .iter()
        .any(|domain| one.ends_with(&format!(".{domain}")));
    place + 2 < label_count(one) && !(place == 0 && is_shared)
}

/// One character inserted, left out, changed, or swapped with its neighbour.
fn is_one_edit(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let shared = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    match (&one[shared..], &other[shared..]) {
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([a, b, rest @ ..], [c, d, other @ ..]) if (a, b, rest) == (d, c, other) => true,
        ([_, a @ ..], b) | (b, [_, a @ ..]) if a == b => true,
        ([], [_]) | ([_], []) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(image: &str, key: &str, expected: bool) {
        assert_eq!(is_alike(image, key), expected, "{key} for {image}");
    }

    #[test]
    fn one_edit_is_a_slip_of_the_pen() {
        for key in [
            "ghrc.io", "ghcr.i", "ghcrr.io", "gkcr.io", "ghcr.iox", "hgcr.io",
        ] {
            check("ghcr.io", key, true);
        }
        for key in ["ghcr", "gchr.oi", "hcrg.io", "quay.io"] {
            check("ghcr.io", key, false);
        }
    }

    #[test]
    fn another_well_known_registry_is_none() {
        check("ghcr.io", "gcr.io", false);
        check("gcr.io", "ghcr.io", false);
    }

    #[test]
    fn parents_and_siblings_are_relatives() {
        check("registry.example.com", "example.com", true);
        check("example.com", "registry.example.com", true);
        check("registry.example.com", "docker.example.com", true);
        check("eu.gcr.io", "us.gcr.io", true);
        check("registry.example.com", "registry.example.org", false);
        check("registry.example.com", "com", false);
    }

    #[test]
    fn customers_of_one_provider_are_strangers() {
        check("contoso.azurecr.io", "fabrikam.azurecr.io", false);
        check("contoso.azurecr.io", "azurecr.io", false);
        check(
            "1.dkr.ecr.us-east-1.amazonaws.com",
            "1.dkr.ecr.eu-west-1.amazonaws.com",
            true,
        );
        check(
            "1.dkr.ecr.us-east-1.amazonaws.com",
            "234.dkr.ecr.us-east-1.amazonaws.com",
            false,
        );
    }
}
