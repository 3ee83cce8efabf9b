//! One message, split by the grammar that kubelets and runtimes write by.
//!
//! The result has the plain words in lower case, one letter for each name, `:` where a clause ends,
//! and which part of it decides: of several errors in one message the last one does. It takes one
//! pass, whatever the text.

use std::ops::Range;

use super::words::{self, Kind, Role};

/// Longer than any name of an image or host with its tag and digest.
const LONGEST_NAME: usize = 1024;

/// Longer than any tag or digest.
const LONGEST_TAG: usize = 160;

/// Longer than any key of a log.
const LONGEST_KEY: usize = 40;

/// Longer than any name of a container, which is a DNS label.
const LONGEST_CONTAINER: usize = 80;

/// A message as rules see it.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    text: String,
    names: Vec<Name<'a>>,
    decides: Range<usize>,
    mirrors: Option<Range<usize>>,
}

/// A word that is no evidence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    pub(super) kind: Kind,
    pub(super) role: Role,
    pub(super) text: &'a str,
    at: usize,
}

impl<'a> Evidence<'a> {
    /// Splits a message whose quotes are not escaped.
    pub(super) fn of(text: &'a str) -> Self {
        let mut splitter = Splitter::new(text);
        while splitter.at < text.len() {
            splitter.step();
        }
        splitter.end()
    }

    /// The words that decide.
    pub(super) fn deciding(&self) -> &str {
        &self.text[self.part()]
    }

    /// Every name, in the order of the text.
    pub(super) fn names(&self) -> impl DoubleEndedIterator<Item = &Name<'a>> {
        self.names.iter()
    }

    /// The names in the part that decides.
    pub(super) fn deciding_names(&self) -> impl DoubleEndedIterator<Item = &Name<'a>> {
        let part = self.part();
        self.names().filter(move |name| part.contains(&name.at))
    }

    /// An upstream that the node may not ask was not asked: then its mirror's answer decides.
    fn part(&self) -> Range<usize> {
        let is_blocked = || self.text[self.decides.clone()].contains("is blocked in ");
        match &self.mirrors {
            Some(mirrors) if is_blocked() => mirrors.clone(),
            _ => self.decides.clone(),
        }
    }
}

/// Reads a message from its first byte to its last.
struct Splitter<'a> {
    whole: &'a str,
    at: usize,
    text: String,
    names: Vec<Name<'a>>,
    /// The last three words of `text`, the newest last.
    before: [Range<usize>; 3],
    /// A clause ended since the last word.
    ends_clause: bool,
    /// Brackets that are open.
    depth: usize,
    /// The next word is the first one that decides.
    starts_error: bool,
    decides_from: usize,
    decides_to: Option<usize>,
    mirrors_from: Option<usize>,
    mirrors: Option<Range<usize>>,
}

impl<'a> Splitter<'a> {
    fn new(whole: &'a str) -> Self {
        Self {
            whole,
            at: 0,
            text: String::with_capacity(whole.len()),
            names: Vec::new(),
            before: [0..0, 0..0, 0..0],
            ends_clause: false,
            depth: 0,
            starts_error: false,
            decides_from: 0,
            decides_to: None,
            mirrors_from: None,
            mirrors: None,
        }
    }

    fn step(&mut self) {
        match self.whole.as_bytes()[self.at] {
            b'"' => self.quote(),
            b'[' => self.open(),
            b']' => self.close(),
            b',' => {
                self.separate();
                self.starts_error |= self.depth > 0 && starts_error(self.rest());
            }
            b';' => {
                self.separate();
                // CRI-O tries the name as an artifact too, and tells about that last.
                if self.rest().starts_with(" artifact err:") {
                    self.decides_to.get_or_insert(self.text.len());
                }
            }
            b'{' => self.brace(),
            b'\n' | b'\r' | b'}' | b'<' | b'>' => self.separate(),
            // gitlab-runner tells the line of its own that gave up.
            b'(' if self.rest().starts_with("(manager.go:") => self.separate(),
            b'(' | b')' | b'|' | b'`' => self.at += 1,
            byte if is_blank(byte) => self.at += 1,
            _ => self.word(),
        }
    }

