//! What kubelets and runtimes say of failed pulls is put into the right words.
//!
//! The messages are in tests/fixtures/pull_messages, in the exact forms that programs emit, with
//! names of our own. docs/classification.md is written from here.

mod page;
mod score;
mod texts;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use regcred_exporter::domain::image::Registry;
use regcred_exporter::domain::pull_failure::{LONGEST_MESSAGE, Reason, classify};
use score::{Row, Score};
use tokio::time::Instant;

/// Every row, the files in order.
fn fixtures() -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pull_messages");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|name| name == "jsonl"));
    files.sort();
    let rows = |file| score::rows(&std::fs::read_to_string(file).unwrap()).unwrap();
    files.iter().flat_map(rows).collect()
}

#[test]
fn every_fixture_is_classified_right() {
    let rows = fixtures();
    let score = Score::of(&rows);
    assert!(score.misses.is_empty(), "{score}");
    let ids: BTreeSet<&str> = rows.iter().map(|row| &*row.id).collect();
    assert_eq!(ids.len(), rows.len(), "an id is there twice");
}

#[test]
fn every_reason_and_every_runtime_has_fixtures() {
    let rows = fixtures();
    for reason in Reason::ALL {
        let count = rows
            .iter()
            .filter(|row| row.reason() == reason.as_str())
            .count();
        assert!(count >= 3, "{} has {count}", reason.as_str());
    }
    for runtime in [
        "containerd 1.2",
        "containerd 1.4",
        "containerd 1.6",
        "containerd 1.7",
        "containerd 2.1",
        "CRI-O 1.19",
        "CRI-O 1.24",
        "CRI-O 1.31",
        "podman",
        "dockershim",
        "cri-dockerd",
        "docker 1",
        "docker 29",
        "kubelet",
        "kubelet (aggregated)",
        "kubelet 1.32",
        "kubelet 1.33",
        "kubectl 1.35",
        "kubelet log",
    ] {
        assert!(rows.iter().any(|row| row.runtime == runtime), "{runtime}");
    }
}

/// A score that counts wrong would hide every other failure.
#[test]
fn a_wrong_answer_is_counted() {
    let line = r#"{"id":"a","message":"image \"r.example/a:1\": EOF","class":"other","registry_host":null,"image":"a"}"#;
    let malformed = r#"{"id":"b","message":"illegal base64 data at input byte 1","class":"other","registry_host":null,"image":null,"note":"malformed pull secret"}"#;
    let rows = score::rows(&format!("{line}\n\n{malformed}\n")).unwrap();
    let score = Score::of(&rows);
    let summary = "2 messages: reason 50.0 %, registry 50.0 %, image 50.0 % right; \
        a wrong reason that is not `other`: 50.0 %";
    assert_eq!(score.summary(), summary);
    let text = score.to_string();
    assert!(text.contains("reason other, not connection"), "{text}");
    assert!(
        text.contains("| b `malformed_secret` | | 1 | | 1 | 100 % | 100 % |"),
        "{text}"
    );
    assert!(score::rows("{}").unwrap_err().starts_with("line 1: "));
}

/// `UPDATE=1 cargo test --test integration docs_classification` writes it anew.
#[test]
fn docs_classification_is_what_the_fixtures_give() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/classification.md");
    let written = std::fs::read_to_string(path).unwrap();
    let rows = fixtures();
    let expected = page::renewed(&written, &Score::of(&rows));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, expected).unwrap();
        return;
    }
    assert!(
        written == expected,
        "docs/classification.md is not what the fixtures give; UPDATE=1 writes it anew"
    );
}

/// Events are cut at 1 KiB, lines of logs anywhere: what is told of a part is in that part.
#[test]
fn every_beginning_of_every_fixture_is_classified() {
    for row in fixtures() {
        for (end, _) in row.message.char_indices() {
            let part = &row.message[..end];
            let told = classify(part);
            let registry = told.registry.as_ref().map_or("", Registry::as_str);
            let image = told.image.as_deref().unwrap_or_default();
            // `reading manifest TAG in REPOSITORY` has them in the other order.
            let repository = image
                .rsplit_once([':', '@'])
                .map_or(image, |(name, _)| name);
            let is_there = part.contains(repository);
            assert!(is_there, "{} at {end}: {told:?}", row.id);
            let is_there = part.to_lowercase().contains(registry) || registry == "docker.io";
            assert!(is_there, "{} at {end}: {told:?}", row.id);
        }
    }
}

#[test]
fn random_text_is_classified() {
    let mut random = fastrand::Rng::with_seed(4);
    let pieces = texts::PIECES;
    for _ in 0..2_000 {
        let count = random.usize(..60);
        let text: String = (0..count)
            .map(|_| *random.choice(pieces).unwrap())
            .collect();
        let told = classify(&text);
        assert_eq!(told, classify(&text), "{text:?}");
        let bytes: Vec<u8> = (0..count).map(|_| random.u8(..)).collect();
        let noise = classify(&String::from_utf8_lossy(&bytes));
        assert!(noise.registry.is_none(), "{bytes:?}: {noise:?}");
    }
}

/// Names are what people chose; whatever they say, the cause is what it was.
#[test]
fn what_a_name_says_changes_nothing() {
    for liar in texts::LIARS {
        for (form, reason) in texts::FORMS {
            let text = form.replace("NAME", liar);
            let told = classify(&text);
            assert_eq!(told.reason.as_str(), *reason, "{text}");
            let registry = told.registry.as_ref().map(Registry::as_str);
            assert_eq!(registry, Some("registry.example"), "{text}");
            let image = told.image.unwrap();
            assert!(
                image.starts_with("registry.example/") && image.contains(liar),
                "{text}"
            );
        }
    }
}

/// The bound is 5 ms; a build without optimisation may take longer.
#[test]
fn no_message_takes_long() {
    let bound = Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 5 });
    for piece in texts::HOSTILE {
        let text = piece.repeat(LONGEST_MESSAGE / piece.len());
        let took = |_| {
            let start = Instant::now();
            std::hint::black_box(classify(&text));
            start.elapsed()
        };
        // Others use the machine too: the best of three is what it takes.
        let best = (0..3).map(took).min().unwrap();
        assert!(best < bound, "{piece:?} takes {best:?}");
    }
}
