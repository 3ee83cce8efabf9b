//! Findings of one cause, each workload once, with evidence and fix.

use super::super::html::Html;
use super::DEMAND_PATH;
use crate::domain::cause::Cause;
use crate::domain::diagnosis::Detail;
use crate::domain::finding_groups::{Group, grouped};
use crate::domain::findings::{Explained, Finding, State};
use crate::domain::fix::Step;

/// Where the pages of causes are.
const CAUSES: &str = "https://github.com/regcred-exporter/regcred-exporter/blob/main/docs/causes/";

/// How much of a finding is shown before a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// All of it.
    Whole,
    /// Its first line.
    Closed,
}

pub(super) fn of_cause(html: &mut Html, cause: Cause, found: &[Explained], shows: Shows) {
    let page = format!("{CAUSES}{}.md", cause.as_str());
    html.raw("<section class=\"cause\">\n<h3><a")
        .attribute("href", &page)
        .raw(">");
    html.words(cause.as_str())
        .raw("</a> <span class=\"count\">");
    html.number(found.len() as u64).raw("</span></h3>\n<p>");
    html.words(cause.explanation()).raw("</p>\n");
    for group in grouped(found) {
        of_group(html, &group, shows);
    }
    html.raw("</section>\n");
}

fn of_group(html: &mut Html, group: &Group<'_>, shows: Shows) {
    let one = group.first;
    let finding = &one.finding;
    html.raw(match shows {
        Shows::Whole => "<details open>\n",
        Shows::Closed => "<details>\n",
    });
    html.raw("<summary><span class=\"who\">");
    html.text(&finding.namespace).raw("/");
    let is_bare = &*finding.workload.kind == "Pod";
    html.text(if is_bare {
        &finding.pod
    } else {
        &finding.workload.name
    })
    .raw("</span> ");
    if !is_bare {
        html.raw("<span class=\"dim\">")
            .text(&finding.workload.kind)
            .raw(", ");
        html.number(group.others as u64 + 1);
        html.words(if group.others == 0 { " Pod" } else { " Pods" })
            .raw("</span> ");
    }
    if let Some(detail) = finding.diagnosis.detail {
        html.raw("<span class=\"tag\">")
            .words(Detail::as_str(detail))
            .raw("</span> ");
    }
    html.raw("<span class=\"image\">")
        .text(&finding.image)
        .raw("</span></summary>\n");
    facts(html, one);
    html.raw("<h4>What was found</h4>\n<ul>\n");
    for line in &one.evidence {
        html.raw("<li>").text(line).raw("</li>\n");
    }
    html.raw("</ul>\n<h4>What to do</h4>\n<ol>\n");
    for step in &one.fix {
        of_step(html, step);
    }
    html.raw("</ol>\n");
    demand(html, finding);
    html.raw("</details>\n");
}

/// A button that has the login asked again, where it is a login: who has mended it at the registry
/// changes nothing here that would tell. Each try of an account that is locked prolongs the lock.
fn demand(html: &mut Html, finding: &Finding) {
    let diagnosis = &finding.diagnosis;
    let Some(secret) = &diagnosis.secret else {
        return;
    };
    let is_answered = matches!(
        diagnosis.cause,
        Cause::ExpiredCredentials
            | Cause::InvalidCredentials
            | Cause::MalformedSecret
            | Cause::PermissionDenied
            | Cause::DeniedOrAbsent
    );
    if is_answered {
        let query = encoded(&secret.to_string());
        let action = format!("{DEMAND_PATH}?secret={query}");
        html.raw("<form method=\"post\"")
            .attribute("action", &action);
        html.raw("><button type=\"submit\">Ask the registry again</button></form>\n");
    }
}

/// As a query has it.
fn encoded(text: &str) -> String {
    let bytes = text.bytes();
    bytes.fold(String::new(), |mut query, byte| {
        match byte.is_ascii_alphanumeric() {
            true => query.push(char::from(byte)),
            false => query.push_str(&format!("%{byte:02x}")),
        }
        query
    })
}

fn facts(html: &mut Html, one: &Explained) {
    let finding = &one.finding;
    let secret = finding.diagnosis.secret.as_ref().map(ToString::to_string);
    let answered = one.answered_by.as_ref().map(ToString::to_string);
    let anybody = finding
        .anonymous_would_work
        .map(|works| if works { "yes" } else { "no" });
    html.raw("<dl>\n");
    for (name, value) in [
        ("Pod", Some(&*finding.pod)),
        (
            "Container",
            Some(&*finding.container).filter(|name| !name.is_empty()),
        ),
        ("Node", finding.node.as_deref()),
        ("ServiceAccount", Some(&*finding.service_account)),
        ("Secret", secret.as_deref()),
        ("Written by", one.owner.as_deref()),
        (
            "Answered by",
            answered
                .as_deref()
                .filter(|_| finding.state == State::Blocked),
        ),
        ("Public", anybody),
    ] {
        if let Some(value) = value {
            html.raw("<div><dt>")
                .words(name)
                .raw("</dt><dd>")
                .text(value)
                .raw("</dd></div>\n");
        }
    }
    html.raw("</dl>\n");
}

fn of_step(html: &mut Html, step: &Step) {
    html.raw("<li>").text(&step.text);
    if let Some(command) = &step.command {
        html.raw("\n<pre tabindex=\"0\"><code>")
            .text(command)
            .raw("</code></pre>");
    }
    html.raw("</li>\n");
}
