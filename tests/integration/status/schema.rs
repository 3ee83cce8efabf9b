//! The findings as JSON against docs/findings.schema.json, by a validator.

use std::process::Command;

use regcred_stand_ins::scrape;
use serde_json::Value;

use crate::{demo, tools};

const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.schema.json");

/// Whether the validator takes it, and what it says.
fn validate(document: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("findings.json");
    std::fs::write(&file, document).unwrap();
    let output = Command::new(tools::path("REGCRED_PYTHON"))
        .args([
            "-m",
            "check_jsonschema",
            "--no-cache",
            "--schemafile",
            SCHEMA,
        ])
        .arg(file)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_finding_of_the_demo_is_as_the_schema_says() {
    let demo = demo::settled(&[]).await;
    let address = demo.exporter.status_address().await;
    let (status, document) = scrape::get(&address, "/api/v1/findings").await.unwrap();
    assert_eq!(status, 200);
    let parsed: Value = serde_json::from_str(&document).unwrap();
    let states: Vec<_> = parsed["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["state"].as_str().unwrap())
        .collect();
    assert!(
        states.len() >= 16 && states.contains(&"at_risk"),
        "{states:?}"
    );
    let (is_valid, told) = validate(&document);
    assert!(is_valid, "{told}");
    // The validator has eyes.
    for (now, then) in [
        ("\"state\":\"blocked\"", "\"state\":\"stuck\""),
        ("\"evidence\":[", "\"evidence\":[1,"),
        ("\"left_out\":0", "\"left_out\":\"0\""),
    ] {
        let wrong = document.replacen(now, then, 1);
        assert_ne!(wrong, document, "{now}");
        let (is_valid, _) = validate(&wrong);
        assert!(!is_valid, "{then}");
    }
}
