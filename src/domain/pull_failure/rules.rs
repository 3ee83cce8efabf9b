//! What plain words say: a table of phrases, read in one pass.
//!
//! A rule is evidence of one reason. Of the rules that hold, the strongest decides, and of equally
//! strong ones the last, since kubelets and runtimes write the cause behind what they did
//! (docs/classification.md).

mod table;

use super::evidence::Evidence;
use super::reason::Reason;

pub use table::RULES;

/// A phrase and what it is evidence of.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Whole words in lower case. `:` is the end of a clause, `#` any digit; `I`, `H`, `U`, `D`,
    /// `P` and `N` are any image, host, URL, digest, path and other name.
    pub needle: &'static str,
    /// Where the phrase must stand.
    pub context: Context,
    /// What it says.
    pub reason: Reason,
    /// Which of several it yields to.
    pub strength: Strength,
    /// Whose words these are.
    pub source: &'static str,
}

/// Where a phrase must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Anywhere.
    Anywhere,
    /// It is a whole clause, as codes of registries are.
    Clause,
    /// Nothing but the kubelet's own words stands before it.
    First,
    /// Nothing stands behind it.
    Last,
}

impl Context {
    /// The word, as docs/classification.md spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anywhere => "anywhere",
            Self::Clause => "a whole clause",
            Self::First => "right behind the kubelet's prefix",
            Self::Last => "at the end",
        }
    }
}

/// How much a phrase proves, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// The pull failed; no cause is told.
    Wrapper,
    /// A code that several causes share.
    Hint,
    /// A status, a registry's code, an error of the network.
    Code,
    /// Prose that tells the cause, whatever the code beside it.
    Cause,
    /// The node itself says so: no answer of a registry is involved.
    Node,
    /// Whatever failed for it: there is no room.
    Room,
}

impl Strength {
    /// Every strength, the strongest first.
    pub const ALL: [Self; 6] = [
        Self::Room,
        Self::Node,
        Self::Cause,
        Self::Code,
        Self::Hint,
        Self::Wrapper,
    ];

    /// The word, as docs/classification.md spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wrapper => "wrapper",
            Self::Hint => "hint",
            Self::Code => "code",
            Self::Cause => "cause",
            Self::Node => "node",
            Self::Room => "room",
        }
    }
}

/// The reason that the deciding words establish.
pub(super) fn judge(evidence: &Evidence<'_>) -> Reason {
    let text = evidence.deciding();
    let first = behind_prefixes(text);
    let mut best: Option<&Rule> = None;
    for at in word_starts(text) {
        for rule in beginning_as(&text.as_bytes()[at..]) {
            let is_stronger = best.is_none_or(|best| best.strength <= rule.strength);
            if is_stronger && rule.holds(text, at, first) {
                best = Some(rule);
            }
        }
    }
    best.map_or(Reason::Other, |rule| rule.reason)
}

impl Rule {
    fn holds(&self, text: &str, at: usize, first: usize) -> bool {
        let Some(end) = self.end(text.as_bytes(), at) else {
            return false;
        };
        let before = at.checked_sub(1).map(|before| text.as_bytes()[before]);
        let after = text.as_bytes().get(end).copied();
        let ends_clause = matches!(after, None | Some(b':'));
        match self.context {
            Context::Anywhere => true,
            Context::Clause => ends_clause && matches!(before, None | Some(b':')),
            Context::First => at == first,
            Context::Last => after.is_none(),
        }
    }

    /// Where the needle ends, if it stands at this place and ends with a word.
    fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        let needle = self.needle.as_bytes();
        let end = at + needle.len();
        let there = text.get(at..end)?;
        let is_same = |(&there, &wanted): (&u8, &u8)| match wanted {
            b'#' => there.is_ascii_digit(),
            _ => there == wanted,
        };
        let ends_word = matches!(text.get(end), None | Some(b' ' | b':'));
        (ends_word && there.iter().zip(needle).all(is_same)).then_some(end)
    }
}

/// What the kubelet and kubectl write before a runtime's error, as evidence has it.
const PREFIXES: &[&str] = &[
    "combined from similar events:",
    "H N:",
    "failed to pull image I from pod N and container N:",
    "back-off pulling image I:",
    "errimagepull:",
    "imagepullbackoff:",
    "error:",
];

fn behind_prefixes(text: &str) -> usize {
    // kubectl and logs put columns of their own before it.
    let mut rest = match text.rsplit_once("failed to pull image I:") {
        Some((_, rest)) => rest,
        None => text,
    };
    while let Some(next) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = next;
    }
    text.len() - rest.len()
}

