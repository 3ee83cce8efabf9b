//! What users rely on is spelled once: metrics, labels, closed words, flags, alerts and links in
//! alerts, dashboards, chart and documents exist in the code, and the reverse.
//!
//! The code side is asked, not parsed: the page is encoded with one of everything on it, and the
//! binary prints its help. Each check has a file in `contract/bad/`, named after it, that it must
//! catch, line by line; a check that catches nothing fails.

#![expect(clippy::unwrap_used, reason = "also the helpers of a test are tests")]

#[path = "contract/causes.rs"]
mod causes;
#[path = "contract/checks.rs"]
mod checks;
#[path = "contract/repository.rs"]
mod repository;
#[path = "contract/vocabulary.rs"]
mod vocabulary;
#[path = "contract/words.rs"]
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use checks::CHECKS;
use repository::{Document, documents, root};
use vocabulary::{Metric, Vocabulary};
use words::{code_spans, words_with};

/// Commands of the binary, the default one first.
const COMMANDS: [&str; 5] = ["run", "check", "explain", "classify", "check-config"];

#[test]
fn every_document_speaks_of_what_exists() {
    let vocabulary = vocabulary();
    let mut all = Vec::new();
    let examples = |document: &Document| document.path.starts_with("tests/contract/bad/");
    for document in documents()
        .into_iter()
        .filter(|document| !examples(document))
    {
        for check in CHECKS.iter().filter(|check| (check.reads)(&document)) {
            let found = (check.find)(&document, &vocabulary).into_iter();
            all.extend(
                found.map(|(line, what)| {
                    format!("{}:{line}: {what} ({})", document.path, check.name)
                }),
            );
        }
    }
    assert!(
        all.is_empty(),
        "{} complaints\n{}",
        all.len(),
        all.join("\n")
    );
}

/// Lines that end in `caught` are complained about, once or more; no other line is.
#[test]
fn every_check_catches_its_bad_examples_and_nothing_else_in_them() {
    let vocabulary = vocabulary();
    let mut caught = BTreeSet::new();
    for example in repository::below("tests/contract/bad") {
        let stem = Path::new(&example.path)
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap();
        let check = CHECKS
            .iter()
            .find(|check| check.name == stem)
            .expect("named after a check");
        let found: BTreeSet<usize> = (check.find)(&example, &vocabulary)
            .into_iter()
            .map(|(line, _)| line)
            .collect();
        let marked: BTreeSet<usize> = (1..)
            .zip(example.text.lines())
            .filter(|(_, line)| line.ends_with("caught"))
            .map(|(number, _)| number)
            .collect();
        assert_eq!(found, marked, "{}", example.path);
        assert!(!marked.is_empty(), "{} has no bad line", example.path);
        caught.insert(check.name);
    }
    for check in CHECKS {
        assert!(
            caught.contains(check.name),
            "`{}` has no file in tests/contract/bad",
            check.name
        );
    }
}

/// A row of docs/metrics.md is `| names | type | labels | ... |`.
#[test]
fn docs_metrics_lists_every_metric_with_its_type_and_labels_and_no_other() {
    let documented = documented_metrics(&repository::read("docs/metrics.md"));
    let exported = vocabulary().metrics;
    let missing: Vec<_> = exported
        .keys()
        .filter(|name| !documented.contains_key(*name))
        .collect();
    assert!(missing.is_empty(), "docs/metrics.md lacks {missing:#?}");
    for (name, documented) in documented {
        let Some(exported) = exported.get(&name) else {
            panic!("docs/metrics.md has `{name}`, which is never exported");
        };
        assert_eq!(
            &documented, exported,
            "`{name}` in docs/metrics.md (left) and on the page (right)"
        );
    }
}

/// A row of docs/metrics.md is `| label | values | ... |`, the values in backticks.
#[test]
fn docs_metrics_lists_every_closed_word() {
    let text = repository::read("docs/metrics.md");
    let documented: BTreeSet<(String, String)> = rows(&text)
        .filter_map(|cells| {
            let [label] = &code_spans(&cells[0])[..] else {
                return None;
            };
            let label = label.clone();
            vocabulary::closed()
                .contains_key(label.as_str())
                .then_some(())?;
            Some(
                code_spans(&cells[1])
                    .into_iter()
                    .map(move |word| (label.clone(), word)),
            )
        })
        .flatten()
        .collect();
    let closed: BTreeSet<(String, String)> = vocabulary::closed()
        .into_iter()
        .filter(|(label, _)| *label != "fault") // docs/faults.md
        .flat_map(|(label, words)| {
            words
                .into_iter()
                .map(move |word| (label.to_owned(), word.to_owned()))
        })
        .collect();
    let missing: Vec<_> = closed.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&closed).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing {missing:?}\nunknown {unknown:?}"
    );
}

