//! JSON as Go's encoding/json reads it, over bytes, without recursion.
//!
//! serde_json will not do: it refuses lone surrogates, bytes that are not UTF-8 and a second
//! `auths`, and tells names apart by case, where Go takes all of these. As in Go there are two
//! passes: [`check`] proves the whole text well-formed, so that reading a [`Value`] cannot fail.

mod scan;
mod text;

pub(super) use scan::Malformed;
pub(super) use text::Text;

/// The one value of a well-formed text.
pub(super) fn check(bytes: &[u8]) -> Result<Value<'_>, Malformed> {
    scan::document(bytes).map(Value)
}

/// One well-formed value, without blanks around it.
#[derive(Clone, Copy)]
pub(super) struct Value<'a>(&'a [u8]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Array,
    Null,
    Object,
    Scalar,
    String,
}

impl<'a> Value<'a> {
    pub(super) fn kind(self) -> Kind {
        match self.0.first() {
            Some(b'[') => Kind::Array,
            Some(b'n') => Kind::Null,
            Some(b'{') => Kind::Object,
            Some(b'"') => Kind::String,
            _ => Kind::Scalar,
        }
    }

    /// The content of a string.
    pub(super) fn text(self) -> Option<Text<'a>> {
        let inside = self.0.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        Some(text::unquote(inside))
    }

    /// The members of an object, as often and in the order they stand there; none of another value.
    pub(super) fn members(self) -> Members<'a> {
        Members(self.0.strip_prefix(b"{").unwrap_or_default())
    }

    /// Its size in bytes, as it stands there.
    pub(super) fn size(self) -> usize {
        self.0.len()
    }
}

/// What is still to read of an object.
pub(super) struct Members<'a>(&'a [u8]);

impl<'a> Members<'a> {
    fn value(&mut self) -> Option<Value<'a>> {
        let is_between = |b: &u8| scan::is_blank(*b) || matches!(b, b',' | b':');
        let start = self.0.iter().position(|b| !is_between(b))?;
        let rest = &self.0[start..];
        let (value, rest) = rest.split_at(length(rest));
        self.0 = rest;
        Some(Value(value))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Text<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        // What ends the object is no text.
        let name = self.value()?.text()?;
        Some((name, self.value()?))
    }
}

/// The length of the well-formed value that begins here.
fn length(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at += string_length(&bytes[at..]),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            _ if depth > 0 => at += 1,
            _ => return literal_length(bytes),
        }
        if depth == 0 {
            break;
        }
    }
    at.min(bytes.len())
}

fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn literal_length(bytes: &[u8]) -> usize {
    let is_end = |b: &u8| scan::is_blank(*b) || matches!(b, b',' | b']' | b'}');
    bytes.iter().position(is_end).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_order_and_as_often_as_written() {
        let json = br#" { "a" : [ {"]":"}"} , 2 ] ,"b":{},"a" :-1e5, "c":null , "d":"x\"" } "#;
        let members = check(json).unwrap().members();
        let found: Vec<_> = members
            .map(|(name, value)| (name.text.into_owned(), value.kind()))
            .collect();
        let expected = [
            ("a", Kind::Array),
            ("b", Kind::Object),
            ("a", Kind::Scalar),
            ("c", Kind::Null),
            ("d", Kind::String),
        ];
        assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn only_objects_have_members() {
        for json in ["[]", "null", "1", "\"{}\"", "{}", " { } "] {
            assert_eq!(
                check(json.as_bytes()).unwrap().members().count(),
                0,
                "{json}"
            );
        }
    }
}
