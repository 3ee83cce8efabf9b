//! Rust source as the rules see it: comments, literals and test code blanked, paths spelled out.
//!
//! No parser of the language: a scanner of some 150 lines that knows comments, literals, braces and
//! `use` trees. What a macro builds it does not see; the rules are for honest mistakes.

use std::path::Path;

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the repository: `src/domain/image.rs`.
    pub(crate) path: String,
    /// As it stands there.
    pub(crate) text: String,
    /// The same lines; comments, literals and test code are blank.
    pub(crate) code: String,
}

/// A path that the code names, with its `use` groups taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Counted from 1.
    pub(crate) line: usize,
    /// `crate::domain::image::Registry`
    pub(crate) path: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        let code = if is_test {
            blank_all(text)
        } else {
            without_tests(&without_comments_and_literals(text))
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
        }
    }

    /// Module path of the file: `src/domain/cluster/claims.rs` is domain, cluster, claims.
    pub(crate) fn module(&self) -> Vec<&str> {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        let inner = inner.strip_suffix(".rs").unwrap_or(inner);
        match inner {
            "lib" => Vec::new(),
            other => other.split('/').collect(),
        }
    }

    /// Whether the file is `module` of `src/`, or below it.
    pub(crate) fn is_in(&self, module: &str) -> bool {
        self.path == format!("src/{module}.rs") || self.path.starts_with(&format!("src/{module}/"))
    }

    /// Lines of code that contain `needle`, counted from 1.
    pub(crate) fn lines_with(&self, needle: &str) -> impl Iterator<Item = usize> {
        let found = self.code.lines().enumerate();
        found.filter_map(move |(index, line)| line.contains(needle).then_some(index + 1))
    }

    /// Every path of two segments or more, `super` and `self` resolved to `crate`.
    pub(crate) fn paths(&self) -> Vec<Named> {
        let tokens = tokens(&self.code);
        let mut found = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            if tokens[at].text == "use" {
                at = use_tree(&tokens, at + 1, "", &mut found);
            } else if is_word(&tokens[at].text) {
                let start = at;
                let mut path = tokens[at].text.clone();
                while text(&tokens, at + 1) == "::" && is_word(text(&tokens, at + 2)) {
                    path = format!("{path}::{}", tokens[at + 2].text);
                    at += 2;
                }
                if at > start {
                    found.push(Named {
                        line: tokens[start].line,
                        path,
                    });
                }
            }
            at += 1;
        }
        for named in &mut found {
            named.path = self.resolved(&named.path);
        }
        found
    }

    fn resolved(&self, path: &str) -> String {
        let mut module = self.module();
        let mut rest: Vec<&str> = path.split("::").collect();
        if !matches!(rest[0], "super" | "self") {
            return path.to_owned();
        }
        while let Some(first @ ("super" | "self")) = rest.first().copied() {
            if first == "super" {
                module.pop();
            }
            rest.remove(0);
        }
        let mut whole = vec!["crate"];
        whole.extend(module);
        whole.extend(rest);
        whole.join("::")
    }
}

/// Every Rust file below a folder of the repository, in order.
pub(crate) fn below(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    files(&root.join(folder))
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| {
            let path = file.strip_prefix(root).unwrap().to_str().unwrap();
            Source::new(path, &std::fs::read_to_string(file).unwrap())
        })
        .collect()
}

/// Every file below a folder, in order; none where there is no such folder.
pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    let nested = found.into_iter().flat_map(|path| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    });
    nested.collect()
}

/// The first `{ ... }` at or after a position, both braces included.
pub(crate) fn block(code: &str, from: usize) -> &str {
    let Some(start) = code[from..].find('{').map(|offset| from + offset) else {
        return "";
    };
    let mut depth = 0_u32;
    for (offset, byte) in code[start..].bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &code[start..=start + offset];
        }
    }
    &code[start..]
}

/// Which line a position is in, counted from 1.
pub(crate) fn line_of(text: &str, position: usize) -> usize {
    text[..position].matches('\n').count() + 1
}

fn blank_all(text: &str) -> String {
    text.chars()
        .map(|c| if c == '\n' { c } else { ' ' })
        .collect()
}

