//! Each cause has its page, each page its cause; the index, docs/diagnosis.md and the alerts know all of
//! them.

use std::collections::BTreeSet;

use regcred_exporter::domain::cause::Cause;
use regcred_exporter::domain::diagnosis::Word;
use regcred_exporter::domain::keyring::Rule;
use regcred_exporter::domain::pull_failure::Reason;

use crate::repository;
use crate::rows;
use crate::words::code_spans;

/// What a page has, in this order.
const SECTIONS: [&str; 5] = [
    "How it looks",
    "How we know",
    "How to fix",
    "How to prevent",
    "Near misses",
];

/// One page of docs/causes.
struct Page {
    /// Its file's name, without `.md`.
    word: String,
    /// What stands before the first section, in one line.
    lead: String,
    /// Titles, and whether something stands below.
    sections: Vec<(String, bool)>,
    text: String,
}

fn pages() -> Vec<Page> {
    let all = repository::below("docs/causes").into_iter();
    let pages = all.filter_map(|page| {
        let word = page.path.rsplit('/').next()?.strip_suffix(".md")?;
        (word != "README").then(|| Page::of(word, &page.text))
    });
    pages.collect()
}

impl Page {
    fn of(word: &str, text: &str) -> Self {
        let mut parts = format!("\n{text}");
        parts = parts.replace("\n## ", "\u{0}");
        let mut parts = parts.split('\u{0}');
        let head = parts.next().unwrap_or_default().trim();
        let lead = head.strip_prefix(&format!("# {word}\n"));
        let lead = lead.unwrap_or_else(|| panic!("docs/causes/{word}.md begins with `# {word}`"));
        let sections = parts.map(|part| {
            let (title, body) = part.split_once('\n').unwrap_or((part, ""));
            (title.to_owned(), !body.trim().is_empty())
        });
        Self {
            word: word.to_owned(),
            lead: lead.split_whitespace().collect::<Vec<_>>().join(" "),
            sections: sections.collect(),
            text: text.to_owned(),
        }
    }
}

#[test]
fn every_cause_has_a_page_and_every_page_a_cause() {
    let found: BTreeSet<String> = pages().into_iter().map(|page| page.word).collect();
    let causes = Cause::ALL.iter().map(|cause| cause.as_str().to_owned());
    assert_eq!(found, causes.collect());
}

#[test]
fn every_page_of_a_cause_has_the_same_sections() {
    for page in pages() {
        let titles: Vec<&str> = page.sections.iter().map(|(title, _)| &**title).collect();
        assert_eq!(titles, SECTIONS, "docs/causes/{}.md", page.word);
        for (title, has_text) in &page.sections {
            assert!(has_text, "docs/causes/{}.md: {title} is empty", page.word);
        }
    }
}

/// A row is `| [cause](page) | the lead of the page | permanent or may pass |`, in the order of
/// [`Cause::ALL`].
#[test]
fn the_index_of_causes_lists_all_of_them() {
    let index = repository::read("docs/causes/README.md");
    let listed: Vec<Vec<String>> = rows(&index)
        .filter(|cells| cells[0].contains("]("))
        .map(|cells| cells.iter().map(|cell| cell.trim().to_owned()).collect())
        .collect();
    let pages = pages();
    let expected: Vec<Vec<String>> = Cause::ALL
        .iter()
        .map(|cause| {
            let word = cause.as_str();
            let page = pages.iter().find(|page| page.word == word).unwrap();
            let stays = match cause.heals_itself() {
                true => "may pass",
                false => "permanent",
            };
            vec![
                format!("[`{word}`]({word}.md)"),
                page.lead.clone(),
                stays.to_owned(),
            ]
        })
        .collect();
    assert_eq!(listed, expected);
}

