//! `check -o junit`, read by a real XML parser and held to the schema that Jenkins reads with.
//!
//! `check` holds every report of its own to [`read`] as well.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use regcred_exporter::domain::docker_config::FaultSet;
use regcred_exporter::domain::expiry::Expiry;
use regcred_exporter::domain::outcome::Outcome;
use regcred_exporter::domain::rows::Skipped;
use regcred_exporter::domain::shortcoming::{FailOn, Upshot};
use regcred_exporter::report::{About, Answer, Line, Report, junit};
use regcred_stand_ins::api_server::ApiServer;
use regcred_stand_ins::objects;
use roxmltree::{Document, Node};

use super::check::{Config, basic, checked, mixed};

/// One `testcase`: class, name, how it ended (`passed`, or an element and its type), all its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) ending: String,
    pub(crate) text: String,
}

/// An element of the schema.
struct Element {
    name: &'static str,
    /// Attributes that it may have.
    may: &'static [&'static str],
    /// Those that it must have.
    must: &'static [&'static str],
    children: &'static [&'static str],
}

/// The elements of jenkinsci/xunit-plugin, types/model/xsd/junit-10.xsd, of which we write these.
const SCHEMA: &[Element] = &[
    Element {
        name: "testsuites",
        may: &["name", "time", "tests", "failures", "errors"],
        must: &[],
        children: &["testsuite"],
    },
    Element {
        name: "testsuite",
        may: &[
            "name",
            "tests",
            "failures",
            "errors",
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
        ],
        must: &["name", "tests", "failures", "errors"],
        children: &[
            "testsuite",
            "properties",
            "testcase",
            "system-out",
            "system-err",
        ],
    },
    Element {
        name: "testcase",
        may: &["name", "time", "classname", "group"],
        must: &["name"],
        children: &["skipped", "error", "failure", "system-out", "system-err"],
    },
    Element {
        name: "failure",
        may: ENDED,
        must: &[],
        children: &[],
    },
    Element {
        name: "error",
        may: ENDED,
        must: &[],
        children: &[],
    },
    Element {
        name: "skipped",
        may: ENDED,
        must: &[],
        children: &[],
    },
    Element {
        name: "system-out",
        may: &[],
        must: &[],
        children: &[],
    },
];

const ENDED: &[&str] = &["type", "message"];

/// Parses, holds to the schema, and counts anew what was counted.
pub(crate) fn read(xml: &str) -> Vec<Case> {
    let document = Document::parse(xml).unwrap_or_else(|error| panic!("{error}:\n{xml}"));
    let root = document.root_element();
    assert!(root.has_tag_name("testsuites"), "{xml}");
    root.descendants().filter(Node::is_element).for_each(hold);
    let suites = root.children().filter(Node::is_element);
    let all: Vec<Case> = suites
        .flat_map(|suite| {
            let cases: Vec<Case> = children(suite, "testcase").map(case).collect();
            let is_dated = |text: &str| DateTime::parse_from_rfc3339(&format!("{text}Z")).is_ok();
            assert!(suite.attribute("timestamp").is_some_and(is_dated), "{xml}");
            assert_eq!(counted(suite, "skipped"), Some(count(&cases, "skipped")));
            hold_counts(suite, &cases);
            cases
        })
        .collect();
    hold_counts(root, &all);
    let names: BTreeSet<_> = all.iter().map(|case| (&case.class, &case.name)).collect();
    assert_eq!(names.len(), all.len(), "a name is there twice:\n{xml}");
    all
}

fn hold(element: Node) {
    let name = element.tag_name().name();
    let known = SCHEMA.iter().find(|known| known.name == name);
    let known = known.unwrap_or_else(|| panic!("<{name}> is not known"));
    for attribute in element.attributes() {
        assert!(
            known.may.contains(&attribute.name()),
            "{name} {attribute:?}"
        );
    }
    for attribute in known.must {
        assert!(
            element.has_attribute(*attribute),
            "{name} lacks {attribute}"
        );
    }
    for child in element.children() {
        let is_known = known.children.contains(&child.tag_name().name());
        let is_blank = child.text().is_some_and(|text| text.trim().is_empty());
        let may_stand = if child.is_element() {
            is_known
        } else {
            is_blank || known.children.is_empty()
        };
        assert!(may_stand, "{child:?} in {name}");
    }
}

fn hold_counts(element: Node, cases: &[Case]) {
    assert_eq!(counted(element, "tests"), Some(cases.len()));
    assert_eq!(counted(element, "failures"), Some(count(cases, "failure")));
    assert_eq!(counted(element, "errors"), Some(count(cases, "error")));
}

fn counted(element: Node, attribute: &str) -> Option<usize> {
    element.attribute(attribute)?.parse().ok()
}

pub(crate) fn count(cases: &[Case], ending: &str) -> usize {
    let is_so = |case: &&Case| case.ending.split(' ').next() == Some(ending);
    cases.iter().filter(is_so).count()
}

fn children<'a, 'input: 'a>(
    element: Node<'a, 'input>,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    element
        .children()
        .filter(move |child| child.has_tag_name(name))
}