/// ASCII only, byte for byte as long as the text, so that positions agree.
fn without_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = vec![b' '; bytes.len()];
    let mut at = 0;
    while at < bytes.len() {
        let end = if bytes[at..].starts_with(b"//") {
            at + bytes[at..]
                .iter()
                .position(|b| *b == b'\n')
                .unwrap_or(bytes.len() - at)
        } else if bytes[at..].starts_with(b"/*") {
            end_of_comment(bytes, at)
        } else if let Some(hashes) = raw_string(bytes, at) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = at + text[at..].find('"').unwrap() + 1;
            text[open..]
                .find(&close)
                .map_or(bytes.len(), |offset| open + offset + close.len())
        } else if bytes[at] == b'"' {
            end_of_string(bytes, at)
        } else if let Some(end) = end_of_char(text, at) {
            end
        } else {
            code[at] = if bytes[at].is_ascii() {
                bytes[at]
            } else {
                b'?'
            };
            at += 1;
            continue;
        };
        for position in at..end {
            if bytes[position] == b'\n' {
                code[position] = b'\n';
            }
        }
        at = end;
    }
    String::from_utf8(code).unwrap()
}

fn end_of_comment(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0_u32, start);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// How many `#` open the raw string that starts here; `br"` starts at its `b`.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    if at > 0 && is_word_byte(bytes[at - 1]) {
        return None;
    }
    let rest = bytes[at..]
        .strip_prefix(b"b")
        .unwrap_or_else(|| &bytes[at..]);
    let rest = rest.strip_prefix(b"r")?;
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    (rest.get(hashes) == Some(&b'"')).then_some(hashes)
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The end of a character literal; `None` for a lifetime.
fn end_of_char(text: &str, at: usize) -> Option<usize> {
    let rest = text[at..].strip_prefix('\'')?;
    if rest.starts_with('\\') {
        let close = rest[2..].find('\'')?;
        return Some(at + close + 4);
    }
    let width = rest.chars().next()?.len_utf8();
    rest[width..].starts_with('\'').then_some(at + width + 2)
}

/// What `#[cfg(test)]` stands before is blanked: to the end of its braces, or to its semicolon.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut code = code.to_owned();
    while let Some(start) = code.find(MARK) {
        let after = start + MARK.len();
        let brace = code[after..]
            .find('{')
            .map_or(usize::MAX, |offset| after + offset);
        let end = match code[after..].find(';').map(|offset| after + offset) {
            Some(semicolon) if semicolon < brace => semicolon + 1,
            _ if brace == usize::MAX => code.len(),
            _ => brace + block(&code, after).len(),
        };
        let blank = blank_all(&code[start..end]);
        code.replace_range(start..end, &blank);
    }
    code
}

#[derive(Debug)]
struct Token {
    line: usize,
    text: String,
}

fn tokens(code: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let width = match first {
                _ if rest.starts_with("::") => 2,
                c if is_word(&c.to_string()) => rest
                    .find(|c: char| !is_word(&c.to_string()))
                    .unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            found.push(Token {
                line: index + 1,
                text: rest[..width].to_owned(),
            });
            rest = rest[width..].trim_start();
        }
    }
    found
}

fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| &token.text)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_word_byte)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Reads one branch of a `use` tree; returns where it ends, at a comma, a brace or the semicolon.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &str, found: &mut Vec<Named>) -> usize {
    let line = tokens.get(at).map_or(0, |token| token.line);
    let mut path = prefix.to_owned();
    loop {
        match text(tokens, at) {
            "::" => {}
            "as" => at += 1,
            "{" => {
                while !matches!(text(tokens, at), "}" | "") {
                    at = use_tree(tokens, at + 1, &path, found);
                }
                return at + 1;
            }
            "," | "}" | ";" | "" => break,
            // `use a::b::{self}` names a::b.
            "self" if !path.is_empty() => {}
            word if path.is_empty() => path = word.to_owned(),
            word => path = format!("{path}::{word}"),
        }
        at += 1;
    }
    // `use super::*` names the module itself.
    let path = path.trim_end_matches("::*").to_owned();
    if !path.is_empty() && path != prefix || text(tokens, at.saturating_sub(1)) == "self" {
        found.push(Named { line, path });
    }
    at
}
