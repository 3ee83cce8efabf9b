//! The house rules that a compiler does not check, read off the source text.
//!
//! Each rule has at least one file in `architecture/bad/`, named after it, that it must catch: a
//! rule that catches nothing fails. A rule that is in the way is changed here, with its reason, and
//! in docs/ARCHITECTURE.md.

#![expect(clippy::unwrap_used, reason = "also the helpers of a test are tests")]

#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use rules::{MAY_USE, RULES, Rule};
use source::Source;

/// `path:line: what (rule): why`, for each finding.
fn complaints(rules: &[Rule], source: &Source) -> Vec<String> {
    let found = rules.iter().flat_map(|rule| {
        let findings = (rule.find)(source).into_iter();
        findings.map(move |(line, what)| {
            format!(
                "{}:{line}: {what} ({}): {}",
                source.path, rule.name, rule.why
            )
        })
    });
    found.collect()
}

#[test]
fn the_source_keeps_the_rules() {
    let all: Vec<String> = source::below("src")
        .iter()
        .flat_map(|source| complaints(RULES, source))
        .collect();
    assert!(
        all.is_empty(),
        "{} complaints\n{}",
        all.len(),
        all.join("\n")
    );
}

/// The stand-ins are a crate of their own that knows nothing of ours.
#[test]
fn the_stand_ins_know_nothing_of_the_product() {
    for source in source::below("tests/stand-ins") {
        let ours = source
            .paths()
            .into_iter()
            .find(|named| named.path.starts_with("regcred_exporter"));
        assert_eq!(ours, None, "{}", source.path);
        assert!(
            source.text.starts_with("//! "),
            "{} opens without `//!`",
            source.path
        );
    }
}

#[test]
fn every_module_has_a_row_and_every_row_a_module() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let modules: BTreeSet<String> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .filter(|name| name != "lib")
        .collect();
    let rows = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(modules, rows);
}

/// The first line of a bad example is the path at which it is read.
#[test]
fn every_rule_catches_its_bad_examples_and_nothing_else_in_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/architecture/bad");
    let mut caught = BTreeSet::new();
    for file in source::files(&folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let path = first.strip_prefix("// ").expect("the first line is a path");
        let found = complaints(RULES, &Source::new(path, rest));
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let rule = RULES
            .iter()
            .find(|rule| stem == rule.name || stem.starts_with(&format!("{}--", rule.name)))
            .unwrap_or_else(|| panic!("{stem} is named after no rule"));
        let expected = rest.matches("// caught").count().max(1);
        let own = format!("({})", rule.name);
        assert_eq!(found.len(), expected, "{stem}: {found:#?}");
        assert!(
            found.iter().all(|complaint| complaint.contains(&own)),
            "{stem}: {found:#?}"
        );
        caught.insert(rule.name);
    }
    for rule in RULES {
        assert!(
            caught.contains(rule.name),
            "`{}` has no file in tests/architecture/bad",
            rule.name
        );
    }
}

#[test]
fn comments_literals_and_test_code_are_not_read() {
    let source = Source::new(
        "src/web.rs",
        r##"//! crate::registry::a
/* crate::registry::b /* nested */ */
const A: &str = "crate::registry::c\" still";
const B: &str = r#"crate::registry::d"#;
const C: char = '"';
fn f<'a>(x: &'a str) -> char { '\'' }
#[cfg(test)]
mod tests {
    use crate::registry::e;
}
use crate::state::Shared;
"##,
    );
    let paths: Vec<_> = source
        .paths()
        .into_iter()
        .map(|named| (named.line, named.path))
        .collect();
    assert_eq!(paths, [(11, "crate::state::Shared".to_owned())]);
}

#[test]
fn use_trees_are_taken_apart_and_relative_paths_resolved() {
    let source = Source::new(
        "src/domain/cluster/claims.rs",
        "use crate::{domain::image::{self, Registry as R}, state::*};\nuse super::super::name;\nuse super::*;\nfn f() { self::g::<u8>(super::Named::new()) }\n",
    );
    let paths: Vec<_> = source.paths().into_iter().map(|named| named.path).collect();
    assert_eq!(
        paths,
        [
            "crate::domain::image",
            "crate::domain::image::Registry",
            "crate::state",
            "crate::domain::name",
            "crate::domain::cluster",
            "crate::domain::cluster::claims::g",
            "crate::domain::cluster::Named::new",
        ]
    );
}