/// As code, that is: a word in a sentence may mean something else.
#[test]
fn docs_diagnosis_names_every_cause_every_reason_and_every_kind() {
    let text = repository::read("docs/diagnosis.md");
    let named: BTreeSet<String> = code_spans(&text).into_iter().collect();
    let words = Cause::ALL.iter().map(|cause| cause.as_str());
    let words = words.chain(Reason::ALL.iter().map(|reason| reason.as_str()));
    let words = words.chain(Word::ALL.iter().map(|word| word.as_str()));
    let words = words.chain(Rule::ALL.iter().map(|rule| rule.as_str()));
    let missing: Vec<&str> = words.filter(|word| !named.contains(*word)).collect();
    assert!(missing.is_empty(), "docs/diagnosis.md lacks {missing:?}");
}

/// The page of a cause with kinds has them all.
#[test]
fn every_kind_is_on_the_page_of_its_cause() {
    let pages = pages();
    let check = |cause: Cause, kinds: &[&str]| {
        let page = pages.iter().find(|page| page.word == cause.as_str());
        let named = code_spans(&page.unwrap().text);
        for kind in kinds {
            let is_there = named.iter().any(|word| word == kind);
            assert!(is_there, "docs/causes/{}.md lacks `{kind}`", cause.as_str());
        }
    };
    for word in Word::ALL {
        let cause = match word {
            Word::NameTypo | Word::PodListHidesServiceAccount | Word::NotListed => {
                Cause::SecretNotReferenced
            }
            Word::Dns | Word::Timeout | Word::Connection | Word::Proxy => Cause::Network,
            Word::UnknownCa
            | Word::Expired
            | Word::NotYetValid
            | Word::WrongName
            | Word::PlainHttp
            | Word::Protocol => Cause::Tls,
            Word::NotVerified => Cause::ImageNeverPull,
            Word::DiskFull | Word::KubeletQps => Cause::Node,
        };
        check(cause, &[word.as_str()]);
    }
    check(Cause::RegistryMismatch, &Rule::ALL.map(Rule::as_str));
}

/// `RegcredPodsWaiting` is of what may pass by itself, `RegcredPodsBlocked` of everything else, so that
/// no cause is forgotten and none is told twice.
#[test]
fn every_cause_has_its_alert() {
    let rules = repository::read("alerts/regcred.rules.yaml");
    let causes = |alert: &str, operator: &str| -> BTreeSet<String> {
        let mut parts = rules.split("- alert: ").skip(1);
        let rule = parts.find(|part| part.lines().next() == Some(alert));
        let rule = rule.unwrap_or_else(|| panic!("no alert {alert}"));
        let matchers = rule.split("{cause").skip(1);
        let values = matchers.filter_map(|rest| {
            let (found, rest) = rest.split_once('"')?;
            (found == operator).then(|| rest.split_once('"').map(|(values, _)| values))?
        });
        let words = values.flat_map(|values| values.split('|'));
        words.map(str::to_owned).collect()
    };
    let is = |operator| causes("RegcredPodsWaiting", operator);
    let waiting: BTreeSet<_> = is("=~").union(&is("=")).cloned().collect();
    let may_pass = Cause::ALL.iter().filter(|cause| cause.heals_itself());
    let may_pass: BTreeSet<_> = may_pass.map(|cause| cause.as_str().to_owned()).collect();
    assert_eq!(waiting, may_pass, "RegcredPodsWaiting");

    let but = causes("RegcredPodsBlocked", "!~");
    let later = causes("RegcredPodsBlocked", "=~");
    let left_out: BTreeSet<_> = but.difference(&later).cloned().collect();
    assert_eq!(left_out, may_pass, "RegcredPodsBlocked");
    assert!(later.is_subset(&but), "{later:?} are told of twice");
}

/// Commands on these pages are pasted at night: a password in one of them stays in a history.
#[test]
fn no_command_of_a_page_has_a_password_in_it() {
    for page in pages() {
        let lines = page.text.lines();
        let bad = lines.filter(|line| {
            ["--docker-password", "--password=", "--password "]
                .iter()
                .any(|flag| line.contains(flag))
        });
        let bad: Vec<&str> = bad.collect();
        assert!(bad.is_empty(), "docs/causes/{}.md: {bad:?}", page.word);
    }
}
