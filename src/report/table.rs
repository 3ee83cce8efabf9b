//! The report for people: a table, and below it what each fault means and what to do.

use chrono::{DateTime, Utc};

use super::printable::{printable, width};
use super::{
    About, Answer, Asked, Candidate, ImageReport, Line, Report, doubt, prospects, public,
    upshot_of, words,
};
use crate::domain::docker_config::{Effect, FaultKind};
use crate::domain::expiry::Expiry;
use crate::domain::findings::{Outlook, Prospect};
use crate::domain::rows::ReferenceRow;
use crate::domain::shortcoming::Upshot;

/// Whether the reader sees colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// A terminal.
    Shown,
    /// A pipe or a file.
    None,
}

/// One cell: its text, and what it means for the colour.
struct Cell {
    text: String,
    upshot: Option<Upshot>,
}

/// The whole report.
pub fn write(report: &Report, colours: Colours) -> String {
    let about = match &report.about {
        About::Credentials(lines) if !lines.is_empty() => credentials(lines, report.at, colours),
        About::Credentials(_) => nothing(report),
        About::Images(images) => images
            .iter()
            .map(|image| of_image(image, report, colours))
            .collect::<Vec<_>>()
            .join("\n"),
        About::Workloads(prospects, asked) => workloads(prospects, *asked, colours),
    };
    let mut parts = vec![
        about,
        notes(public::notes(&report.about).into_iter()),
        notes(doubt::notes(&report.about).into_iter()),
        references(&report.references),
        notes(report.poisonous.iter().map(words::of_poison)),
        notes(report.notes.iter().map(|line| printable(line))),
        legend(report),
    ];
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// Without an entry there is nothing to say where something could not be read, or is missing.
fn nothing(report: &Report) -> String {
    if report.unreadable.is_empty() && report.references.is_empty() {
        "No pull secrets found.\n".to_owned()
    } else {
        String::new()
    }
}

fn credentials(lines: &[Line], at: DateTime<Utc>, colours: Colours) -> String {
    let header = ["SOURCE", "REGISTRY", "KEY", "OUTCOME", "EXPIRES", "FAULTS"];
    let rows = lines.iter().map(|line| {
        vec![
            plain(&line.source),
            plain(line.registry.as_deref().unwrap_or("-")),
            plain(line.key.as_deref().unwrap_or("-")),
            outcome(line),
            expires(&line.expiry, at),
            faults(line),
        ]
    });
    columns(&header, rows.collect(), colours)
}

fn references(references: &[ReferenceRow]) -> String {
    if references.is_empty() {
        return String::new();
    }
    let header = ["NAMESPACE", "KIND", "COUNT", "SECRET"];
    let rows = references.iter().map(|reference| {
        vec![
            plain(&reference.namespace),
            plain(reference.kind),
            plain(&reference.count.to_string()),
            plain(&reference.name),
        ]
    });
    let table = columns(&header, rows.collect(), Colours::None);
    format!("Listed as pull secrets, and absent or of another type:\n{table}")
}

fn of_image(image: &ImageReport, report: &Report, colours: Colours) -> String {
    let mut text = format!("{}\n", printable(&image.image));
    if image.candidates.is_empty() {
        let poison = report.poisonous.first();
        text.push_str(words::of_no_candidate(image, poison.is_some()));
        text.push('\n');
    } else {
        let header = ["", "SOURCE", "KEY", "OUTCOME", "EXPIRES"];
        let rows = image.candidates.iter().enumerate().map(|(n, candidate)| {
            vec![
                plain(&(n + 1).to_string()),
                plain(&candidate.source),
                plain(&candidate.key),
                said(
                    &words::of_candidate(image, candidate),
                    upshot(image, candidate),
                ),
                expires(&candidate.expiry, report.at),
            ]
        });
        text.push_str(&columns(&header, rows.collect(), colours));
    }
    if !image.near_misses.is_empty() {
        text.push_str("\nKeys that nearly match:\n");
        let header = ["SOURCE", "KEY", "RULE", ""];
        let rows = image.near_misses.iter().map(|near| {
            vec![
                plain(&near.source),
                plain(&near.key),
                plain(near.rule.as_str()),
                plain(near.rule.explanation()),
            ]
        });
        text.push_str(&columns(&header, rows.collect(), Colours::None));
    }
    text
}

fn workloads(prospects: &[Prospect], asked: Asked, colours: Colours) -> String {
    if prospects.is_empty() {
        return String::new();
    }
    let header = ["WORKLOAD", "CONTAINER", "IMAGE", "OUTLOOK"];
    let rows = prospects.iter().map(|prospect| {
        let upshot = match &prospect.outlook {
            Outlook::Pulls(_) => Some(Upshot::Works),
            Outlook::NeverPulled | Outlook::Ignored => None,
            Outlook::Told(_) => {
                prospects::shortcoming(prospect, asked).map(|shortcoming| shortcoming.upshot())
            }
        };
        vec![
            plain(&prospects::name(prospect)),
            plain(&prospect.container),
            plain(&prospect.image),
            said(&prospects::outlook(prospect), upshot),
        ]
    });
    let table = columns(&header, rows.collect(), colours);
    let details = prospects::details(prospects);
    match details.is_empty() {
        true => table,
        false => format!("{table}\n{details}"),
    }
}

/// None where nobody was asked, which is neither good nor bad.
fn upshot(image: &ImageReport, candidate: &Candidate) -> Option<Upshot> {
    let is_told = candidate.outcome.is_some() || candidate.is_useless;
    let is_asked = image.asked == Asked::Registries && candidate.skipped.is_none();
    let is_meant = is_told || is_asked;
    is_meant.then(|| image.upshot_of(candidate))
}

fn outcome(line: &Line) -> Cell {
    let upshot = match line.answer {
        Answer::Given(_) if line.refused_manifests > 0 => Some(Upshot::Broken),
        Answer::Given(outcome) => Some(upshot_of(outcome)),
        Answer::Missing => Some(Upshot::Unclear),
        Answer::Skipped(_)
        | Answer::NotNeeded
        | Answer::NotAsked
        | Answer::NoRegistry
        | Answer::Useless => None,
    };
    said(&words::of_line(line), upshot)
}

fn faults(line: &Line) -> Cell {
    let words: Vec<&str> = line.faults.iter().map(FaultKind::as_str).collect();
    let is_broken = line
        .faults
        .worst()
        .is_some_and(|worst| worst > Effect::Suspicious);
    let upshot = if is_broken {
        Upshot::Broken
    } else {
        Upshot::Unclear
    };
    said(&words.join(" "), (!words.is_empty()).then_some(upshot))
}

fn expires(expiry: &Expiry, at: DateTime<Utc>) -> Cell {
    let is_past = expiry.expires.is_some_and(|date| date <= at);
    let upshot = is_past.then_some(Upshot::Unclear);
    said(&words::of_expiry(expiry, at), upshot)
}

fn notes(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}

/// What each fault means, what the kubelet does about it, and what to do.
fn legend(report: &Report) -> String {
    report
        .fault_kinds()
        .iter()
        .map(|kind| format!("{}\n    {}\n", words::of_fault(kind), kind.fix()))
        .collect()
}

fn plain(text: &str) -> Cell {
    said(text, None)
}

fn said(text: &str, upshot: Option<Upshot>) -> Cell {
    Cell {
        text: printable(text),
        upshot,
    }
}

/// Left-aligned columns, two blanks between them and none at the end of a line.
fn columns(header: &[&str], rows: Vec<Vec<Cell>>, colours: Colours) -> String {
    let header = header.iter().map(|name| plain(name)).collect();
    let rows: Vec<Vec<Cell>> = std::iter::once(header).chain(rows).collect();
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|n| {
            rows.iter()
                .map(|row| width(&row[n].text))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in &rows {
        let last = row
            .iter()
            .rposition(|cell| !cell.text.is_empty())
            .unwrap_or(0);
        for (n, (cell, column)) in row.iter().zip(&widths).enumerate().take(last + 1) {
            text.push_str(&coloured(cell, colours));
            if n < last {
                text.push_str(&" ".repeat(column - width(&cell.text) + 2));
            }
        }
        text.push('\n');
    }
    text
}

fn coloured(cell: &Cell, colours: Colours) -> String {
    let code = match (colours, cell.upshot) {
        (Colours::None, _) | (_, None) => return cell.text.clone(),
        (Colours::Shown, Some(Upshot::Works)) => "32",
        (Colours::Shown, Some(Upshot::Unclear)) => "33",
        (Colours::Shown, Some(Upshot::Broken)) => "31",
    };
    format!("\x1b[{code}m{}\x1b[0m", cell.text)
}