    fn end(self) -> Evidence<'a> {
        let to = self.decides_to.unwrap_or(self.text.len());
        Evidence {
            decides: self.decides_from.min(to)..to,
            text: self.text,
            names: self.names,
            mirrors: self.mirrors,
        }
    }

    fn rest(&self) -> &'a str {
        &self.whole[self.at..]
    }

    /// One byte that ends a clause.
    fn separate(&mut self) {
        self.at += 1;
        self.ends_clause = true;
    }

    /// Quotes are around names, or around texts with quotes in them; nothing tells an opening
    /// quote from a closing one but what is in between.
    fn quote(&mut self) {
        let inner = between(self.rest(), '"', LONGEST_NAME);
        let before = self.words_before();
        let Some(inner) = inner.filter(|inner| starts_name(inner)) else {
            return self.skip_quote();
        };
        let is_one_word = !inner.contains(char::is_whitespace);
        let is_image_like = is_one_word && inner.contains(['/', ':']);
        let marked = if words::introduces_image(before) && (!self.ends_clause || is_image_like) {
            (Kind::Image, Role::Quoted)
        } else if is_one_word && inner.contains("://") {
            words::url(inner, before)
        } else if is_one_word && !self.ends_clause && !words::introduces_text(before) {
            (Kind::Other, Role::Mentioned)
        } else {
            return self.skip_quote();
        };
        self.at += inner.len() + 2;
        self.push(inner, marked);
    }

    /// A quote around a text, which is a clause of its own where it is the value of a key.
    fn skip_quote(&mut self) {
        let is_value = self.whole[..self.at].ends_with('=');
        self.at += 1;
        self.ends_clause |= is_value || is_followed_by_key(self.rest());
    }

    /// `[manifests TAG]`, a map as Go prints it, a list, or prose.
    fn open(&mut self) {
        let is_tag = self.words_before()[2] == "code" && !self.ends_clause;
        let is_map = self.whole[..self.at].ends_with("map");
        let longest = if is_map { LONGEST_NAME } else { LONGEST_TAG };
        if (is_tag || is_map)
            && let Some(inner) = between(self.rest(), ']', longest)
        {
            self.at += inner.len() + 2;
            return self.push(inner, (Kind::Other, Role::Mentioned));
        }
        self.at += 1;
        self.depth += 1;
    }

    /// `])` ends what the mirrors said; the upstream's answer follows.
    fn close(&mut self) {
        self.at += 1;
        self.depth = self.depth.saturating_sub(1);
        if self.rest().starts_with(')')
            && let Some(from) = self.mirrors_from.take()
        {
            self.mirrors = Some(from..self.text.len());
            self.starts_error = true;
        }
    }

    /// `spec.containers{name}` of kubectl; else as in JSON.
    fn brace(&mut self) {
        let is_field =
            self.words_before()[2] == "H" && self.whole[..self.at].ends_with("ontainers");
        if is_field && let Some(inner) = between(self.rest(), '}', LONGEST_CONTAINER) {
            self.at += inner.len() + 2;
            return self.push(inner, (Kind::Other, Role::Mentioned));
        }
        self.separate();
    }

    fn word(&mut self) {
        let raw = self.raw_word();
        self.at += raw.len();
        // gRPC writes `desc = ` where others write a colon.
        self.ends_clause |= raw == "=" && self.words_before()[2] == "desc";
        // Podman lists what each registry said.
        self.starts_error |= raw == "*" && self.ends_clause && starts_error(self.rest());
        let led = raw.trim_start_matches(['\'', '*', '-', '.', ':']);
        let word = led.trim_end_matches([':', '.', '!', '?', '\'', ',', ';', ')', ']', '}', '=']);
        self.ends_clause |= raw.starts_with([':', '-', '.']) && led.len() < raw.len();
        if !word.is_empty() {
            self.plain_or_name(word);
        }
        self.ends_clause |= led[word.len()..].contains([':', '.', '!', '?', ',', ';']);
    }

    /// The value of `key=value` is what people chose.
    fn plain_or_name(&mut self, word: &'a str) {
        match word.split_once('=') {
            Some((key, value)) if is_key(key) && !value.is_empty() => {
                self.push(key, (Kind::Plain, Role::Mentioned));
                self.push(value, (Kind::Other, Role::Mentioned));
            }
            _ => {
                let marked = words::mark(word, self.words_before());
                self.push(word, marked);
            }
        }
    }

    /// Up to the next blank or separator; a URL may hold separators.
    fn raw_word(&self) -> &'a str {
        let rest = self.rest();
        let is_end = |c: char| is_blank_char(c) || "\"()[]{}<>,;|`".contains(c);
        let word = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        if !word.contains("://") {
            return word;
        }
        let is_end_of_url = |c: char| is_blank_char(c) || "\"<>`".contains(c);
        &rest[..rest.find(is_end_of_url).unwrap_or(rest.len())]
    }

    fn push(&mut self, word: &'a str, (kind, role): (Kind, Role)) {
        if !self.text.is_empty() {
            self.text.push(if self.ends_clause { ':' } else { ' ' });
        }
        self.ends_clause = false;
        let at = self.text.len();
        if std::mem::take(&mut self.starts_error) {
            self.decides_from = at;
        }
        if kind == Kind::Plain {
            self.text.push_str(word);
            self.text[at..].make_ascii_lowercase();
        } else {
            self.text.push(kind.mark());
            self.names.push(Name {
                kind,
                role,
                text: word,
                at,
            });
        }
        self.before.rotate_left(1);
        self.before[2] = at..self.text.len();
        if self.words_before() == ["mirrors", "also", "failed"] {
            self.mirrors_from = Some(self.text.len());
        }
    }

    fn words_before(&self) -> [&str; 3] {
        self.before
            .each_ref()
            .map(|range| &self.text[range.clone()])
    }
}