fn documented_metrics(text: &str) -> BTreeMap<String, Metric> {
    let mut documented = BTreeMap::new();
    for cells in rows(text).filter(|cells| cells.len() >= 3) {
        let kind = cells[1].trim().trim_matches('`').to_owned();
        if !["counter", "gauge", "histogram"].contains(&kind.as_str()) {
            continue;
        }
        let mut labels = BTreeSet::new();
        for word in cells[2]
            .split([',', ' '])
            .map(|word| word.trim_matches('`'))
        {
            match word {
                "CRED" => labels.extend(["secret_namespace", "secret_name", "key", "registry"]),
                "GROUP" => labels.extend(["credential", "registry"]),
                "" | "-" | "none" => {}
                label => {
                    labels.insert(label);
                }
            }
        }
        for name in code_spans(&cells[0]) {
            let metric = Metric {
                kind: kind.clone(),
                labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            };
            documented.insert(name, metric);
        }
    }
    documented
}

/// Cells of Markdown tables.
fn rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    text.lines().filter_map(|line| {
        let inner = line.strip_prefix('|')?.strip_suffix('|')?;
        Some(
            inner
                .replace("\\|", "/")
                .split('|')
                .map(str::to_owned)
                .collect(),
        )
    })
}

/// `UPDATE=1 cargo test --test contract` writes it anew.
#[test]
fn docs_cli_is_what_help_says() {
    let text = repository::read("docs/cli.md");
    for command in COMMANDS {
        assert!(
            text.contains(&format!("<!-- help of {command} -->")),
            "docs/cli.md lacks `{command}`"
        );
    }
    hold("docs/cli.md", |mark| {
        Some(format!(
            "```text\n{}\n```\n",
            help(mark.strip_prefix("help of ")?).trim_end()
        ))
    });
}

#[test]
fn docs_faults_lists_every_fault() {
    hold("docs/faults.md", |mark| {
        (mark == "faults").then(vocabulary::faults)
    });
}

/// Holds the parts of a page between `<!-- mark -->` and `<!-- end -->` against what the code says.
fn hold(path: &str, said: impl Fn(&str) -> Option<String>) {
    let text = repository::read(path);
    let mut expected = String::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        let mark = line
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        if mark == Some("end") {
            expected.push_str(&block.take().expect("a block was opened"));
        }
        if block.is_none() {
            expected.push_str(line);
            expected.push('\n');
            block = mark.and_then(&said);
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(root().join(path), expected).unwrap();
        return;
    }
    assert!(
        text == expected,
        "{path} is not what the program says; UPDATE=1 writes it anew"
    );
}

#[test]
fn every_command_of_the_binary_is_documented() {
    let help = help("run");
    let listed: BTreeSet<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(listed, COMMANDS.into_iter().collect());
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let pages: BTreeSet<String> = repository::below("docs/runbooks")
        .iter()
        .map(|page| {
            Path::new(&page.path)
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .filter(|name| name.starts_with("Regcred"))
        .collect();
    assert_eq!(pages, vocabulary().alerts);
}

/// Helm reads only what lies in the chart, so that rules and dashboards are there twice.
#[test]
fn the_copies_in_the_chart_are_equal() {
    let chart = repository::below("deploy/helm/regcred-exporter");
    let originals = documents().into_iter().filter(|document| {
        let is_rule = document.path.starts_with("alerts/") && !document.path.contains("/tests/");
        is_rule || document.path.starts_with("dashboards/")
    });
    for original in originals {
        let name = original.path.rsplit('/').next().unwrap();
        let copy = chart
            .iter()
            .find(|copy| copy.path.ends_with(&format!("/{name}")));
        let copy = copy.unwrap_or_else(|| panic!("the chart has no copy of {}", original.path));
        assert!(
            copy.text == original.text,
            "{} differs from {}",
            copy.path,
            original.path
        );
    }
}

/// What the code exports, reads and defines.
fn vocabulary() -> Vocabulary {
    let rules = repository::below("alerts");
    let rules = || rules.iter().filter(|file| !file.path.contains("/tests/"));
    let defined = |key: &str| -> BTreeSet<String> {
        let lines = rules().flat_map(|file| file.text.lines());
        let values =
            lines.filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key));
        values.map(|value| value.trim().to_owned()).collect()
    };
    let help: String = COMMANDS.into_iter().map(help).collect();
    let variables = words_with(&help, "REGCRED_").into_iter();
    Vocabulary {
        metrics: vocabulary::exported(),
        closed: vocabulary::closed(),
        flags: words::dotted_flags(&help)
            .into_iter()
            .chain(variables)
            .collect(),
        alerts: defined("alert:"),
        rules: defined("record:"),
    }
}

/// Not a terminal, so that the text is as wide as anywhere else.
fn help(command: &str) -> String {
    let mut help = Command::new(env!("CARGO_BIN_EXE_regcred-exporter"));
    // `run` is also what is done when nothing is said; there the list of commands stands.
    help.args(Some(command).filter(|command| *command != "run"))
        .arg("--help");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("REGCRED_") {
            help.env_remove(name);
        }
    }
    let output = help.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command} --help: {}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}
