//! The status page: what is blocked and why, what is at risk, what expires, what cannot be seen.
//!
//! HTML without script, for a phone at night and for a screen reader. Tenants choose most of the
//! words on it: nothing of theirs is ever markup.

mod expiry;
mod finding;
mod quotas;
mod sight;

use chrono::{DateTime, Utc};

use super::html::Html;
use super::words::{absolute, relative};
use crate::domain::cause::Cause;
use crate::domain::findings::Explained;
use crate::domain::overview::{Filter, Overview};
use finding::Shows;

/// The page's style, which is served beside it.
pub const STYLE: &str = include_str!("page/style.css");

/// Where the style is.
pub const STYLE_PATH: &str = "/style.css";

/// Where something is asked for, by POST.
pub const DEMAND_PATH: &str = "/api/v1/probes";

/// The whole page.
pub fn write(overview: &Overview, filter: &Filter) -> String {
    let mut html = Html::default();
    head(&mut html);
    banner(&mut html, overview);
    form(&mut html, filter);
    html.raw("<main id=\"main\">\n");
    findings(&mut html, "blocked", "Blocked now", &overview.blocked);
    left_out(&mut html, overview.blocked_left_out);
    findings(&mut html, "at-risk", "At risk", &overview.at_risk);
    left_out(&mut html, overview.at_risk_left_out);
    expiry::section(&mut html, overview);
    quotas::section(&mut html, overview);
    sight::section(&mut html, overview);
    html.raw("</main>\n<footer><p>");
    html.words(concat!(
        "regcred-exporter ",
        env!("CARGO_PKG_VERSION"),
        " · "
    ));
    html.raw("<a href=\"/api/v1/findings\">the same as JSON</a> · <a href=\"/debug/probes\">recent probes</a></p></footer>\n</body>\n</html>\n");
    html.finish()
}

fn head(html: &mut Html) {
    html.raw(
        "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"color-scheme\" content=\"light dark\">
<title>Image pulls</title>
<link rel=\"stylesheet\" href=\"/style.css\">
<link rel=\"icon\" href=\"data:,\">
</head>
<body>
<a class=\"skip\" href=\"#main\">To the findings</a>
",
    );
}

fn banner(html: &mut Html, overview: &Overview) {
    html.raw("<header>\n<h1>Image pulls</h1>\n<p class=\"sum\">");
    let parts = [
        (
            overview.pods_blocked,
            "blocked",
            "Pod blocked",
            "Pods blocked",
        ),
        (overview.pods_at_risk, "risk", "Pod at risk", "Pods at risk"),
        (
            overview.expired,
            "expired",
            "credential expired or refused",
            "credentials expired or refused",
        ),
    ];
    for (number, class, one, many) in parts {
        html.raw("<span")
            .attribute("class", if number > 0 { class } else { "none" })
            .raw("><b>");
        html.number(number)
            .raw("</b> ")
            .words(if number == 1 { one } else { many })
            .raw("</span> ");
    }
    html.raw("</p>\n<p class=\"when\">As of ");
    time(html, overview.now, overview.now);
    html.raw("</p>\n</header>\n");
}

fn form(html: &mut Html, filter: &Filter) {
    html.raw("<form method=\"get\" action=\"/\" role=\"search\" aria-label=\"Findings\">\n");
    for (name, label, value) in [
        ("namespace", "Namespace", &filter.namespace),
        ("registry", "Registry", &filter.registry),
    ] {
        html.raw("<label>")
            .words(label)
            .raw(" <input")
            .attribute("name", name);
        html.attribute("value", value.as_deref().unwrap_or_default());
        html.raw(" autocomplete=\"off\" spellcheck=\"false\"></label>\n");
    }
    html.raw("<label>Cause <select name=\"cause\"><option value=\"\">any</option>");
    for cause in Cause::ALL {
        html.raw("<option").attribute("value", cause.as_str());
        if filter.cause == Some(*cause) {
            html.raw(" selected");
        }
        html.raw(">").words(cause.as_str()).raw("</option>");
    }
    html.raw("</select></label>\n<button type=\"submit\">Show</button>");
    if filter.is_some() {
        html.raw(" <a href=\"/\">all</a>");
    }
    html.raw("\n</form>\n");
}

/// So few findings are shown whole, without a click.
const FEW: usize = 5;

fn findings(html: &mut Html, id: &'static str, title: &'static str, found: &[Explained]) {
    let shows = if found.len() <= FEW {
        Shows::Whole
    } else {
        Shows::Closed
    };
    html.raw("<section")
        .attribute("aria-labelledby", id)
        .raw(">\n<h2")
        .attribute("id", id);
    html.raw(">").words(title).raw("</h2>\n");
    if found.is_empty() {
        html.raw("<p class=\"good\">None.</p>\n");
    }
    for of_cause in found.chunk_by(|a, b| cause(a) == cause(b)) {
        let Some(first) = of_cause.first() else {
            continue;
        };
        finding::of_cause(html, cause(first), of_cause, shows);
    }
    html.raw("</section>\n");
}

fn cause(one: &Explained) -> Cause {
    one.finding.diagnosis.cause
}

fn left_out(html: &mut Html, number: usize) {
    if number > 0 {
        html.raw("<p class=\"note\">").number(number as u64);
        html.raw(" more are left out here: choose a namespace, a cause or a registry.</p>\n");
    }
}

/// Relative, and the whole date for who hovers and for machines.
fn time(html: &mut Html, at: DateTime<Utc>, now: DateTime<Utc>) {
    let whole = absolute(at);
    html.raw("<time")
        .attribute("datetime", &whole)
        .raw(">")
        .words(&whole)
        .raw("</time>");
    if at != now {
        html.raw(" <span class=\"dim\">(")
            .words(&relative(at - now))
            .raw(")</span>");
    }
}