/// What stands between this text's first byte and the next such character, if that is near.
fn between(text: &str, end: char, longest: usize) -> Option<&str> {
    let near = &text[..text.floor_char_boundary(longest)];
    let inner = near.get(1..)?;
    let length = inner.find([end, '\n'])?;
    inner[length..].starts_with(end).then(|| &inner[..length])
}

/// Behind a closing quote something else stands.
fn starts_name(inner: &str) -> bool {
    inner.starts_with(|c: char| c.is_ascii_alphanumeric() || "/$%_<{~@-".contains(c))
}

/// Behind a closing quote ` key=` follows, as in logs.
fn is_followed_by_key(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix(' ') else {
        return false;
    };
    let near = &rest[..rest.floor_char_boundary(LONGEST_KEY)];
    near.split_once('=').is_some_and(|(key, _)| is_key(key))
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control()
}

fn is_blank_char(c: char) -> bool {
    c.is_ascii_whitespace() || c.is_ascii_control()
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// How errors begin that kubelets and runtimes put into lists.
const BEGINNINGS: &[&str] = &[
    "rpc error:",
    "failed to ",
    "error ",
    "error:",
    "unable to ",
    "initializing source",
    "reading manifest",
    "pinging ",
    "requesting bearer",
    "copying ",
    "get ",
    "head ",
    "manifest ",
    "unauthorized",
    "denied",
    "toomanyrequests",
    "pull access denied",
    "unexpected status",
    "received unexpected",
    "(mirrors",
];

/// A separator is followed by another error, not by more of the same sentence.
fn starts_error(rest: &str) -> bool {
    let rest = rest.trim_start_matches([' ', '"', '\n']).as_bytes();
    let Some(first) = rest.first().map(u8::to_ascii_lowercase) else {
        return false;
    };
    let mut likely = BEGINNINGS.iter().filter(|one| one.as_bytes()[0] == first);
    likely.any(|beginning| {
        let head = rest.get(..beginning.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(beginning.as_bytes()))
    })
}

#[cfg(test)]
mod tests;
