//! What makes a check fail.

use std::time::Duration;

use chrono::TimeDelta;

use super::given;
use crate::config::complaints::Complaints;
use crate::domain::shortcoming::{FailOn, Shortcoming};

const FLAG: &str = "--fail-on";

/// Ten years: who means more has mistaken the unit.
const TIMES: (Duration, Duration) = (
    Duration::from_secs(1),
    Duration::from_secs(3_650 * 24 * 60 * 60),
);

/// Words that stand alone, and what each adds. What could not be read is as little known as what
/// was not answered.
const WORDS: [(&str, &[Shortcoming]); 6] = [
    ("refused", &[Shortcoming::Refused]),
    ("fault", &[Shortcoming::Fault]),
    ("missing", &[Shortcoming::Missing]),
    ("no-candidate", &[Shortcoming::NoCandidate]),
    (
        "inconclusive",
        &[Shortcoming::Inconclusive, Shortcoming::Unreadable],
    ),
    ("none", &[]),
];

/// The shortcomings of all words together; the default where nothing is given.
pub(super) fn fail_on(texts: &[String], complaints: &mut Complaints) -> FailOn {
    let words: Vec<&str> = given(texts).collect();
    if words.is_empty() {
        return FailOn::default();
    }
    if words.contains(&"none") && words.iter().any(|word| *word != "none") {
        complaints.add(FLAG, "`none` excludes all others");
    }
    let with = |fail_on, word| read(fail_on, word, complaints);
    words.into_iter().fold(FailOn::nothing(), with)
}

fn read(fail_on: FailOn, word: &str, complaints: &mut Complaints) -> FailOn {
    if let Some((_, shortcomings)) = WORDS.iter().find(|(known, _)| *known == word) {
        return fail_on.with(shortcomings.iter().copied());
    }
    match word.split_once('=') {
        Some(("expires", time)) => {
            let within = complaints.duration(FLAG, time, TIMES);
            fail_on.with_expiry(TimeDelta::from_std(within).unwrap_or(TimeDelta::MAX))
        }
        _ => {
            let known: Vec<String> = WORDS
                .iter()
                .map(|(known, _)| format!("`{known}`"))
                .collect();
            let problem = format!("is none of {}, `expires=14d`", known.join(", "));
            complaints.about(FLAG, word, &problem);
            fail_on
        }
    }
}
