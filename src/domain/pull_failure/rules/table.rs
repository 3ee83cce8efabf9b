//! The rules, in three files by who speaks. docs/classification.md says how to add one.

mod network;
mod node;
mod registry;

use super::{Context, Rule, Strength};
use crate::domain::pull_failure::Reason;

/// Every rule. The order says nothing: strength and place decide.
pub const RULES: &[Rule] = &ALL;

const PARTS: [&[Rule]; 3] = [registry::RULES, network::RULES, node::RULES];

static ALL: [Rule; PARTS[0].len() + PARTS[1].len() + PARTS[2].len()] = joined(PARTS);

const fn joined<const N: usize>(parts: [&[Rule]; 3]) -> [Rule; N] {
    let mut all = [parts[0][0]; N];
    let (mut at, mut part) = (0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            all[at] = parts[part][index];
            (at, index) = (at + 1, index + 1);
        }
        part += 1;
    }
    all
}

const fn rule(
    context: Context,
    needle: &'static str,
    reason: Reason,
    strength: Strength,
    source: &'static str,
) -> Rule {
    Rule {
        needle,
        context,
        reason,
        strength,
        source,
    }
}