fn case(element: Node) -> Case {
    let endings = ["failure", "error", "skipped"];
    let ended: Vec<Node> = endings
        .into_iter()
        .flat_map(|name| children(element, name))
        .collect();
    assert!(ended.len() <= 1, "one ending: {ended:?}");
    let ending = match ended.first() {
        None => "passed".to_owned(),
        Some(ended) => {
            let text = ended.text().unwrap_or_default();
            let message = ended.attribute("message").unwrap();
            assert_eq!(text.lines().next(), Some(message), "the text says all");
            let kind = ended.attribute("type").unwrap_or_default();
            format!("{} {kind}", ended.tag_name().name())
                .trim_end()
                .to_owned()
        }
    };
    let text = element.descendants().filter(Node::is_text);
    Case {
        class: element.attribute("classname").unwrap().to_owned(),
        name: element.attribute("name").unwrap().to_owned(),
        ending,
        text: text.filter_map(|node| node.text()).collect(),
    }
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn line(source: &str, key: &str, answer: Answer) -> Line {
    Line {
        source: source.to_owned(),
        registry: Some("ghcr.io".to_owned()),
        key: Some(key.to_owned()),
        answer,
        fault: None,
        may_mean: &[],
        faults: FaultSet::default(),
        expiry: Expiry::UNKNOWN,
        refused_manifests: 0,
        anonymous: [].into(),
    }
}

fn report(lines: Vec<Line>) -> Report {
    Report {
        at: at(),
        about: About::Credentials(lines),
        references: Vec::new(),
        poisonous: Vec::new(),
        notes: Vec::new(),
        unreadable: Vec::new(),
        expires_within: None,
    }
}

fn cases(report: &Report) -> Vec<Case> {
    let xml = junit::write(report);
    assert_eq!(xml, junit::write(report));
    read(&xml)
}

fn endings(report: &Report) -> Vec<String> {
    cases(report).into_iter().map(|case| case.ending).collect()
}

#[test]
fn each_answer_has_its_ending() {
    let given = Answer::Given;
    for (answer, ending) in [
        (given(Outcome::Ok), "passed"),
        (Answer::NotNeeded, "passed"),
        (given(Outcome::Unauthorized), "failure refused"),
        (given(Outcome::Expired), "failure refused"),
        (given(Outcome::LockedOut), "failure refused"),
        (given(Outcome::Connection), "error inconclusive"),
        (given(Outcome::Blocked), "error inconclusive"),
        (Answer::Missing, "error inconclusive"),
        (Answer::NoRegistry, "error inconclusive"),
        (Answer::Skipped(Skipped::Budget), "error inconclusive"),
        (Answer::Skipped(Skipped::Policy), "skipped"),
        (Answer::Skipped(Skipped::Ignored), "skipped"),
        (Answer::Skipped(Skipped::NotReferenced), "skipped"),
        (Answer::NotAsked, "skipped"),
    ] {
        let report = report(vec![line("shop/a", "ghcr.io", answer)]);
        assert_eq!(endings(&report), [ending], "{answer:?}");
    }
}

#[test]
fn a_date_that_comes_fails_where_somebody_asks_for_it() {
    let with = |left: TimeDelta, answer: Answer| Line {
        expiry: Expiry {
            expires: Some(at() + left),
            ..Expiry::UNKNOWN
        },
        ..line("shop/a", "ghcr.io", answer)
    };
    let (ok, silent) = (Answer::Given(Outcome::Ok), Answer::Missing);
    for (days, answer, ending, upshot) in [
        (13, ok, "failure expires", Upshot::Broken),
        (14, Answer::NotAsked, "failure expires", Upshot::Broken),
        (15, ok, "passed", Upshot::Works),
        (15, silent, "error inconclusive", Upshot::Unclear),
        (13, silent, "failure expires", Upshot::Broken),
        (-1, Answer::NotAsked, "failure expires", Upshot::Broken),
        // The login works: the date is wrong.
        (-1, ok, "passed", Upshot::Works),
    ] {
        let mut report = report(vec![with(TimeDelta::days(days), answer)]);
        let fail_on = FailOn::nothing().with_expiry(TimeDelta::days(14));
        report.expires_within = fail_on.expires_within();
        assert_eq!(endings(&report), [ending], "{days} {answer:?}");
        assert_eq!(report.upshot(&fail_on), upshot, "{days} {answer:?}");
        report.expires_within = None;
        let is_told = endings(&report) == ["failure expires"];
        assert!(!is_told, "nobody asked");
    }
}

#[test]
fn nothing_found_is_a_valid_report() {
    assert_eq!(cases(&report(Vec::new())), []);
}

/// Everything that a name can hold, and everything that XML cannot.
#[test]
fn whatever_tenants_write_is_read_as_text() {
    let hostile: String = (0..0x1_0000)
        .filter_map(char::from_u32)
        .chain("\u{1f511}]]><!--<![CDATA[&lt;&#0;\"'".chars())
        .collect();
    let mut report = report(vec![line(&hostile, &hostile, Answer::Given(Outcome::Ok))]);
    report.unreadable = vec![hostile.clone()];
    report.notes = vec![hostile];
    let cases = cases(&report);
    assert_eq!(cases.len(), 2);
    for text in [&cases[0].class, &cases[0].name, &cases[1].text] {
        assert!(text.contains("]]><!--<![CDATA[&lt;&#0;\"'"), "{text}");
        assert!(text.contains("\\0\\u{1}") && text.contains("\\u{ffff}"));
        assert!(text.chars().all(|c| !c.is_control()));
    }
}

#[test]
fn no_name_is_there_twice() {
    let ok = Answer::Given(Outcome::Ok);
    let twice = || line("shop/a", "ghcr.io", ok);
    let cases = cases(&report(vec![
        twice(),
        twice(),
        line("shop/b", "ghcr.io", ok),
    ]));
    let names: Vec<(&str, &str)> = cases
        .iter()
        .map(|case| (&*case.class, &*case.name))
        .collect();
    assert_eq!(
        names,
        [
            ("shop/a", "ghcr.io"),
            ("shop/a", "ghcr.io (2)"),
            ("shop/b", "ghcr.io")
        ]
    );
}

#[tokio::test]
async fn one_good_one_wrong_one_expired_one_malformed() {
    let (registry, config) = mixed().await;
    let report = checked(&format!("--docker-config {}", config.source())).await;
    let (host, file) = (registry.host(), config.source());
    let cases = cases(&report);
    let told: Vec<(&str, String, &str)> = cases
        .iter()
        .map(|case| (&*case.class, case.name.clone(), &*case.ending))
        .collect();
    let at = |key: &str| format!("{host}/{key} at {host}");
    assert_eq!(
        told,
        [
            (file, at("good"), "passed"),
            (file, at("wrong"), "failure refused"),
            (file, at("expired"), "failure refused"),
            (file, "ghcr.io".to_owned(), "failure fault"),
        ]
    );
    for (case, words) in [
        (1, "unauthorized\n"),
        (
            1,
            "refuses alike a wrong password and a credential that has expired",
        ),
        (2, "expires 2 h ago (2025-09-06T08:28:19Z, ecr)"),
        (3, "auth_placeholder\n"),
        (3, "Render the template, then create the Secret again."),
    ] {
        assert!(cases[case].text.contains(words), "{}", cases[case].text);
    }
}

#[tokio::test]
async fn a_candidate_fails_only_where_the_image_does() {
    let (registry, _) = mixed().await;
    let host = registry.host();
    let good = basic("good", "c4n4ry-pa55word");
    let wrong = basic("wrong", "guess");
    let check = async |keys: &[(&str, &str)], image: &str, expected: &[(&str, &str)]| {
        let keys: Vec<(String, &str)> = keys
            .iter()
            .map(|(path, auth)| (format!("{host}{path}"), *auth))
            .collect();
        let keys: Vec<(&str, &str)> = keys.iter().map(|(key, auth)| (&**key, *auth)).collect();
        let config = Config::with(&keys);
        let line = format!("--docker-config {} --image {host}/{image}", config.source());
        let report = checked(&line).await;
        let cases = cases(&report);
        let told: Vec<(String, &str)> = cases
            .iter()
            .map(|case| (case.name.replace(config.source(), "FILE"), &*case.ending))
            .collect();
        let expected: Vec<(String, &str)> = expected
            .iter()
            .map(|(name, ending)| (name.replace("HOST", host), *ending))
            .collect();
        assert_eq!(told, expected, "{image}");
        assert!(
            cases
                .iter()
                .all(|case| case.class == format!("{host}/{image}"))
        );
        cases
    };
    let both = [("/org", &*wrong), ("", &*good)];
    let cases = check(
        &both,
        "org/app:1.0",
        &[("FILE HOST/org", "skipped"), ("FILE HOST", "passed")],
    )
    .await;
    assert!(cases[0].text.contains("unauthorized\nThe kubelet goes on"));
    check(
        &[("", &*wrong)],
        "org/app:1.0",
        &[("FILE HOST", "failure refused")],
    )
    .await;
    let cases = check(
        &[("/other", &*good)],
        "org/app:1.0",
        &[("no candidate", "failure no-candidate")],
    )
    .await;
    assert!(
        cases[0].text.contains("nearly matches (path_prefix)"),
        "{cases:?}"
    );
    registry.stop().await;
    check(
        &[("", &*good)],
        "org/app:1.0",
        &[("FILE HOST", "error inconclusive")],
    )
    .await;
}

#[tokio::test]
async fn what_is_missing_fails_and_what_was_not_read_is_an_error() {
    let api = ApiServer::start().await;
    api.apply(objects::namespace("shop"));
    api.apply(objects::service_account("shop", "default", &["gone"]));
    let kubeconfig = Config::of(&api.kubeconfig());
    let report = checked(&format!("-n shop --kubeconfig {}", kubeconfig.source())).await;
    let told = cases(&report);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (&*told[0].class, &*told[0].name, &*told[0].ending),
        ("shop", "ServiceAccount lists gone", "failure missing")
    );

    let report = checked("--docker-config /nowhere").await;
    let told = cases(&report);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].ending, "error unreadable");
    assert!(told[0].name.starts_with("failed to read `/nowhere`"));
}
