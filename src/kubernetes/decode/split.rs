//! Cuts a body into objects, without reading them: the items of a list, the lines of a watch.
//!
//! Fed with pieces as they come, holds one object at a time. An object over the bound is passed
//! over and only its beginning handed out, so that it can be named. Each object is handed out in a
//! buffer of its own: a Secret's bytes are gone (zeroed, by the allocator) once it is decoded.

/// etcd takes requests of 1.5 MiB; JSON may spell a byte in more than one.
const OBJECT_MOST: usize = 3 * 1024 * 1024;

/// A list without its items is some 200 bytes, a continue token included.
const HEAD_MOST: usize = 64 * 1024;

/// One object of a body.
#[derive(Debug)]
pub(crate) enum Piece {
    /// All of it.
    Whole(Vec<u8>),
    /// The beginning of one over the bound.
    Beginning(Vec<u8>),
}

/// The body is no list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoList;

/// An object under construction.
#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Gathered {
    fn push(&mut self, run: &[u8]) {
        let room = OBJECT_MOST - self.bytes.len();
        self.is_too_long |= run.len() > room;
        self.bytes.extend_from_slice(&run[..run.len().min(room)]);
    }

    fn take(&mut self) -> Option<Piece> {
        let Self { bytes, is_too_long } = std::mem::take(self);
        match (bytes.is_empty(), is_too_long) {
            (true, _) => None,
            (false, false) => Some(Piece::Whole(bytes)),
            (false, true) => Some(Piece::Beginning(bytes)),
        }
    }
}

/// The lines of a watch.
#[derive(Default)]
pub(crate) struct Lines {
    line: Gathered,
}

impl Lines {
    /// Hands out each line that ends in `bytes`.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Piece)) {
        for run in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (run, ends) = match run {
                [line @ .., b'\n'] => (line, true),
                _ => (run, false),
            };
            self.line.push(run);
            if ends && let Some(piece) = self.line.take() {
                each(piece);
            }
        }
    }
}

/// The items of a list.
#[derive(Default)]
pub(crate) struct Items {
    /// The list without its items.
    head: Vec<u8>,
    item: Gathered,
    depth: u32,
    in_items: bool,
    in_text: bool,
    escaped: bool,
    /// The last text of the outermost object: a key when a colon follows.
    text: Vec<u8>,
    is_items_key: bool,
    has_ended: bool,
}

/// The outermost object's fields stand at this depth, ...
const FIELDS: u32 = 1;
/// ... and its items within this one.
const ITEMS: u32 = 2;

