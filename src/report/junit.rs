//! The report for CI systems: JUnit XML, an element `testcase` for each thing that was asked for.
//!
//! Nobody owns the format. What is written here is valid by the schema that Jenkins reads with
//! (jenkinsci/xunit-plugin, types/model/xsd/junit-10.xsd) and is what GitLab reads
//! (lib/gitlab/ci/parsers/test/junit.rb): it shows the text of `failure`, `error` and `skipped`,
//! not their attributes, so that the text says all; and of two cases with one name it keeps one,
//! so that no name is there twice. There is no `time`: a login is shared by all that hold its
//! credential, and a zero would be a lie.
//!
//! A case fails for what is a reason to fail unless `--fail-on` says otherwise, or a date that it
//! names; it is an error where nobody can tell.

use std::collections::HashMap;

use super::printable::printable;
use super::xml::escaped;
use super::{
    About, Answer, Asked, Candidate, ImageReport, Line, Report, Upshot, doubt, prospects, public,
    words,
};
use crate::domain::docker_config::FaultKind;
use crate::domain::expiry::Expiry;
use crate::domain::findings::{Outlook, Prospect};
use crate::domain::rows::ReferenceRow;
use crate::domain::shortcoming::Shortcoming;

/// One `testsuite`.
struct Suite {
    name: &'static str,
    cases: Vec<Case>,
    notes: Vec<String>,
}

/// One `testcase`.
struct Case {
    class: String,
    name: String,
    ending: Ending,
    /// In one line, what came of it; fit to be shown.
    message: String,
    /// What else there is to say, a line each; fit to be shown.
    details: Vec<String>,
}

/// How a case ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Passed,
    Skipped,
    Failed(Shortcoming),
    Error(Shortcoming),
}

/// The whole report.
pub fn write(report: &Report) -> String {
    let suites = suites(report);
    let cases = || suites.iter().flat_map(|suite| &suite.cases);
    let timestamp = report.at.format("%Y-%m-%dT%H:%M:%S");
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (tests, failures, errors, _) = counts(cases());
    xml.push_str(&format!(
        "<testsuites name=\"regcred-exporter check\" tests=\"{tests}\" failures=\"{failures}\" \
         errors=\"{errors}\">\n"
    ));
    for Suite { name, cases, notes } in &suites {
        let (tests, failures, errors, skipped) = counts(cases.iter());
        xml.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" \
             errors=\"{errors}\" skipped=\"{skipped}\" timestamp=\"{timestamp}\">\n"
        ));
        let mut written = HashMap::new();
        for case in cases {
            xml.push_str(&of_case(case, &mut written));
        }
        if !notes.is_empty() {
            let notes = text(notes.iter());
            xml.push_str(&format!("    <system-out>{notes}</system-out>\n"));
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Cases, failures, errors and skipped ones.
fn counts<'a>(cases: impl Iterator<Item = &'a Case>) -> (usize, usize, usize, usize) {
    cases.fold((0, 0, 0, 0), |(all, failed, error, skipped), case| {
        let is = |ending: bool| usize::from(ending);
        (
            all + 1,
            failed + is(matches!(case.ending, Ending::Failed(_))),
            error + is(matches!(case.ending, Ending::Error(_))),
            skipped + is(case.ending == Ending::Skipped),
        )
    })
}

/// What one case is, as an element; `written` counts the names that there were.
fn of_case(case: &Case, written: &mut HashMap<(String, String), usize>) -> String {
    let (class, mut name) = (printable(&case.class), printable(&case.name));
    let times = written.entry((class.clone(), name.clone())).or_default();
    *times += 1;
    if *times > 1 {
        name.push_str(&format!(" ({times})"));
    }
    let (class, name) = (escaped(&class), escaped(&name));
    let message = escaped(&case.message);
    let text = text(std::iter::once(&case.message).chain(&case.details));
    let inner = match case.ending {
        Ending::Passed if case.details.is_empty() => String::new(),
        Ending::Passed => format!("<system-out>{text}</system-out>"),
        Ending::Skipped => format!("<skipped message=\"{message}\">{text}</skipped>"),
        Ending::Failed(shortcoming) => {
            let kind = shortcoming.as_str();
            format!("<failure type=\"{kind}\" message=\"{message}\">{text}</failure>")
        }
        Ending::Error(shortcoming) => {
            let kind = shortcoming.as_str();
            format!("<error type=\"{kind}\" message=\"{message}\">{text}</error>")
        }
    };
    format!("    <testcase classname=\"{class}\" name=\"{name}\">{inner}</testcase>\n")
}

