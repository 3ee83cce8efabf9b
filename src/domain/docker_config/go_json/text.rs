//! The strings of a JSON text as Go hands them over (`unquoteBytes` in encoding/json/decode.go).

use std::borrow::Cow;

/// A string, and whether it is what was written.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Text<'a> {
    pub(in super::super) text: Cow<'a, str>,
    /// Something was no text (a stray byte, half a surrogate pair) and is U+FFFD now.
    pub(in super::super) is_damaged: bool,
}

impl Text<'_> {
    /// Go finds a field by its name in any case, and by its Unicode folding: U+017F is an `s` and
    /// U+212A a `k` (fold.go). `field` is in lower case.
    pub(in super::super) fn names(&self, field: &str) -> bool {
        let folded = self.text.chars().map(|c| match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            _ => c.to_ascii_lowercase(),
        });
        folded.eq(field.chars())
    }
}

/// What stands between the quotes of a well-formed string.
pub(super) fn unquote(bytes: &[u8]) -> Text<'_> {
    match str::from_utf8(bytes) {
        Ok(text) if !text.contains('\\') => Text {
            text: text.into(),
            is_damaged: false,
        },
        _ => unquote_piecewise(bytes),
    }
}

fn unquote_piecewise(bytes: &[u8]) -> Text<'_> {
    let mut text = String::with_capacity(bytes.len());
    let mut is_damaged = false;
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some((before, escape)) = rest.split_once('\\') {
            let (decoded, after) = unescape(escape);
            text.push_str(before);
            text.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
            is_damaged |= decoded.is_none();
            rest = after;
        }
        text.push_str(rest);
        // One for each byte, not for each run of them.
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
        is_damaged |= !chunk.invalid().is_empty();
    }
    Text {
        text: text.into(),
        is_damaged,
    }
}

/// What an escape stands for, none for half a surrogate pair; and what comes behind it.
fn unescape(escape: &str) -> (Option<char>, &str) {
    let mut behind = escape.chars();
    let decoded = match behind.next() {
        Some('u') => return unescape_unit(behind.as_str()),
        Some('b') => Some('\u{8}'),
        Some('f') => Some('\u{c}'),
        Some('n') => Some('\n'),
        Some('r') => Some('\r'),
        Some('t') => Some('\t'),
        itself => itself,
    };
    (decoded, behind.as_str())
}

fn unescape_unit(text: &str) -> (Option<char>, &str) {
    let Some((first, rest)) = split_unit(text) else {
        return (None, "");
    };
    if let Some(decoded) = char::from_u32(first.into()) {
        return (Some(decoded), rest);
    }
    // A surrogate: the second half is used up only if the two make a pair.
    let second = rest.strip_prefix("\\u").and_then(split_unit);
    if let Some((second, behind)) = second
        && let Some(Ok(decoded)) = char::decode_utf16([first, second]).next()
    {
        return (Some(decoded), behind);
    }
    (None, rest)
}

fn split_unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(inside: &[u8], expected: &str, is_damaged: bool) {
        let expected = Text {
            text: expected.into(),
            is_damaged,
        };
        assert_eq!(unquote(inside), expected);
    }

    #[test]
    fn escapes_are_undone() {
        check(
            br#"a\"\\\/\b\f\n\r\t\u00fC"#,
            "a\"\\/\u{8}\u{c}\n\r\t\u{fc}",
            false,
        );
        check(br"\ud83d\ude00", "\u{1f600}", false);
        check(br"\ufffd\u0000", "\u{fffd}\0", false);
    }

    #[test]
    fn what_is_no_text_becomes_a_replacement_character() {
        check(br"\ud83dx\ude00", "\u{fffd}x\u{fffd}", true);
        check(br"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}", true);
        check(br"\ud83d\n", "\u{fffd}\n", true);
        check(b"a\xe2\x82b", "a\u{fffd}\u{fffd}b", true);
        check(b"\\n\xff\\n", "\n\u{fffd}\n", true);
    }

    #[test]
    fn names_are_found_in_any_case() {
        let names = |text: &'static str, field| unquote(text.as_bytes()).names(field);
        assert!(names("AutHs", "auths") && names("auth\u{17f}", "auths"));
        assert!(names("identityto\u{212a}en", "identitytoken"));
        assert!(!names("auth", "auths") && !names("\u{e4}uths", "auths"));
    }
}