impl Items {
    /// Hands out each item that ends in `bytes`.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Piece)) -> Result<(), NoList> {
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            let run = if self.in_text {
                self.text_run(rest)
            } else {
                self.step(byte, &mut each)?;
                1
            };
            rest = &rest[run..];
        }
        Ok(())
    }

    /// The list without its items, when all of it came.
    pub(crate) fn finish(self) -> Result<Vec<u8>, NoList> {
        if self.has_ended {
            Ok(self.head)
        } else {
            Err(NoList)
        }
    }

    /// Passes over text up to and with its next quote or escape; returns how many bytes.
    fn text_run(&mut self, rest: &[u8]) -> usize {
        let mut run = 0;
        for &byte in rest {
            run += 1;
            if self.escaped {
                self.escaped = false;
            } else if byte == b'\\' {
                self.escaped = true;
            } else if byte == b'"' {
                self.in_text = false;
                break;
            }
        }
        if self.in_items {
            self.item.push(&rest[..run]);
        } else {
            // A head that grows too long is noticed at its next step.
            let room = HEAD_MOST.saturating_sub(self.head.len()) + 1;
            self.head.extend_from_slice(&rest[..run.min(room)]);
            if self.depth == FIELDS && self.text.len() < HEAD_MOST {
                self.text.extend_from_slice(&rest[..run.min(room)]);
            }
        }
        run
    }

    /// One byte outside of text.
    fn step(&mut self, byte: u8, each: &mut impl FnMut(Piece)) -> Result<(), NoList> {
        if self.in_items && self.depth == ITEMS {
            match byte {
                b',' | b']' => {
                    self.item.take().map(each);
                }
                b' ' | b'\t' | b'\r' | b'\n' => return Ok(()),
                _ => {}
            }
            if byte == b',' {
                return Ok(());
            }
            if byte == b']' {
                self.in_items = false;
            }
        }
        if self.in_items {
            self.item.push(&[byte]);
        } else {
            self.push_head(byte)?;
        }
        self.turn(byte)
    }

    /// Depth and keys.
    fn turn(&mut self, byte: u8) -> Result<(), NoList> {
        match byte {
            b'"' => {
                self.in_text = true;
                self.text.clear();
            }
            b'{' => self.depth += 1,
            b'[' => {
                self.in_items |= self.depth == FIELDS && self.is_items_key;
                self.depth += 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.checked_sub(1).ok_or(NoList)?;
                self.has_ended = self.depth == 0;
            }
            b':' if self.depth == FIELDS => self.is_items_key = self.text == b"items\"",
            b',' if self.depth == FIELDS => self.is_items_key = false,
            _ => {}
        }
        Ok(())
    }

    fn push_head(&mut self, byte: u8) -> Result<(), NoList> {
        let is_space = byte.is_ascii_whitespace();
        let out_of_place = !is_space && (self.has_ended || (self.head.is_empty() && byte != b'{'));
        if out_of_place || self.head.len() >= HEAD_MOST {
            return Err(NoList);
        }
        if !(is_space && (self.has_ended || self.head.is_empty())) {
            self.head.push(byte);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Cuts `body` into runs of up to `most` bytes; gives the head and the items.
    fn cut(
        body: &[u8],
        rng: &mut fastrand::Rng,
        most: usize,
    ) -> Result<(Value, Vec<Value>), NoList> {
        let mut items = Items::default();
        let mut found = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let (run, after) = rest.split_at(rng.usize(1..=most).min(rest.len()));
            rest = after;
            items.feed(run, |piece| match piece {
                Piece::Whole(json) => found.push(serde_json::from_slice(&json).unwrap()),
                Piece::Beginning(_) => found.push(json!("too long")),
            })?;
        }
        let head = serde_json::from_slice(&items.finish()?).unwrap();
        Ok((head, found))
    }

    #[test]
    fn a_list_is_cut_wherever_its_pieces_end() {
        let nasty = json!([
            {"a": "],},{\"items\":[1]", "b": [[], {}, "\\", "\\\""]},
            {}, [], [1, [2, {"items": [3]}]], "te,xt]", 1, -2.5, null, true,
            {"items": [{"items": [4]}]},
        ]);
        let whole = json!({
            "kind": "SecretList", "apiVersion": "items",
            "metadata": {"resourceVersion": "7", "items": [5, 6], "continue": "x]},{"},
            "items": nasty,
            "after": {"items": [8]},
        });
        let mut head = whole.clone();
        head["items"] = json!([]);
        let rng = &mut fastrand::Rng::with_seed(1);
        for body in [
            serde_json::to_vec(&whole).unwrap(),
            serde_json::to_vec_pretty(&whole).unwrap(),
            [
                b" \n".to_vec(),
                serde_json::to_vec(&whole).unwrap(),
                b"\n ".to_vec(),
            ]
            .concat(),
        ] {
            for most in [1, 2, 3, 7, 50, body.len()] {
                let (found_head, found) = cut(&body, rng, most).unwrap();
                assert_eq!(found_head, head);
                assert_eq!(Value::from(found), nasty);
            }
        }
    }

    #[test]
    fn items_may_be_null_missing_or_of_another_type() {
        let rng = &mut fastrand::Rng::with_seed(1);
        for body in [
            &br#"{"items":null}"#[..],
            br#"{}"#,
            br#"{"items":"[1]"}"#,
            br#"{"items":{"items":[1]}}"#,
            br#"{"items":[]}"#,
            br#"{"items" : [ ] }"#,
            br#"{"a":"items","b":[1]}"#,
            br#"{"a":["items",[1]]}"#,
        ] {
            let (_, found) = cut(body, rng, 3).unwrap();
            assert_eq!(
                found,
                Vec::<Value>::new(),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn what_is_no_list_is_told() {
        let rng = &mut fastrand::Rng::with_seed(1);
        for body in [
            &b"<html>"[..],
            b"",
            b"[1]",
            br#"{"items":[1"#,
            br#"{"items":[1]"#,
            br#"{"items":[1]}}"#,
            br#"{"items":[1]}{"#,
            br#"{"a":"never ends"#,
            b"]",
        ] {
            assert_eq!(
                cut(body, rng, 4),
                Err(NoList),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
        let endless = format!(r#"{{"a":"{}"}}"#, "x".repeat(2 * HEAD_MOST));
        assert_eq!(cut(endless.as_bytes(), rng, 10_000), Err(NoList));
    }

    #[test]
    fn a_long_item_is_passed_over_and_its_neighbours_are_not() {
        let body = format!(
            r#"{{"items":[{{"a":1}},{{"name":"long","x":"{}"}},{{"b":2}}]}}"#,
            "y".repeat(OBJECT_MOST)
        );
        let mut items = Items::default();
        let mut found = Vec::new();
        for run in body.as_bytes().chunks(65_536) {
            items
                .feed(run, |piece| match piece {
                    Piece::Whole(json) => found.push(String::from_utf8(json).unwrap()),
                    Piece::Beginning(json) => {
                        assert_eq!(json.len(), OBJECT_MOST);
                        found.push(String::from_utf8_lossy(&json[..14]).into_owned());
                    }
                })
                .unwrap();
        }
        assert_eq!(found, [r#"{"a":1}"#, r#"{"name":"long""#, r#"{"b":2}"#]);
        items.finish().unwrap();
    }

    #[test]
    fn a_long_line_is_passed_over_and_its_neighbours_are_not() {
        let long = "z".repeat(OBJECT_MOST + 1);
        let body = format!("one\n\n{long}\ntwo\nhalf");
        let rng = &mut fastrand::Rng::with_seed(1);
        for most in [1000, 100_000, body.len()] {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            let mut rest = body.as_bytes();
            while !rest.is_empty() {
                let (run, after) = rest.split_at(rng.usize(1..=most).min(rest.len()));
                rest = after;
                lines.feed(run, |piece| {
                    found.push(match piece {
                        Piece::Whole(line) => String::from_utf8(line).unwrap(),
                        Piece::Beginning(line) => format!("over {}", line.len()),
                    });
                });
            }
            assert_eq!(found, ["one", "over 3145728", "two"]);
        }
    }
}
