//! Text that tenants chose, made fit for a terminal.

/// One line without control characters, whatever was written: those, invisible ones and marks that
/// change the direction of what follows are shown by their number.
pub(super) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\'' | '"' => c.to_string(),
        // Unprintable characters and those that combine with the one before.
        _ => c.escape_debug().to_string(),
    };
    text.chars().map(shown).collect()
}

/// Columns that a terminal gives to printable text.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

/// East Asian wide and fullwidth, and emoji (Unicode TR 11), in blocks: a name in them is rare here
/// and a table that is off by a column does no harm.
fn is_wide(c: char) -> bool {
    matches!(u32::from(c),
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (text, shown) in [
            ("ghcr.io", "ghcr.io"),
            ("it's \"so\"", "it's \"so\""),
            ("/home/j\u{f6}rg/config.json", "/home/j\u{f6}rg/config.json"),
            ("a\x1b[31mb", "a\\u{1b}[31mb"),
            ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{9b}b", "a\\u{9b}b"),
            ("a\u{200b}b", "a\\u{200b}b"),
            ("e\u{301}", "e\\u{301}"),
            ("a\\nb", "a\\\\nb"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        for (text, columns) in [
            ("ghcr.io", 7),
            ("\u{f6}", 1),
            ("\u{4ed3}\u{5e93}", 4),
            ("", 0),
        ] {
            assert_eq!(width(text), columns, "{text}");
        }
    }
}
