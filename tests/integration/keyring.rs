//! The keyring against the vectors of the kubelet's own tests, and of measurements with its code.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path};

use regcred_exporter::domain::keyring::{self, Key};

/// suite, target, key, expected, note; see the head of the file.
type Row<'a> = [&'a str; 5];

fn check(row: Row<'_>) {
    let [suite, target, key, expected, note] = row;
    let found = match suite {
        "URLsMatch" => keyring::urls_match(key, target)
            .unwrap_or(false)
            .to_string(),
        "IsDefaultRegistryMatch" => keyring::is_default_registry(target).to_string(),
        "KEYNORM" => return check_normalised(target, key, expected),
        "DockerKeyringLookup" => return check_order(target, key, note),
        // How often a kubelet asks its plugins: nothing of ours.
        "ProvidersDockerKeyring" => return,
        _ => is_found(key, target).to_string(),
    };
    assert_eq!(found, expected, "{suite} {target} {key}");
}

fn is_found(raw: &str, name: &str) -> bool {
    let key = Key::normalise(raw);
    !keyring::lookup(key.iter().map(|key| (key, ())), name).is_empty()
}

/// Both keys are quoted as Go does it, which JSON reads as far as the vectors go.
fn check_normalised(raw: &str, key: &str, expected: &str) {
    let unquote = |quoted: &str| serde_json::from_str::<String>(quoted).unwrap();
    let found = Key::normalise(&unquote(raw)).map(|key| key.as_str().to_owned());
    let expected = (expected == "ok").then(|| unquote(key));
    assert_eq!(found.ok(), expected, "{raw}");
}

/// `key(user) ; key(user)`, and in the note `ordered result: [user,user]`.
fn check_order(name: &str, keys: &str, note: &str) {
    let entries: Vec<(Key, &str)> = keys
        .split(" ; ")
        .filter_map(|entry| entry.strip_suffix(')')?.split_once('('))
        .map(|(raw, user)| (Key::normalise(raw).unwrap(), user))
        .collect();
    let found = keyring::lookup(entries.iter().map(|(key, user)| (key, *user)), name);
    let expected = note.split(['[', ']']).nth(1).unwrap();
    assert_eq!(found.join(","), expected, "{name} {keys}");
}

#[test]
fn every_vector_of_the_kubelet_holds() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keyring-vectors.tsv");
    let text = fs::read_to_string(path).unwrap();
    let mut rows = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.splitn(5, '\t');
        check(std::array::from_fn(|_| fields.next().unwrap_or_default()));
        rows += 1;
    }
    assert!(rows > 400, "only {rows} rows");
}
