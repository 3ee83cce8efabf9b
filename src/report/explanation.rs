//! Findings for people at a terminal: what it is, what was found, what to do.

use std::fmt::Write as _;

use super::printable::printable;
use crate::domain::cause::Cause;
use crate::domain::cluster::ObjectName;
use crate::domain::diagnosis::Detail;
use crate::domain::finding_groups::{Group, grouped};
use crate::domain::findings::{Explained, Question, State};
use crate::domain::shortcoming::Upshot;

/// What came of a question.
#[derive(Debug)]
pub struct Answer {
    /// What was asked.
    pub question: Question,
    /// What was found, in the order in which it is told.
    pub found: Vec<Explained>,
    /// The one Pod that was asked about, if nothing is found of it.
    pub healthy: Option<Healthy>,
    /// What could not be read, a line each.
    pub unreadable: Vec<String>,
}

/// A Pod of which nothing is found.
#[derive(Debug)]
pub struct Healthy {
    /// Its name.
    pub pod: ObjectName,
    /// For each image what a kubelet does, step by step.
    pub images: Vec<(String, Vec<String>)>,
}

impl Answer {
    /// Nothing was found.
    pub fn nothing(question: Question) -> Self {
        Self {
            question,
            found: Vec::new(),
            healthy: None,
            unreadable: Vec::new(),
        }
    }

    /// The rule behind the exit code.
    pub fn upshot(&self) -> Upshot {
        let is_proven = |one: &Explained| one.finding.diagnosis.cause != Cause::Unknown;
        if self.found.iter().any(is_proven) {
            Upshot::Broken
        } else if self.found.is_empty() && self.unreadable.is_empty() {
            Upshot::Works
        } else {
            Upshot::Unclear
        }
    }
}

/// The whole text.
pub fn write(answer: &Answer) -> String {
    let mut text = String::new();
    if let Some(healthy) = &answer.healthy {
        of_healthy(&mut text, healthy);
        return text;
    }
    if answer.found.is_empty() {
        text.push_str(match answer.unreadable.is_empty() {
            true => nothing(&answer.question),
            false => "Nothing is found in what could be read.\n",
        });
        return text;
    }
    for group in grouped(&answer.found) {
        of_group(&mut text, &group);
    }
    text
}

fn nothing(question: &Question) -> &'static str {
    match question {
        Question::Pod(_) => "Nothing is found.\n",
        Question::All => "No Pod waits for an image.\n",
        Question::AtRisk { node: None } => {
            "Every Pod that runs could be pulled again, as far as anything proves.\n"
        }
        Question::AtRisk { node: Some(_) } => {
            "Every Pod of this node could be pulled on another one, as far as anything proves.\n"
        }
    }
}

fn of_healthy(text: &mut String, healthy: &Healthy) {
    let pod = &healthy.pod;
    let name = format!("{}/{}", pod.namespace, pod.name);
    let _ = writeln!(text, "{} waits for no image.", printable(&name));
    for (image, evidence) in &healthy.images {
        let _ = writeln!(text, "\n  {}", printable(image));
        bullets(text, evidence);
    }
}

fn of_group(text: &mut String, group: &Group<'_>) {
    let first = group.first;
    let finding = &first.finding;
    let workload = &finding.workload;
    let pod = format!("{}/{}", finding.namespace, finding.pod);
    let _ = write!(text, "{}", printable(&pod));
    if &*workload.kind != "Pod" {
        let of = format!("{} {}", workload.kind, workload.name);
        let _ = write!(text, "  {}", printable(&of));
    }
    if let Some(node) = &finding.node {
        let _ = write!(text, "  on {}", printable(node));
    }
    text.push('\n');
    if group.others > 0 {
        let _ = writeln!(
            text,
            "  and {} more of its Pods, for the same cause",
            group.others
        );
    }
    let image = printable(&finding.image);
    let what = match finding.state {
        State::Blocked => format!(
            "container {} waits for {image}",
            printable(&finding.container)
        ),
        State::AtRisk => format!("runs from {image}, which could not be pulled again"),
        State::Planned => format!("would not get {image}"),
    };
    let _ = writeln!(text, "  {what}\n");
    of_cause(text, first);
}

/// The cause, what was found, what to do.
pub(super) fn of_cause(text: &mut String, told: &Explained) {
    let finding = &told.finding;
    let detail = match finding.diagnosis.detail {
        Some(detail) => format!(" ({})", Detail::as_str(detail)),
        None => String::new(),
    };
    let cause = finding.diagnosis.cause;
    let _ = writeln!(text, "  Cause: {}{detail}", cause.as_str());
    let _ = writeln!(text, "  {}", cause.explanation());
    if finding.anonymous_would_work == Some(true) {
        text.push_str("  Anybody may pull the image: the login is what keeps it from the Pod.\n");
    }
    text.push_str("\n  What was found\n");
    bullets(text, &told.evidence);
    text.push_str("\n  What to do\n");
    for (number, step) in told.fix.iter().enumerate() {
        let _ = writeln!(text, "  {}. {}", number + 1, printable(&step.text));
        if let Some(command) = &step.command {
            let _ = writeln!(text, "\n       {}\n", printable(command));
        }
    }
    text.push('\n');
}

fn bullets(text: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(text, "  - {}", printable(line));
    }
}
