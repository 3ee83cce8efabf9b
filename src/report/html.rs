//! HTML, written so that no text can become markup.
//!
//! [`Html::text`] and [`Html::attribute`] are the only ways in for what somebody chose: both make it
//! printable and escape it. Markup comes from literals of this crate alone.

use std::fmt::Write as _;

use super::printable::printable;

/// No line of a reader's is longer; what a tenant wrote may be.
const LONGEST: usize = 2_000;

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup of ours.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text of anybody's, set apart so that a name written from right to left moves nothing beside it.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.raw("<bdi>");
        self.escaped(&shortened(text));
        self.raw("</bdi>")
    }

    /// Text of ours, perhaps with numbers in it.
    pub(super) fn words(&mut self, text: &str) -> &mut Self {
        self.escaped(text);
        self
    }

    /// An attribute with a value of anybody's; a blank before it.
    pub(super) fn attribute(&mut self, name: &'static str, value: &str) -> &mut Self {
        let _ = write!(self.0, " {name}=\"");
        self.escaped(&shortened(value));
        self.raw("\"")
    }

    /// A number.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        let _ = write!(self.0, "{number}");
        self
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn escaped(&mut self, text: &str) {
        for c in printable(text).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                _ => self.0.push(c),
            }
        }
    }
}

fn shortened(text: &str) -> String {
    match text.len() > LONGEST {
        true => format!("{} ...", &text[..text.floor_char_boundary(LONGEST)]),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_somebody_wrote_is_markup() {
        let mut html = Html::default();
        html.raw("<p").attribute("title", "\" onload='x'").raw(">");
        html.text("</p><script>a && b\u{202e}\u{0}\n</script>")
            .raw("</p>");
        let text = html.finish();
        assert_eq!(
            text,
            "<p title=\"&quot; onload=&#39;x&#39;\"><bdi>&lt;/p&gt;&lt;script&gt;a &amp;&amp; b\\u{202e}\\0\\n&lt;/script&gt;</bdi></p>"
        );
    }

    #[test]
    fn what_is_long_is_cut_between_letters() {
        let mut html = Html::default();
        html.text(&"é".repeat(40_000));
        let text = html.finish();
        assert!(text.len() < LONGEST + 40 && text.ends_with(" ...</bdi>"));
    }
}
