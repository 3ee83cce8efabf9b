//! Text that XML 1.0 can hold, whatever somebody wrote.

/// Fit for an attribute in double quotes and for the text of an element alike.
///
/// XML has no way to write most control characters, not even by their number
/// (W3C XML 1.0, fifth edition, 2.2 `Char`): those are shown as Rust writes them, `\u{1b}`. Line
/// ends and tabs are written by their number, since a parser makes blanks of them in an attribute
/// (3.3.3) and one line end of two (2.11).
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            // `]]>` must not stand in text (2.4).
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", u32::from(c))),
            _ if is_char(c) => escaped.push(c),
            _ => escaped.extend(c.escape_unicode()),
        }
    }
    escaped
}

/// `Char` of XML 1.0, and of those no control characters of Latin-1, which it discourages.
fn is_char(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_a_form_that_xml_can_hold() {
        for (text, expected) in [
            ("ghcr.io/org", "ghcr.io/org"),
            ("a<b>&\"c\"'d'", "a&lt;b&gt;&amp;&quot;c&quot;'d'"),
            ("]]>", "]]&gt;"),
            ("a\tb\r\nc", "a&#9;b&#13;&#10;c"),
            (
                "\0\u{1b}[31m\u{7f}\u{9b}",
                "\\u{0}\\u{1b}[31m\\u{7f}\\u{9b}",
            ),
            ("\u{fffe}\u{ffff}\u{fffd}", "\\u{fffe}\\u{ffff}\u{fffd}"),
            ("\u{f6}\u{1f511}", "\u{f6}\u{1f511}"),
        ] {
            assert_eq!(escaped(text), expected, "{text:?}");
        }
    }
}
