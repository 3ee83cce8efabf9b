//! Quotas of accounts, as registries told them.

use super::super::html::Html;
use super::time;
use crate::domain::overview::Overview;

const MOST: usize = 100;

pub(super) fn section(html: &mut Html, overview: &Overview) {
    html.raw("<section aria-labelledby=\"quotas\">\n<h2 id=\"quotas\">Quotas</h2>\n");
    if overview.quotas.is_empty() {
        html.raw("<p>No registry in use tells of one.</p>\n</section>\n");
        return;
    }
    html.raw("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"quotas\"><table>\n<thead><tr><th scope=\"col\">Registry</th><th scope=\"col\">Account</th><th scope=\"col\">Left</th><th scope=\"col\">Of</th><th scope=\"col\">In</th><th scope=\"col\">Told</th></tr></thead>\n<tbody>\n");
    for row in overview.quotas.iter().take(MOST) {
        let number = |number: Option<u64>| {
            number.map_or_else(|| "-".to_owned(), |number| number.to_string())
        };
        let quota = &row.told.quota;
        html.raw("<tr><th scope=\"row\">")
            .text(row.registry.as_str())
            .raw("</th><td>");
        html.text(&row.account)
            .raw("</td><td>")
            .words(&number(quota.remaining));
        html.raw("</td><td>")
            .words(&number(quota.limit))
            .raw("</td><td>");
        html.words(row.policy.as_str()).raw("</td><td>");
        time(html, row.told.observed, overview.now);
        html.raw("</td></tr>\n");
    }
    html.raw("</tbody>\n</table></div>\n");
    super::left_out(html, overview.quotas.len().saturating_sub(MOST));
    html.raw("</section>\n");
}
