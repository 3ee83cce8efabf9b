//! The rules: what each is called, why it is there, and how it is seen in a file's text.

use std::collections::BTreeSet;

use crate::source::{Source, block, line_of};

/// What each module of `src/` may use of the others. Itself always; `lib.rs` only lists.
pub(crate) const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &[]),
    ("lifecycle", &[]),
    ("log", &[]),
    ("cli", &[]),
    ("config", &["domain", "cli"]),
    ("state", &["domain"]),
    ("report", &["domain"]),
    // A scrape shows what is so now.
    ("metrics", &["domain", "state", "clock"]),
    ("kubernetes", OUTSIDE),
    ("files", OUTSIDE),
    ("registry", &["domain", "config"]),
    (
        "prober",
        &[
            "domain",
            "state",
            "metrics",
            "clock",
            "lifecycle",
            "config",
            "registry",
        ],
    ),
    (
        "web",
        &[
            "domain",
            "state",
            "report",
            "metrics",
            "clock",
            "lifecycle",
            "config",
        ],
    ),
    ("command", EVERYTHING),
    ("app", EVERYTHING),
    (
        "main",
        &[
            "cli",
            "app",
            "command",
            "config",
            "log",
            "lifecycle",
            "clock",
        ],
    ),
];
const OUTSIDE: &[&str] = &["domain", "state", "metrics", "clock", "lifecycle", "config"];
const EVERYTHING: &[&str] = &[
    "app",
    "cli",
    "clock",
    "command",
    "config",
    "domain",
    "files",
    "kubernetes",
    "lifecycle",
    "log",
    "metrics",
    "prober",
    "registry",
    "report",
    "state",
    "web",
];

/// Crates whose values the pure part may hold.
const VALUES: &[&str] = &[
    "base64",
    "chrono",
    "secrecy",
    "serde",
    "serde_json",
    "thiserror",
];

/// Where the bytes of a credential may be looked at.
const MAY_EXPOSE: &[&str] = &[
    "domain/docker_config",
    "domain/credential",
    "domain/expiry",
    "registry/client",
    "registry/lookup",
];

/// Errors that quote what they read, and the modules that may look into them.
const QUOTING_ERRORS: &[(&str, &[&str])] = &[
    (
        "serde_json::Error",
        &[
            "domain/docker_config",
            "domain/expiry",
            "kubernetes/decode",
            "registry/answer",
        ],
    ),
    (
        "reqwest::Error",
        &["registry/transport", "registry/client", "registry/fault"],
    ),
    // Nobody: a manifest that is no YAML is told by line and column.
    ("serde_saphyr::Error", &[]),
    ("kube::Error", &["kubernetes/client"]),
    ("kube::config::KubeconfigError", &["kubernetes/client"]),
];

const VAGUE_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "helper", "types", "misc", "shared", "error", "errors",
    "prelude",
];

/// What a rule found: the line, and what stands there.
pub(crate) type Findings = Vec<(usize, String)>;

pub(crate) struct Rule {
    /// Also the name of its files in `architecture/bad/`.
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    pub(crate) find: fn(&Source) -> Findings,
}

