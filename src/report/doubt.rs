//! What a refused login may be, where its registry answers several things alike.

use super::printable::printable;
use super::{About, Line};
use crate::domain::outcome::Situation;

/// A line for each login that leaves a doubt.
pub(super) fn notes(about: &About) -> Vec<String> {
    match about {
        About::Credentials(lines) => lines.iter().filter_map(of_line).collect(),
        About::Images(_) | About::Workloads(..) => Vec::new(),
    }
}

pub(super) fn of_line(line: &Line) -> Option<String> {
    let (last, others) = line
        .may_mean
        .split_last()
        .filter(|(_, others)| !others.is_empty())?;
    let (source, key) = (&line.source, line.key.as_deref().unwrap_or("-"));
    let registry = line.registry.as_deref().unwrap_or("-");
    let others: Vec<_> = others.iter().copied().map(Situation::in_words).collect();
    let words = format!("{} and {}", others.join(", "), last.in_words());
    let said = format!("{source}, {key}: {registry} refuses alike {words}.");
    Some(printable(&said))
}
