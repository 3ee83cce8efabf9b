//! Takes one message out of the strings that it was quoted into.
//!
//! The kubelet's log, its sync errors and other people's JSON quote a message in a message:
//! `\"`, `\\\"`, `\n` and `\u003c` are then characters of the inner one. A Windows path keeps its
//! backslashes.

use std::borrow::Cow;

/// The text with quotes and line breaks as they were before anybody escaped them.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut plain = String::with_capacity(text.len());
    let mut copied = 0;
    let mut is_in_drive = false;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            is_in_drive &= !bytes[at].is_ascii_whitespace();
            at += 1;
            continue;
        }
        let run = at;
        while bytes.get(at) == Some(&b'\\') {
            at += 1;
        }
        is_in_drive |= bytes[..run].last() == Some(&b':');
        let (meant, length) = match bytes.get(at) {
            Some(b'"') => (Some('"'), 1),
            Some(b'n' | b'r' | b't') if !is_in_drive => (Some('\n'), 1),
            Some(b'u') => (ascii(text.get(at + 1..at + 5)), 5),
            _ => (None, 0),
        };
        if let Some(meant) = meant {
            plain.push_str(&text[copied..run]);
            plain.push(meant);
            at += length;
            copied = at;
        }
    }
    plain.push_str(&text[copied..]);
    Cow::Owned(plain)
}

/// Go's JSON writes `<`, `>` and `&` as `\u003c` and the like.
fn ascii(hex: Option<&str>) -> Option<char> {
    let code = u8::from_str_radix(hex?, 16).ok()?;
    code.is_ascii_graphic().then_some(char::from(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_line_breaks_come_back_and_paths_stay() {
        for (escaped, plain) in [
            (r#"no escapes "here""#, r#"no escapes "here""#),
            (r#"image \"a/b:1\": denied\n"#, "image \"a/b:1\": denied\n"),
            (r#"image \\\"a/b:1\\\" \\n."#, "image \"a/b:1\" \n."),
            (
                r"open C:\ProgramData\new\tar: full\n",
                "open C:\\ProgramData\\new\\tar: full\n",
            ),
            (r"ends in \", r"ends in \"),
            (r"'\u003c' \\u0026 \u00", r"'<' & \u00"),
            (r"a \x15\x03 b", r"a \x15\x03 b"),
        ] {
            assert_eq!(unescape(escaped), plain);
        }
    }
}