/// Lines, as the text of an element.
fn text<'a>(lines: impl Iterator<Item = &'a String>) -> String {
    let lines: Vec<String> = lines.map(|line| escaped(line)).collect();
    lines.join("\n")
}

/// What was asked about, which may be nothing; what is missing and what was not read, if anything.
fn suites(report: &Report) -> Vec<Suite> {
    let (name, cases) = match &report.about {
        About::Credentials(lines) => {
            let cases = lines.iter().map(|line| of_line(line, report)).collect();
            ("credentials", cases)
        }
        About::Images(images) => {
            let cases = images.iter().flat_map(|image| of_image(image, report));
            ("images", cases.collect())
        }
        About::Workloads(prospects, asked) => {
            let cases = prospects.iter().map(|one| of_prospect(one, *asked));
            ("workloads", cases.collect())
        }
    };
    let notes = report.notes.iter().map(|note| printable(note)).collect();
    let references = report.references.iter().map(of_reference).collect();
    let unread = report.failures().map(of_unread).collect();
    let mut suites = vec![Suite { name, cases, notes }];
    for (name, cases) in [("references", references), ("reading", unread)] {
        let (cases, notes): (Vec<Case>, _) = (cases, Vec::new());
        if !cases.is_empty() {
            suites.push(Suite { name, cases, notes });
        }
    }
    suites
}

fn of_line(line: &Line, report: &Report) -> Case {
    let faults: Vec<&str> = line.faults.iter().map(FaultKind::as_str).collect();
    // In the order of `Shortcoming`: what is proven comes first.
    let found = line.shortcomings(report.soon()).into_iter().next();
    let ending = match (found, line.answer) {
        (Some(found), _) => ending(found),
        (None, Answer::Skipped(_) | Answer::NotAsked) => Ending::Skipped,
        (None, _) => Ending::Passed,
    };
    let message = match found {
        Some(Shortcoming::Fault) => faults.join(" "),
        Some(Shortcoming::Expires) => expires(&line.expiry, report),
        Some(Shortcoming::Inconclusive) if line.answer == Answer::Useless => faults.join(" "),
        _ => words::of_line(line),
    };
    let of_fault = |kind: FaultKind| format!("{} {}", words::of_fault(kind), kind.fix());
    let mut details: Vec<String> = line.faults.iter().map(of_fault).collect();
    details.extend(doubt::of_line(line));
    details.extend(public::of_line(line));
    if line.expiry.expires.is_some() && found != Some(Shortcoming::Expires) {
        details.push(expires(&line.expiry, report));
    }
    Case {
        class: line.source.clone(),
        name: name(line),
        ending,
        message,
        details,
    }
}

/// A key at a registry; the registry is said where the key is more, or less, than its name.
fn name(line: &Line) -> String {
    match (&line.key, &line.registry) {
        (Some(key), Some(registry)) if key != registry => format!("{key} at {registry}"),
        (Some(key), _) => key.clone(),
        (None, _) => "docker config".to_owned(),
    }
}

fn ending(found: Shortcoming) -> Ending {
    match found {
        Shortcoming::Refused
        | Shortcoming::Fault
        | Shortcoming::Missing
        | Shortcoming::NoCandidate
        | Shortcoming::Expires => Ending::Failed(found),
        Shortcoming::Inconclusive | Shortcoming::Unreadable => Ending::Error(found),
    }
}

fn expires(expiry: &Expiry, report: &Report) -> String {
    format!("expires {}", words::of_expiry(expiry, report.at))
}

/// A case for each candidate; where none decides, as where there is none, one that says so.
fn of_image(image: &ImageReport, report: &Report) -> Vec<Case> {
    let of = |candidate| of_candidate(candidate, image, report);
    let decides = |candidate: &Candidate| image.upshot_of(candidate) == image.upshot();
    let mut cases: Vec<Case> = image.candidates.iter().map(of).collect();
    if !image.candidates.iter().any(decides) {
        cases.push(of_none(image, report));
    }
    cases
}

