//! Findings for machines: the objects of `explain -o json` and of `/api/v1/findings`
//! (docs/findings.schema.json).

use serde::Serialize;

use super::words::absolute;
use crate::domain::diagnosis::Detail;
use crate::domain::findings::Explained;
use crate::domain::image::Registry;
use crate::domain::overview::Overview;
use crate::domain::owner;

/// One finding.
#[derive(Debug, Serialize)]
pub struct FindingJson<'a> {
    namespace: &'a str,
    pod: &'a str,
    container: Option<&'a str>,
    node: Option<&'a str>,
    workload: Workload<'a>,
    state: &'static str,
    cause: &'static str,
    detail: Option<&'static str>,
    image: &'a str,
    registry: Option<&'a str>,
    answered_by: Option<&'a str>,
    secret: Option<String>,
    owner: Option<&'a str>,
    evidence: &'a [String],
    fix: Vec<Step<'a>>,
    anonymous_would_work: Option<bool>,
}

/// Kind and name.
#[derive(Debug, Serialize)]
pub(super) struct Workload<'a> {
    kind: &'a str,
    name: &'a str,
}

impl<'a> Workload<'a> {
    pub(super) fn of(workload: &'a owner::Workload) -> Self {
        Self {
            kind: &workload.kind,
            name: &workload.name,
        }
    }
}

#[derive(Debug, Serialize)]
struct Step<'a> {
    text: &'a str,
    command: Option<&'a str>,
}

/// A finding as an object.
pub fn finding_json(explained: &Explained) -> FindingJson<'_> {
    let finding = &explained.finding;
    let diagnosis = &finding.diagnosis;
    let steps = explained.fix.iter().map(|step| Step {
        text: &step.text,
        command: step.command.as_deref(),
    });
    FindingJson {
        namespace: &finding.namespace,
        pod: &finding.pod,
        container: Some(&*finding.container).filter(|name| !name.is_empty()),
        node: finding.node.as_deref(),
        workload: Workload::of(&finding.workload),
        state: finding.state.as_str(),
        cause: diagnosis.cause.as_str(),
        detail: diagnosis.detail.map(Detail::as_str),
        image: &finding.image,
        registry: finding.registry.as_ref().map(Registry::as_str),
        answered_by: explained.answered_by.as_ref().map(Registry::as_str),
        secret: diagnosis.secret.as_ref().map(ToString::to_string),
        owner: explained.owner.as_deref(),
        evidence: &explained.evidence,
        fix: steps.collect(),
        anonymous_would_work: finding.anonymous_would_work,
    }
}

/// What the API gives: the findings, what is left out, and what cannot be seen.
#[derive(Debug, Serialize)]
struct Document<'a> {
    at: String,
    findings: Vec<FindingJson<'a>>,
    left_out: usize,
    unseen: &'a [String],
}

/// The answer of `/api/v1/findings`.
pub fn document(overview: &Overview) -> String {
    let found = overview.blocked.iter().chain(&overview.at_risk);
    let document = Document {
        at: absolute(overview.now),
        findings: found.map(finding_json).collect(),
        left_out: overview.blocked_left_out + overview.at_risk_left_out,
        unseen: &overview.unseen,
    };
    let text = serde_json::to_string(&document).expect("texts and numbers are JSON");
    text + "\n"
}

/// All of them, in one line.
pub fn list(found: &[Explained]) -> String {
    let all: Vec<_> = found.iter().map(finding_json).collect();
    let text = serde_json::to_string(&all).expect("texts and numbers are JSON");
    text + "\n"
}
