//! The checks: what each is called, which files it reads, and what it complains of in them.

use std::collections::BTreeSet;
use std::path::Path;

use crate::repository::{Document, root};
use crate::vocabulary::Vocabulary;
use crate::words::{self, Selector, selectors, words_with};

/// Labels that the scrape, the alert or PromQL adds.
const NOT_OURS: &[&str] = &[
    "alertname",
    "alertstate",
    "cluster",
    "endpoint",
    "instance",
    "job",
    "le",
    "severity",
    "view",
];

/// Environment of the tests and of the build, which no flag reads.
const NOT_FLAGS: &[&str] = &[
    "REGCRED_CARGO_DENY",
    "REGCRED_DOCKER_REGISTRY",
    "REGCRED_ETCD",
    "REGCRED_HTPASSWD",
    "REGCRED_KEY",
    "REGCRED_KUBE_APISERVER",
    "REGCRED_ORACLE",
    "REGCRED_PROMETHEUS",
    "REGCRED_PROMTOOL",
    "REGCRED_PYTHON",
    "REGCRED_REVISION",
    "REGCRED_RUST_VERSION",
    "REGCRED_SHELLCHECK",
];

/// Line, counted from 1, and what is wrong with it.
pub(crate) type Complaints = Vec<(usize, String)>;

pub(crate) struct Check {
    /// Also the name of its files in `contract/bad/`.
    pub(crate) name: &'static str,
    /// Which files it reads.
    pub(crate) reads: fn(&Document) -> bool,
    pub(crate) find: fn(&Document, &Vocabulary) -> Complaints,
}

pub(crate) const CHECKS: &[Check] = &[
    Check {
        name: "metric",
        reads: is_for_users,
        find: unknown_metrics,
    },
    Check {
        name: "label",
        reads: is_for_users,
        find: unknown_labels,
    },
    Check {
        name: "word",
        reads: is_for_users,
        find: unknown_values,
    },
    Check {
        name: "grouping",
        reads: is_promql,
        find: unknown_groupings,
    },
    Check {
        name: "flag",
        reads: is_for_users,
        find: unknown_flags,
    },
    Check {
        name: "alert",
        reads: is_for_users,
        find: unknown_alerts,
    },
    Check {
        name: "rule",
        reads: is_promql,
        find: unknown_rules,
    },
    Check {
        name: "link",
        reads: is_markdown,
        find: dead_links,
    },
    Check {
        name: "forbidden",
        reads: is_ours,
        find: forbidden,
    },
];

fn is_for_users(document: &Document) -> bool {
    let folders = ["alerts/", "dashboards/", "deploy/", "docs/"];
    folders
        .iter()
        .any(|folder| document.path.starts_with(folder))
        || (is_markdown(document) && !document.path.contains('/'))
}

fn is_promql(document: &Document) -> bool {
    let rules = document.path.starts_with("alerts/") && !document.path.contains("/tests/");
    rules || document.path.starts_with("dashboards/")
}

fn is_markdown(document: &Document) -> bool {
    document.path.ends_with(".md")
}

/// Lock files are written by tools and name the places that things came from.
fn is_ours(document: &Document) -> bool {
    let written_by_tools = ["Cargo.lock", "go.sum", "LICENSE"];
    let tells_what_is_forbidden = ["tests/contract.rs", "tests/contract/"];
    !written_by_tools
        .iter()
        .any(|name| document.path.ends_with(name))
        && !tells_what_is_forbidden
            .iter()
            .any(|path| document.path.starts_with(path))
}

fn unknown_metrics(document: &Document, vocabulary: &Vocabulary) -> Complaints {
    let series = vocabulary.series();
    document.lines_of(|line| {
        let named = words_with(line, "regcred_").into_iter().filter(|word| {
            let is_crate = matches!(word.as_str(), "regcred_exporter" | "regcred_stand_ins");
            let is_prefix =
                word.ends_with('_') && series.iter().any(|name| name.starts_with(word.as_str()));
            !is_crate && !is_prefix && !series.contains(word)
        });
        named.map(|word| format!("no metric `{word}`")).collect()
    })
}

fn unknown_labels(document: &Document, vocabulary: &Vocabulary) -> Complaints {
    of_selectors(document, |Selector { metric, label, .. }| {
        let known = vocabulary.of_series(metric)?;
        let is_known = known.labels.contains(label) || NOT_OURS.contains(&label.as_str());
        (!is_known).then(|| format!("`{metric}` has no label `{label}`"))
    })
}

