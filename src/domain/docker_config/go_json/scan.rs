//! Whether a text is JSON for Go (encoding/json/scanner.go), and where it stops being so.

/// `maxNestingDepth`.
const DEEPEST: usize = 10_000;

/// The text is no JSON for Go; what it chokes on is at this byte.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Malformed {
    pub(in super::super) offset: usize,
}

/// The one value of the text, without the blanks around it.
pub(super) fn document(bytes: &[u8]) -> Result<&[u8], Malformed> {
    let mut scanner = Scanner {
        bytes,
        at: 0,
        open: Vec::new(),
    };
    scanner.document().ok_or(Malformed { offset: scanner.at })
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Each step answers `None` at the first byte that cannot be there.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What closes the arrays and objects that are open.
    open: Vec<u8>,
}

impl<'a> Scanner<'a> {
    fn document(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        let start = self.at;
        loop {
            self.value()?;
            if !self.more()? {
                break;
            }
        }
        let value = &self.bytes[start..self.at];
        self.skip_blanks();
        (self.at == self.bytes.len()).then_some(value)
    }

    /// A whole literal or an empty container; opens others up to where a literal begins.
    fn value(&mut self) -> Option<()> {
        loop {
            self.skip_blanks();
            let close = match self.peek()? {
                b'"' => return self.string(),
                b'-' | b'0'..=b'9' => return self.number(),
                b't' => return self.word(b"true"),
                b'f' => return self.word(b"false"),
                b'n' => return self.word(b"null"),
                b'{' => b'}',
                b'[' => b']',
                _ => return None,
            };
            if self.open.len() == DEEPEST {
                return None;
            }
            self.at += 1;
            self.skip_blanks();
            if self.take(|b| b == close) {
                return Some(());
            }
            self.open.push(close);
            if close == b'}' {
                self.name()?;
            }
        }
    }

    /// Behind a value: closes what ends here and says whether another value must follow.
    fn more(&mut self) -> Option<bool> {
        while let Some(close) = self.open.last().copied() {
            self.skip_blanks();
            if self.take(|b| b == close) {
                self.open.pop();
                continue;
            }
            self.word(b",")?;
            if close == b'}' {
                self.name()?;
            }
            return Some(true);
        }
        Some(false)
    }

    fn name(&mut self) -> Option<()> {
        self.skip_blanks();
        self.peek().filter(|b| *b == b'"')?;
        self.string()?;
        self.skip_blanks();
        self.word(b":")
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek().filter(|b| *b >= b' ')? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.escape()?,
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        self.at += 1;
        if self.take(|b| b == b'u') {
            for _ in 0..4 {
                self.peek().filter(u8::is_ascii_hexdigit)?;
                self.at += 1;
            }
            return Some(());
        }
        self.take(|b| b"\"\\/bfnrt".contains(&b)).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.take(|b| b == b'-');
        if !self.take(|b| b == b'0') {
            self.digits()?;
        }
        if self.take(|b| b == b'.') {
            self.digits()?;
        }
        if self.take(|b| matches!(b, b'e' | b'E')) {
            self.take(|b| matches!(b, b'+' | b'-'));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        self.peek().filter(u8::is_ascii_digit)?;
        while self.take(|b| b.is_ascii_digit()) {}
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        for byte in word {
            self.peek().filter(|found| found == byte)?;
            self.at += 1;
        }
        Some(())
    }

    fn skip_blanks(&mut self) {
        while self.take(is_blank) {}
    }

    fn take(&mut self, is_wanted: impl Fn(u8) -> bool) -> bool {
        let is_there = self.peek().is_some_and(is_wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Result<&str, usize>) {
        let expected = expected
            .map(str::as_bytes)
            .map_err(|offset| Malformed { offset });
        assert_eq!(document(json.as_bytes()), expected, "{json}");
    }

    #[test]
    fn blanks_around_the_value_are_left_out() {
        check(" {\"a\" : [ 1 , {} ] }\r\n\t", Ok("{\"a\" : [ 1 , {} ] }"));
        check("-0.1e+5 ", Ok("-0.1e+5"));
    }

    #[test]
    fn what_go_refuses_is_refused_at_its_place() {
        check("", Err(0));
        check("{", Err(1));
        check("{} x", Err(3));
        check("{}\0", Err(2));
        check(r#"{"a":1,}"#, Err(7));
        check("[1,]", Err(3));
        check("{'a':1}", Err(1));
        check("01", Err(1));
        check("1.", Err(2));
        check("-", Err(1));
        check("\"a\nb\"", Err(2));
        check(r#""\x""#, Err(2));
        check(r#""\u12g4""#, Err(5));
        check("\u{feff}{}", Err(0));
        check("nul", Err(3));
    }

    #[test]
    fn ten_thousand_levels_are_the_limit() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(document(nested(10_000).as_bytes()).is_ok());
        check(&nested(10_001), Err(10_000));
        check(&r#"{"a":"#.repeat(1_000_000), Err(50_000));
    }
}
