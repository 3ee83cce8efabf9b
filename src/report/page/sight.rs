//! What the exporter cannot see, and why; when it looked last.

use super::super::html::Html;
use super::time;
use crate::domain::overview::Overview;

const MOST: usize = 100;

pub(super) fn section(html: &mut Html, overview: &Overview) {
    html.raw("<section aria-labelledby=\"sight\">\n<h2 id=\"sight\">What cannot be seen</h2>\n");
    if overview.unseen.is_empty() {
        html.raw("<p class=\"good\">Nothing: every watch is open, and every registry in use answers.</p>\n");
    } else {
        html.raw("<ul>\n");
        for line in overview.unseen.iter().take(MOST) {
            html.raw("<li>").text(line).raw("</li>\n");
        }
        html.raw("</ul>\n");
        super::left_out(html, overview.unseen.len().saturating_sub(MOST));
    }
    html.raw("<p>");
    match overview.last_probe {
        Some(at) => {
            html.raw("The newest answer of a registry is of ");
            time(html, at, overview.now);
            html.raw(".");
        }
        None => {
            html.raw("No registry has been asked yet.");
        }
    }
    if let Some(at) = overview.next_probe {
        html.raw(" The next login is due at ");
        time(html, at, overview.now);
        html.raw(".");
    }
    html.raw("</p>\n</section>\n");
}
