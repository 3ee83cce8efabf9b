//! Gathers what is wrong with the flags, and reads on.

use std::time::Duration;

use super::{Complaint, duration};

/// Complaints, in the order of the flags.
#[derive(Debug, Default)]
pub(super) struct Complaints(Vec<Complaint>);

impl Complaints {
    /// Something is wrong with the flag as such.
    pub(super) fn add(&mut self, flag: &'static str, problem: &str) {
        self.0.push(Complaint {
            flag,
            problem: problem.to_owned(),
        });
    }

    /// Something is wrong with a value.
    pub(super) fn about(&mut self, flag: &'static str, value: &str, problem: &str) {
        let shown = shown(value);
        self.add(flag, &format!("{shown} {problem}"));
    }

    /// A duration within bounds; the lower bound where there is none.
    pub(super) fn duration(
        &mut self,
        flag: &'static str,
        text: &str,
        (shortest, longest): (Duration, Duration),
    ) -> Duration {
        let problem = match duration::parse(text) {
            Ok(duration) if (shortest..=longest).contains(&duration) => return duration,
            Ok(_) => format!(
                "is not between {} and {}",
                duration::format(shortest),
                duration::format(longest)
            ),
            Err(problem) => problem.to_owned(),
        };
        self.about(flag, text, &problem);
        shortest
    }

    /// A word of a closed list, which is not empty; the first where it is none of them.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        flag: &'static str,
        text: &str,
        words: &[(&str, T)],
    ) -> T {
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return *value;
        }
        let words_quoted: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        self.about(
            flag,
            text,
            &format!("is none of {}", words_quoted.join(", ")),
        );
        words[0].1
    }

    /// The value, if nothing is wrong.
    pub(super) fn none_or<T>(self, value: T) -> Result<T, Vec<Complaint>> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self.0)
        }
    }
}

/// A value as typed, on one line. What looks like a user and a password before a host is not
/// repeated: complaints end up in the log of a cluster.
fn shown(value: &str) -> String {
    const LONGEST: usize = 120;
    if value.contains('@') && !value.contains("@sha") {
        return "the value (not shown, for it has an `@`)".to_owned();
    }
    let mut text: String = value
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if value.chars().nth(LONGEST).is_some() {
        text.push_str("...");
    }
    format!("`{text}`")
}
