//! docs/classification.md: what is generated of it.

use std::fmt::Write;

use regcred_exporter::domain::pull_failure::{RULES, Reason, Strength};

use super::score::Score;

/// The page with its generated parts as they should be.
pub(crate) fn renewed(written: &str, score: &Score<'_>) -> String {
    let mut text = String::new();
    let mut rest = written;
    let parts = [("rules", rules()), ("matrix", matrix(score))];
    for (name, part) in parts {
        let mark = format!("<!-- {name} -->\n");
        let (before, after) = rest.split_once(&mark).expect("the page has the mark");
        let (_, after) = after
            .split_once("<!-- end -->")
            .expect("the part has an end");
        let _ = write!(text, "{before}{mark}{part}<!-- end -->");
        rest = after;
    }
    text + rest
}

fn matrix(score: &Score<'_>) -> String {
    format!("{}.\n\n{}", score.summary(), score.confusion())
}

/// By reason, the strongest first.
fn rules() -> String {
    let mut text = String::from(
        "| Reason | Strength | Phrase | Where | Whose words |\n|---|---|---|---|---|\n",
    );
    for &reason in Reason::ALL {
        for strength in Strength::ALL {
            let rules = RULES
                .iter()
                .filter(|rule| rule.reason == reason && rule.strength == strength);
            for rule in rules {
                let (reason, strength) = (reason.as_str(), strength.as_str());
                let (needle, place, source) = (rule.needle, rule.context.as_str(), rule.source);
                let _ = writeln!(
                    text,
                    "| `{reason}` | {strength} | `{needle}` | {place} | {source} |"
                );
            }
        }
    }
    text
}