fn of_none(image: &ImageReport, report: &Report) -> Case {
    let poison = report.poisonous.iter().map(words::of_poison);
    let near = image.near_misses.iter().map(|near| {
        let (rule, explanation) = (near.rule.as_str(), near.rule.explanation());
        let key = printable(&format!("{} {}", near.source, near.key));
        format!("{key} nearly matches ({rule}): {explanation}")
    });
    let ending = match image.upshot() {
        Upshot::Unclear => Ending::Error(Shortcoming::Inconclusive),
        _ => Ending::Failed(Shortcoming::NoCandidate),
    };
    Case {
        class: image.image.clone(),
        name: "no candidate".to_owned(),
        ending,
        message: words::of_no_candidate(image, !report.poisonous.is_empty()).to_owned(),
        details: poison.chain(near).collect(),
    }
}

/// What is wrong with a candidate fails only where it keeps the image from being pulled: a kubelet
/// goes on to the next.
fn of_candidate(candidate: &Candidate, image: &ImageReport, report: &Report) -> Case {
    let (own, whole) = (image.upshot_of(candidate), image.upshot());
    let does_expire = own == whole && image.expires(report.soon());
    let ending = match own {
        _ if own > whole => Ending::Skipped,
        Upshot::Broken if candidate.outcome.is_none() => Ending::Failed(Shortcoming::Fault),
        Upshot::Broken => Ending::Failed(Shortcoming::Refused),
        Upshot::Unclear => Ending::Error(Shortcoming::Inconclusive),
        Upshot::Works if does_expire => Ending::Failed(Shortcoming::Expires),
        Upshot::Works if candidate.outcome.is_none() => Ending::Skipped,
        Upshot::Works => Ending::Passed,
    };
    let mut message = words::of_candidate(image, candidate);
    let mut details = Vec::new();
    match ending {
        Ending::Failed(Shortcoming::Expires) => message = expires(&candidate.expiry, report),
        _ if candidate.expiry.expires.is_some() => details.push(expires(&candidate.expiry, report)),
        _ => {}
    }
    if own > whole {
        let better = match whole {
            Upshot::Works => "The kubelet goes on to the next: another candidate works.",
            _ => "The kubelet goes on to the next: another candidate may work.",
        };
        details.push(better.to_owned());
    }
    details.extend(public::of_image(image));
    Case {
        class: image.image.clone(),
        name: format!("{} {}", candidate.source, candidate.key),
        ending,
        message,
        details,
    }
}

fn of_prospect(prospect: &Prospect, asked: Asked) -> Case {
    let ending = match &prospect.outlook {
        Outlook::Pulls(_) => Ending::Passed,
        Outlook::NeverPulled | Outlook::Ignored => Ending::Skipped,
        Outlook::Told(_) => prospects::shortcoming(prospect, asked).map_or(Ending::Skipped, ending),
    };
    let mut details = Vec::new();
    if let Outlook::Told(told) = &prospect.outlook {
        let lines = told.evidence.iter().map(|line| printable(line));
        details.extend(lines);
        for step in &told.fix {
            details.push(printable(&step.text));
            details.extend(step.command.iter().map(|command| printable(command)));
        }
    }
    Case {
        class: prospects::name(prospect),
        name: format!("{} {}", prospect.container, prospect.image),
        ending,
        message: prospects::outlook(prospect),
        details,
    }
}

fn of_reference(row: &ReferenceRow) -> Case {
    let ReferenceRow {
        namespace,
        kind,
        name,
        count,
    } = row;
    Case {
        class: namespace.to_string(),
        name: format!("{kind} lists {name}"),
        ending: Ending::Failed(Shortcoming::Missing),
        message: "absent or of another type".to_owned(),
        details: vec![format!(
            "Listed {count} times as a pull secret by objects of kind {kind}."
        )],
    }
}

fn of_unread(failure: String) -> Case {
    Case {
        class: "reading".to_owned(),
        name: failure.clone(),
        ending: Ending::Error(Shortcoming::Unreadable),
        message: failure,
        details: Vec::new(),
    }
}
