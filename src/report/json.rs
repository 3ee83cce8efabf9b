//! The report for machines, as docs/cli.md has it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::prospects::prospect_json;
use super::{About, ImageReport, Line, Report};
use crate::domain::docker_config::FaultKind;
use crate::domain::expiry::Expiry;
use crate::domain::image::Registry;
use crate::domain::outcome::Outcome;
use crate::domain::pull_failure::Classified;
use crate::domain::rows::ReferenceRow;

#[derive(Serialize)]
struct Credentials<'a> {
    credentials: Vec<Credential<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference<'a>>,
}

#[derive(Serialize)]
struct Reference<'a> {
    namespace: &'a str,
    kind: &'static str,
    name: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Credential<'a> {
    source: &'a str,
    registry: Option<&'a str>,
    key: Option<&'a str>,
    outcome: Option<&'static str>,
    faults: Vec<&'static str>,
    expires_at: Option<String>,
    expiry_source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_would_work: Option<bool>,
}

#[derive(Serialize)]
struct Image<'a> {
    image: &'a str,
    candidates: Vec<Candidate<'a>>,
    near_misses: Vec<NearMiss<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_would_work: Option<bool>,
}

#[derive(Serialize)]
struct Candidate<'a> {
    source: &'a str,
    key: &'a str,
    outcome: Option<&'static str>,
    expires_at: Option<String>,
}

#[derive(Serialize)]
struct NearMiss<'a> {
    source: &'a str,
    key: &'a str,
    rule: &'static str,
}

/// One object on one line; for images and workloads one object on a line each.
pub fn write(report: &Report) -> String {
    match &report.about {
        About::Credentials(lines) => line(&Credentials {
            credentials: lines.iter().map(credential).collect(),
            references: report.references.iter().map(reference).collect(),
        }),
        About::Images(images) => images.iter().map(|image| line(&of_image(image))).collect(),
        About::Workloads(prospects, _) => prospects
            .iter()
            .map(|prospect| line(&prospect_json(prospect)))
            .collect(),
    }
}

fn credential(line: &Line) -> Credential<'_> {
    Credential {
        source: &line.source,
        registry: line.registry.as_deref(),
        key: line.key.as_deref(),
        outcome: line.answer.outcome().map(Outcome::as_str),
        faults: line.faults.iter().map(FaultKind::as_str).collect(),
        expires_at: expires_at(&line.expiry),
        expiry_source: line.expiry.source.as_str(),
        anonymous_would_work: line.anonymous_would_work(),
    }
}

fn reference(row: &ReferenceRow) -> Reference<'_> {
    Reference {
        namespace: &row.namespace,
        kind: row.kind,
        name: &row.name,
        count: row.count,
    }
}

fn of_image(image: &ImageReport) -> Image<'_> {
    let candidates = image.candidates.iter().map(|candidate| Candidate {
        source: &candidate.source,
        key: &candidate.key,
        outcome: candidate.outcome.map(Outcome::as_str),
        expires_at: expires_at(&candidate.expiry),
    });
    let near_misses = image.near_misses.iter().map(|near| NearMiss {
        source: &near.source,
        key: &near.key,
        rule: near.rule.as_str(),
    });
    Image {
        image: &image.image,
        candidates: candidates.collect(),
        near_misses: near_misses.collect(),
        anonymous_would_work: image.anonymous_would_work(),
    }
}

#[derive(Serialize)]
struct Message<'a> {
    reason: &'static str,
    registry: Option<&'a str>,
    image: Option<&'a str>,
}

/// What one message tells, a line.
pub fn classified(told: &Classified) -> String {
    line(&Message {
        reason: told.reason.as_str(),
        registry: told.registry.as_ref().map(Registry::as_str),
        image: told.image.as_deref(),
    })
}

fn expires_at(expiry: &Expiry) -> Option<String> {
    let rfc3339 = |date: DateTime<Utc>| date.to_rfc3339_opts(SecondsFormat::Secs, true);
    expiry.expires.map(rfc3339)
}

fn line(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("strings and lists of them always have JSON");
    let mut text = ascii(&json);
    text.push('\n');
    text
}

/// The same JSON in ASCII: machines read it alike, and a terminal obeys nothing in it.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            text.push(c);
            continue;
        }
        // Beyond ASCII there are only characters of strings, where an escape may stand.
        for unit in c.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text
}