fn word_starts(text: &str) -> impl Iterator<Item = usize> {
    let is_end = |byte: u8| matches!(byte, b' ' | b':');
    let bytes = text.as_bytes();
    (0..bytes.len()).filter(move |&at| at == 0 || is_end(bytes[at - 1]))
}

/// Rules by their first two bytes, so that a word is compared with few.
fn beginning_as(text: &[u8]) -> impl Iterator<Item = &'static Rule> {
    let mut next = CHAINS.first[bucket(text)];
    std::iter::from_fn(move || {
        let index = next?;
        next = CHAINS.next[index];
        Some(&RULES[index])
    })
}

static CHAINS: Chains = Chains::of(RULES);

const BUCKETS: usize = 512;

/// For each bucket the first rule, for each rule the next one of its bucket.
struct Chains {
    first: [Option<usize>; BUCKETS],
    next: [Option<usize>; RULES.len()],
}

impl Chains {
    const fn of(rules: &[Rule]) -> Self {
        let mut first = [None; BUCKETS];
        let mut next = [None; RULES.len()];
        let mut index = rules.len();
        while index > 0 {
            index -= 1;
            let bucket = bucket(rules[index].needle.as_bytes());
            next[index] = first[bucket];
            first[bucket] = Some(index);
        }
        Self { first, next }
    }
}

const fn bucket(text: &[u8]) -> usize {
    match text {
        [first, second, ..] => (*first as usize * 31 + *second as usize) % BUCKETS,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::pull_failure::classify;

    /// A text in which this rule holds, whoever chose the names.
    fn text_of(rule: &Rule) -> String {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let spell = |c: char| match c {
            'I' => "registry.example/denied/eof:429".to_owned(),
            'H' => "denied.example".to_owned(),
            'U' => "https://registry.example/v2/denied/eof/manifests/429".to_owned(),
            'D' => digest.clone(),
            'P' => "/var/denied/429".to_owned(),
            'M' => "application/vnd.denied".to_owned(),
            'N' => "\"denied\"".to_owned(),
            '#' => "2".to_owned(),
            ':' => ": ".to_owned(),
            c => c.to_string(),
        };
        let needle: String = rule.needle.chars().map(spell).collect();
        match rule.context {
            Context::Anywhere => format!("we saw {needle} again"),
            Context::Clause => format!("we saw: {needle}: again"),
            Context::First => format!("{needle} again"),
            Context::Last => format!("we saw {needle}"),
        }
    }

    #[test]
    fn every_rule_decides_where_it_stands_alone() {
        for rule in RULES {
            let text = text_of(rule);
            assert_eq!(classify(&text).reason, rule.reason, "{rule:?}\n{text}");
        }
    }

    #[test]
    fn no_rule_is_there_twice() {
        let mut seen = BTreeSet::new();
        for rule in RULES {
            let key = (rule.needle, rule.context.as_str());
            assert!(seen.insert(key), "{key:?}");
        }
    }

    #[test]
    fn every_reason_has_a_rule() {
        let told: BTreeSet<Reason> = RULES.iter().map(|rule| rule.reason).collect();
        assert_eq!(told, Reason::ALL.iter().copied().collect());
    }

    fn check(text: &str, expected: Reason) {
        assert_eq!(classify(text).reason, expected, "{text}");
    }

    #[test]
    fn of_equally_strong_rules_the_last_decides() {
        check("dial: connection refused: i/o timeout", Reason::Timeout);
        check("dial: i/o timeout: connection refused", Reason::Connection);
    }

    #[test]
    fn a_stronger_rule_decides_wherever_it_stands() {
        check("denied: Your token has expired: denied", Reason::Expired);
        check("lookup r.example: i/o timeout", Reason::Dns);
        check(
            "code = NotFound desc = no match for platform: not found",
            Reason::PlatformMismatch,
        );
        check(
            "failed to extract layer: no space left on device: EOF",
            Reason::NodeDiskFull,
        );
    }

    #[test]
    fn a_needle_is_whole_words_in_its_place() {
        check("errors: undenied: x", Reason::Other);
        check("errors: denied things: x", Reason::Other);
        check("rate limiter: x", Reason::Other);
        check("status 5xx", Reason::Other);
        check("Error: ErrImagePull: x", Reason::Other);
        check(
            "from the token endpoint: invalid character 'x'",
            Reason::Other,
        );
    }
}