fn unknown_values(document: &Document, vocabulary: &Vocabulary) -> Complaints {
    of_selectors(document, |Selector { label, values, .. }| {
        let closed = vocabulary.closed.get(label.as_str())?;
        let is_word = |value: &&String| value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let unknown = values
            .iter()
            .filter(is_word)
            .find(|value| !closed.contains(value.as_str()))?;
        (!unknown.is_empty()).then(|| format!("`{label}` is never `{unknown}`"))
    })
}

fn of_selectors(document: &Document, check: impl Fn(&Selector) -> Option<String>) -> Complaints {
    let found = selectors(&document.text).into_iter();
    found
        .filter_map(|selector| Some((selector.line, check(&selector)?)))
        .collect()
}

fn unknown_groupings(document: &Document, vocabulary: &Vocabulary) -> Complaints {
    let labels: BTreeSet<&str> = vocabulary
        .metrics
        .values()
        .flat_map(|metric| metric.labels.iter().map(String::as_str))
        .chain(NOT_OURS.iter().copied())
        .collect();
    document.lines_of(|line| {
        let made = words::made_labels(line);
        let named = words::groupings(line)
            .into_iter()
            .filter(|label| !labels.contains(label.as_str()) && !made.contains(label));
        named
            .map(|label| format!("no metric has a label `{label}`"))
            .collect()
    })
}

fn unknown_flags(document: &Document, vocabulary: &Vocabulary) -> Complaints {
    document.lines_of(|line| {
        let flags = words::dotted_flags(line);
        let variables = words_with(line, "REGCRED_");
        let named = flags.into_iter().chain(variables).filter(|word| {
            !word.ends_with('_')
                && !vocabulary.flags.contains(word)
                && !NOT_FLAGS.contains(&word.as_str())
        });
        named
            .map(|word| format!("no flag or variable `{word}`"))
            .collect()
    })
}

fn unknown_alerts(document: &Document, vocabulary: &Vocabulary) -> Complaints {
    document.lines_of(|line| {
        let named = words_with(line, "Regcred").into_iter();
        let unknown = named.filter(|word| {
            let is_pattern = line.contains(&format!("{word}.*"));
            !is_pattern && word != "Regcred" && !vocabulary.alerts.contains(word)
        });
        unknown.map(|word| format!("no alert `{word}`")).collect()
    })
}

/// Recorded series, `level:metric:operation`.
fn unknown_rules(document: &Document, vocabulary: &Vocabulary) -> Complaints {
    document.lines_of(|line| {
        let named = words::recorded(line)
            .into_iter()
            .filter(|name| !vocabulary.rules.contains(name));
        named
            .map(|name| format!("nothing records `{name}`"))
            .collect()
    })
}

fn dead_links(document: &Document, _: &Vocabulary) -> Complaints {
    let folder = Path::new(&document.path)
        .parent()
        .unwrap_or_else(|| Path::new(""));
    document.lines_of(|line| {
        let targets = words::links(line).into_iter().filter(|target| {
            let file = target.split('#').next().unwrap_or_default();
            !target.contains("://") && !file.is_empty() && !root().join(folder).join(file).exists()
        });
        targets
            .map(|target| format!("`{target}` leads nowhere"))
            .collect()
    })
}

/// What does not belong into a public repository.
fn forbidden(document: &Document, _: &Vocabulary) -> Complaints {
    // Of one machine, not of every reader's.
    const PLACES: &[&str] = &["/root/", "/work/", "/tmp/wt-", "/Users/"];
    // The default registries are the tools' business; a mirror or a host of theirs is nobody's.
    const HOSTS: &[&str] = &[
        "index.crates.io",
        "static.crates.io",
        "proxy.golang.org",
        "sum.golang.org",
        "pypi.org",
        "pythonhosted.org",
        "registry.npmjs.org",
        "deb.debian.org",
        "repo.maven.apache.org",
        "static.rust-lang.org",
    ];
    // Notes that no reader of the repository has, and how a text came to be.
    const NOTES: &[&str] = &[
        "contract.md",
        "contract section",
        "engineering.md",
        "ecosystem.md",
        "peers.md",
        "kubelet-and-registries",
        "K\u{a7}",
        "co-authored-by",
        "generated with",
        "as requested",
        "the integrator",
    ];
    document.lines_of(|line| {
        let line = line.to_lowercase();
        let all = PLACES.iter().chain(HOSTS).chain(NOTES);
        let found = all.filter(|word| line.contains(&word.to_lowercase()));
        found.map(|word| format!("`{word}`")).collect()
    })
}