pub(crate) const RULES: &[Rule] = &[
    Rule {
        name: "imports",
        why: "modules use one another in one direction (docs/ARCHITECTURE.md, table)",
        find: imports,
    },
    Rule {
        name: "purity",
        why: "src/domain is values in, values out: no I/O, clock, lock, task or log",
        find: purity,
    },
    Rule {
        name: "expose",
        why: "few files look at the bytes of a credential, so that few can leak them",
        find: expose,
    },
    Rule {
        name: "quoting-errors",
        why: "this library's errors quote what they read, Secrets included; make it a closed enum where it arises",
        find: quoting_errors,
    },
    Rule {
        name: "kube-runtime",
        why: "its lists log Secrets and its watches spin (docs/adr/0011)",
        find: kube_runtime,
    },
    Rule {
        name: "api-list",
        why: "Api::list holds a page three times and logs it whole when one item does not decode (docs/adr/0011)",
        find: api_list,
    },
    Rule {
        name: "metric-family",
        why: "a Family never forgets a label set: mirror the state, or count in metrics/by_registry (docs/adr/0005)",
        find: metric_family,
    },
    Rule {
        name: "metric-spelling",
        why: "metrics and label sets are spelled in src/metrics only; others say what happened",
        find: metric_spelling,
    },
    Rule {
        name: "clock",
        why: "time comes in as an argument; src/clock.rs reads it (docs/adr/0006)",
        find: clock,
    },
    Rule {
        name: "exit",
        why: "only main ends the process, so that everything else drains and can be tested",
        find: exit,
    },
    Rule {
        name: "unwrap",
        why: "what can fail is handled, what cannot says why in `expect`",
        find: unwrap,
    },
    Rule {
        name: "endless-loop",
        why: "a loop that neither waits nor ends takes a core",
        find: endless_loop,
    },
    Rule {
        name: "mod-rs",
        why: "foo.rs beside foo/, so that a tab's title tells what it is",
        find: mod_rs,
    },
    Rule {
        name: "vague-name",
        why: "a name for what does not belong together; name what it is",
        find: vague_name,
    },
    Rule {
        name: "prologue",
        why: "a file opens with what it is, what it promises and what it never does",
        find: prologue,
    },
];

fn imports(source: &Source) -> Findings {
    let module = source.module();
    let Some(own) = module.first().copied() else {
        return Vec::new();
    };
    let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == own) else {
        return vec![(1, format!("`{own}` has no row in MAY_USE"))];
    };
    let mut findings = Findings::new();
    for named in source.paths() {
        let mut segments = named.path.split("::");
        let other = match segments.next() {
            Some("crate" | "regcred_exporter") => segments.next().unwrap_or(own),
            _ => continue,
        };
        let is_module = MAY_USE.iter().any(|(name, _)| *name == other);
        if other != own && is_module && !may_use.contains(&other) {
            findings.push((named.line, format!("`{own}` may not use `{}`", named.path)));
        }
    }
    findings
}

fn purity(source: &Source) -> Findings {
    if !source.is_in("domain") {
        return Vec::new();
    }
    let foreign: Vec<String> = dependencies()
        .into_iter()
        .filter(|name| !VALUES.contains(&name.as_str()))
        .collect();
    let unclean = |path: &str| {
        const IMPURE: &[&str] = &[
            "std::env",
            "std::fs",
            "std::io",
            "std::os",
            "std::process",
            "std::thread",
            "std::sync::atomic",
            "std::sync::mpsc",
            "std::sync::Mutex",
            "std::sync::RwLock",
            "std::sync::OnceLock",
            "std::sync::LazyLock",
            "std::sync::Condvar",
            "std::net::TcpListener",
            "std::net::TcpStream",
            "std::net::ToSocketAddrs",
            "std::net::UdpSocket",
            "std::time::Instant",
            "std::time::SystemTime",
        ];
        let is_below = |above: &str| path == above || path.starts_with(&format!("{above}::"));
        IMPURE.iter().any(|impure| is_below(impure)) || foreign.iter().any(|name| is_below(name))
    };
    let paths = source
        .paths()
        .into_iter()
        .filter(|named| unclean(&named.path));
    let mut findings: Findings = paths
        .map(|named| (named.line, format!("`{}`", named.path)))
        .collect();
    for needle in [
        "async fn",
        ".await",
        "println!",
        "eprintln!",
        "dbg!",
        "static mut",
    ] {
        findings.extend(
            source
                .lines_with(needle)
                .map(|line| (line, format!("`{needle}`"))),
        );
    }
    findings
}

/// Names of `[dependencies]`, as code writes them.
fn dependencies() -> BTreeSet<String> {
    let manifest = include_str!("../../Cargo.toml");
    let (_, rest) = manifest
        .split_once("[dependencies]")
        .expect("there are dependencies");
    rest.lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| Some(line.split_once('=')?.0.trim().replace('-', "_")))
        .collect()
}

fn expose(source: &Source) -> Findings {
    if MAY_EXPOSE.iter().any(|module| source.is_in(module)) {
        return Vec::new();
    }
    source
        .lines_with("expose_secret")
        .map(|line| (line, "`expose_secret`".to_owned()))
        .collect()
}

