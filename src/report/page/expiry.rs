//! What expires when, the next first.

use super::super::html::Html;
use super::time;
use crate::domain::overview::Overview;

/// More is no reading at night.
const MOST: usize = 100;

pub(super) fn section(html: &mut Html, overview: &Overview) {
    html.raw("<section aria-labelledby=\"expiry\">\n<h2 id=\"expiry\">What expires</h2>\n");
    if overview.expiring.is_empty() {
        html.raw("<p>No credential in use tells a date.</p>\n</section>\n");
        return;
    }
    html.raw("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"expiry\"><table>\n<thead><tr><th scope=\"col\">Secret</th><th scope=\"col\">Registry</th><th scope=\"col\">Expires</th><th scope=\"col\">Pods</th><th scope=\"col\">Works</th></tr></thead>\n<tbody>\n");
    for row in overview.expiring.iter().take(MOST) {
        html.raw("<tr><th scope=\"row\">");
        html.text(&row.secret)
            .raw("</th><td>")
            .text(row.registry.as_str())
            .raw("</td><td>");
        time(html, row.expires, overview.now);
        html.raw("</td><td>").number(row.pods).raw("</td><td>");
        html.words(match row.works {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not known",
        });
        html.raw("</td></tr>\n");
    }
    html.raw("</tbody>\n</table></div>\n");
    super::left_out(html, overview.expiring.len().saturating_sub(MOST));
    html.raw("</section>\n");
}
