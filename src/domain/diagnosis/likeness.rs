//! Names that a person may have meant.

/// Longer names are not compared: nobody mistypes only one letter of so much, and a tenant may have
/// written them.
const LONGEST: usize = 128;

/// Of these names the one that is nearest to what was written, if it is near at all.
pub fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.filter_map(|name| Some((distance(written, name)?, name)));
    near.min().map(|(_, name)| name)
}

/// What was written is nearly this name, and not it.
pub fn is_typo(written: &str, name: &str) -> bool {
    distance(written, name).is_some()
}

/// How many letters were left out, put in, changed or swapped with their neighbour; `None` for names
/// that differ by more than a slip or two, and for those that are alike.
fn distance(written: &str, name: &str) -> Option<usize> {
    let (longer, shorter) = (written.len().max(name.len()), written.len().min(name.len()));
    // One in four letters at most, so that short names are not all alike.
    let most = (shorter / 4).min(2);
    if longer > LONGEST || longer - shorter > most || written == name {
        return None;
    }
    edits(written.as_bytes(), name.as_bytes(), most)
}

/// The optimal string alignment distance, if it is not more than `most`: nothing further from the
/// diagonal is compared.
fn edits(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    let far = most + 1;
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).map(|j| j.min(far)).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![far; b.len() + 1];
        row[0] = (i + 1).min(far);
        let near = i.saturating_sub(most)..(i + most + 1).min(b.len());
        for j in near {
            let y = b[j];
            let mut least = (above[j] + usize::from(*x != y))
                .min(above[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == y {
                least = least.min(before[j - 1] + 1);
            }
            row[j + 1] = least.min(far);
        }
        before = std::mem::replace(&mut above, row);
    }
    let found = above.last().copied().unwrap_or_default();
    (found <= most).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_or_two_is_near() {
        for (written, name) in [
            ("regcerd", "regcred"),
            ("regcre", "regcred"),
            ("reg-cred", "regcred"),
            ("registry-credentails", "registry-credentials"),
            ("library/ngnix", "library/nginx"),
        ] {
            assert!(is_typo(written, name), "{written} {name}");
        }
        for (written, name) in [
            ("regcred", "regcred"),
            ("regcred", "ghcr-pull"),
            ("abc", "abd"),
            ("pull-a", "pull-secret"),
            ("", "regcred"),
        ] {
            assert!(!is_typo(written, name), "{written} {name}");
        }
    }

    #[test]
    fn the_nearest_is_found() {
        let names = ["team/app", "team/apps", "team/web"];
        assert_eq!(nearest("team/appps", names.into_iter()), Some("team/apps"));
        assert_eq!(nearest("other/thing", names.into_iter()), None);
    }
}