fn quoting_errors(source: &Source) -> Findings {
    let paths = source.paths();
    let mut findings = Findings::new();
    for (error, allowed) in QUOTING_ERRORS {
        if allowed.iter().any(|module| source.is_in(module)) {
            continue;
        }
        let found = paths.iter().filter(|named| named.path == *error);
        findings.extend(found.map(|named| (named.line, format!("`{error}`"))));
    }
    findings
}

fn kube_runtime(source: &Source) -> Findings {
    let found = source.paths().into_iter().filter(|named| {
        named.path.starts_with("kube::runtime") || named.path.starts_with("kube_runtime")
    });
    found
        .map(|named| (named.line, format!("`{}`", named.path)))
        .collect()
}

fn api_list(source: &Source) -> Findings {
    let names_api = |path: &str| matches!(path, "kube::Api" | "kube::api::Api");
    if !source.paths().iter().any(|named| names_api(&named.path)) {
        return Vec::new();
    }
    let found = [".list(", ".list_metadata(", "Api::list"]
        .into_iter()
        .flat_map(|needle| {
            source
                .lines_with(needle)
                .map(move |line| (line, format!("`{needle}`")))
        });
    found.collect()
}

fn metric_family(source: &Source) -> Findings {
    let found = source
        .paths()
        .into_iter()
        .filter(|named| named.path.starts_with("prometheus_client::metrics::family"));
    found
        .map(|named| (named.line, format!("`{}`", named.path)))
        .collect()
}

fn metric_spelling(source: &Source) -> Findings {
    if source.is_in("metrics") {
        return Vec::new();
    }
    let found = source
        .paths()
        .into_iter()
        .filter(|named| named.path.starts_with("prometheus_client::"));
    found
        .map(|named| (named.line, format!("`{}`", named.path)))
        .collect()
}

fn clock(source: &Source) -> Findings {
    let is_read = |path: &str| {
        let wall = ["Utc::now", "Local::now"]
            .iter()
            .any(|read| path.ends_with(read));
        wall || path.contains("SystemTime") || path.starts_with("std::time::Instant")
    };
    if source.is_in("clock") {
        return Vec::new();
    }
    let found = source
        .paths()
        .into_iter()
        .filter(|named| is_read(&named.path));
    found
        .map(|named| (named.line, format!("`{}`", named.path)))
        .collect()
}

fn exit(source: &Source) -> Findings {
    if source.is_in("main") {
        return Vec::new();
    }
    let needles = ["process::exit", "process::abort"];
    let found = source
        .paths()
        .into_iter()
        .filter(|named| needles.iter().any(|n| named.path.ends_with(n)));
    found
        .map(|named| (named.line, format!("`{}`", named.path)))
        .collect()
}

fn unwrap(source: &Source) -> Findings {
    source
        .lines_with(".unwrap()")
        .map(|line| (line, "`.unwrap()`".to_owned()))
        .collect()
}

/// Near enough: the body of each `loop` waits for something, or has a way out.
fn endless_loop(source: &Source) -> Findings {
    let code = &source.code;
    let mut findings = Findings::new();
    for (position, _) in code.match_indices("loop {") {
        let body = block(code, position);
        let ends = [".await", "break", "return", "?;", "?)", "? "];
        if !ends.iter().any(|end| body.contains(end)) {
            findings.push((
                line_of(code, position),
                "`loop` without await, break or return".to_owned(),
            ));
        }
    }
    findings
}

fn mod_rs(source: &Source) -> Findings {
    let is_it = source.path.ends_with("/mod.rs");
    is_it
        .then(|| (1, "`mod.rs`".to_owned()))
        .into_iter()
        .collect()
}

fn vague_name(source: &Source) -> Findings {
    let module = source.module();
    let vague = module.iter().find(|name| VAGUE_NAMES.contains(name));
    vague
        .map(|name| (1, format!("`{name}`")))
        .into_iter()
        .collect()
}

fn prologue(source: &Source) -> Findings {
    let opens = source.text.starts_with("//! ");
    (!opens)
        .then(|| (1, "no `//!` line first".to_owned()))
        .into_iter()
        .collect()
}
