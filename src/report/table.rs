//! The report for people: a table, and below it what each fault means and what to do.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::printable::{printable, width};
use super::{
    About, Answer, Asked, ImageReport, Line, Report, Standing, doubt, public, standing_of,
};
use crate::domain::docker_config::{Effect, FaultKind};
use crate::domain::exchange::NetworkFault;
use crate::domain::expiry::{Confidence, Expiry};
use crate::domain::outcome::Outcome;
use crate::domain::rows::ReferenceRow;

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
    standing: Option<Standing>,
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
    };
    let mut parts = vec![
        about,
        notes(public::notes(&report.about).into_iter()),
        notes(doubt::notes(&report.about).into_iter()),
        references(&report.references),
        notes(report.poisonous.iter().map(poisonous)),
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
        text.push_str(if !report.poisonous.is_empty() {
            "The kubelet tries no entry: one of the Secrets cannot be read, and with it none is.\n"
        } else if image.is_cut {
            "No entry matches of those that were read: one of the Secrets is too large.\n"
        } else {
            "No entry matches: the kubelet pulls without a credential.\n"
        });
    } else {
        let header = ["", "SOURCE", "KEY", "OUTCOME", "EXPIRES"];
        let rows = image.candidates.iter().enumerate().map(|(n, candidate)| {
            vec![
                plain(&(n + 1).to_string()),
                plain(&candidate.source),
                plain(&candidate.key),
                match candidate.outcome {
                    Some(outcome) => given(outcome, candidate.fault),
                    None if candidate.is_useless => said("anonymous", Some(Standing::Broken)),
                    None => match image.asked {
                        Asked::Registries => said("no answer", Some(Standing::Unclear)),
                        Asked::Nobody => said("not asked", None),
                    },
                },
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

fn outcome(line: &Line) -> Cell {
    match line.answer {
        Answer::Given(Outcome::Ok) if line.refused_manifests > 0 => said(
            &format!("ok, {} repositories refused", line.refused_manifests),
            Some(Standing::Broken),
        ),
        Answer::Given(outcome) => given(outcome, line.fault),
        Answer::Skipped(skipped) => said(&format!("skipped: {}", skipped.as_str()), None),
        Answer::NotNeeded => said("no login needed", None),
        Answer::NotAsked => said("not asked", None),
        Answer::NoRegistry => said("no image in use", None),
        Answer::Useless => said("-", None),
        Answer::Missing => said("no answer", Some(Standing::Unclear)),
    }
}

/// `tls (expired)`: what exactly stands behind an outcome, where there was no answer.
fn given(outcome: Outcome, fault: Option<NetworkFault>) -> Cell {
    let text = match fault {
        Some(NetworkFault::Other) | None => outcome.as_str().to_owned(),
        Some(fault) => format!("{} ({})", outcome.as_str(), fault.as_str()),
    };
    said(&text, Some(standing_of(outcome)))
}

fn faults(line: &Line) -> Cell {
    let words: Vec<&str> = line.faults.iter().map(FaultKind::as_str).collect();
    let is_broken = line
        .faults
        .worst()
        .is_some_and(|worst| worst > Effect::Suspicious);
    let standing = if is_broken {
        Standing::Broken
    } else {
        Standing::Unclear
    };
    said(&words.join(" "), (!words.is_empty()).then_some(standing))
}

/// Relative, absolute, and who says so.
fn expires(expiry: &Expiry, at: DateTime<Utc>) -> Cell {
    let Some(date) = expiry.expires else {
        return said(
            match expiry.confidence {
                Confidence::Never => "never",
                Confidence::Exact
                | Confidence::Declared
                | Confidence::Unknown
                | Confidence::Doubtful => "-",
            },
            None,
        );
    };
    let left = date - at;
    let text = format!(
        "{} ({}, {})",
        relative(left),
        date.to_rfc3339_opts(SecondsFormat::Secs, true),
        expiry.source.as_str()
    );
    let is_past = left <= TimeDelta::zero();
    said(&text, is_past.then_some(Standing::Unclear))
}

/// In the largest unit that is there at least twice: `in 36 h`, `3 d ago`.
fn relative(left: TimeDelta) -> String {
    let seconds = left.num_seconds().unsigned_abs();
    let units = [("d", 86_400), ("h", 3_600), ("min", 60)];
    let (unit, size) = units
        .into_iter()
        .find(|(_, size)| seconds >= 2 * size)
        .unwrap_or(("s", 1));
    let count = seconds / size;
    if left < TimeDelta::zero() {
        format!("{count} {unit} ago")
    } else {
        format!("in {count} {unit}")
    }
}

fn poisonous((source, kind): &(String, FaultKind)) -> String {
    format!(
        "{}: the kubelet uses none of its entries, and no other pull secret of a pod that names \
         it, until {} is fixed.",
        printable(source),
        kind.as_str()
    )
}

fn notes(lines: impl Iterator<Item = String>) -> String {
    lines.map(|line| line + "\n").collect()
}

/// What each fault means, what the kubelet does about it, and what to do.
fn legend(report: &Report) -> String {
    report
        .fault_kinds()
        .iter()
        .map(|kind| {
            format!(
                "{} ({}): {}\n    {}\n",
                kind.as_str(),
                effect(kind.effect()),
                kind.explanation(),
                kind.fix()
            )
        })
        .collect()
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::PoisonsAll => "the kubelet drops every pull secret of the pod",
        Effect::SecretIgnored => "the kubelet finds nothing in it",
        Effect::EntryUseless => "the entry is of no use to the kubelet",
        Effect::Suspicious => "the kubelet sends it as it is",
    }
}

fn plain(text: &str) -> Cell {
    said(text, None)
}

fn said(text: &str, standing: Option<Standing>) -> Cell {
    Cell {
        text: printable(text),
        standing,
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
    let code = match (colours, cell.standing) {
        (Colours::None, _) | (_, None) => return cell.text.clone(),
        (Colours::Shown, Some(Standing::Works)) => "32",
        (Colours::Shown, Some(Standing::Unclear)) => "33",
        (Colours::Shown, Some(Standing::Broken)) => "31",
    };
    format!("\x1b[{code}m{}\x1b[0m", cell.text)
}
