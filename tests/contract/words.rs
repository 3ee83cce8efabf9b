//! Finds the words of the contract in prose, YAML, JSON and PromQL, without parsing any of them.

/// A label matcher on one of our metrics: `regcred_x{label=~"a|b"}`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) metric: String,
    pub(crate) label: String,
    /// The alternatives.
    pub(crate) values: Vec<String>,
}

/// Words that begin so; a word is letters, digits and `_`.
pub(crate) fn words_with(text: &str, start: &str) -> Vec<String> {
    let words = text.split(|c: char| !is_word(c));
    words
        .filter(|word| word.starts_with(start))
        .map(str::to_owned)
        .collect()
}

/// `--probe.interval` and the like: with a dot, so that other programs' flags are left alone.
pub(crate) fn dotted_flags(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !is_word(c) && c != '-' && c != '.');
    words
        .map(|word| word.trim_end_matches(['.', '-']))
        .filter(|word| word.starts_with("--") && word.contains('.'))
        .map(str::to_owned)
        .collect()
}

/// `level:metric:operation` with one of our metrics.
pub(crate) fn recorded(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !is_word(c) && c != ':');
    words
        .filter(|word| {
            let parts: Vec<_> = word.split(':').collect();
            parts.len() == 3
                && parts[1].starts_with("regcred_")
                && parts.iter().all(|part| !part.is_empty())
        })
        .map(str::to_owned)
        .collect()
}

/// What stands between backticks.
pub(crate) fn code_spans(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Targets of `[text](target)`.
pub(crate) fn links(text: &str) -> Vec<String> {
    let after = text.split("](").skip(1);
    after
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

/// Labels that PromQL groups or joins by, and that templates show.
pub(crate) fn groupings(line: &str) -> Vec<String> {
    const WORDS: &[&str] = &[
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
    ];
    let mut found = Vec::new();
    for (open, _) in line.match_indices('(') {
        let word = line[..open]
            .trim_end()
            .rsplit(|c| !is_word(c))
            .next()
            .unwrap_or_default();
        let Some((inside, _)) = line[open + 1..].split_once(')') else {
            continue;
        };
        let is_list = inside.chars().all(|c| is_word(c) || c == ',' || c == ' ');
        if WORDS.contains(&word) && is_list {
            let labels = inside
                .split(',')
                .map(str::trim)
                .filter(|label| !label.is_empty());
            found.extend(labels.map(str::to_owned));
        }
    }
    for rest in line.split("$labels.").skip(1) {
        found.push(
            rest.split(|c| !is_word(c))
                .next()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    found
}

/// Labels that `label_replace` makes: `"name", "$1"`.
pub(crate) fn made_labels(line: &str) -> Vec<String> {
    let line = line.replace("\\\"", "\"");
    let parts: Vec<_> = line.split("\", \"$").collect();
    let before = parts.iter().take(parts.len() - 1);
    before
        .filter_map(|part| Some(part.rsplit_once('"')?.1.to_owned()))
        .collect()
}

/// Matchers in braces right after one of our metrics, in files of any kind; JSON's `\"` too.
pub(crate) fn selectors(text: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("regcred_") {
        let name = text[start..]
            .split(|c| !is_word(c))
            .next()
            .unwrap_or_default();
        let Some(rest) = text[start + name.len()..].strip_prefix('{') else {
            continue;
        };
        let Some((inside, _)) = rest.split_once('}') else {
            continue;
        };
        let mut at = inside;
        while let Some((label, operator)) = at.split_once(['=', '!']) {
            let mut quoted = operator.splitn(3, '"');
            let (Some(_), Some(value), Some(after)) = (quoted.next(), quoted.next(), quoted.next())
            else {
                break;
            };
            found.push(Selector {
                line: text[..position(text, label)].matches('\n').count() + 1,
                metric: name.to_owned(),
                label: label.trim_matches(|c| !is_word(c)).to_owned(),
                values: value
                    .trim_end_matches('\\')
                    .split('|')
                    .map(str::to_owned)
                    .collect(),
            });
            at = after;
        }
    }
    found
}

/// Where a part of a text begins in it.
fn position(text: &str, part: &str) -> usize {
    let start = part.as_ptr() as usize - text.as_ptr() as usize;
    start + part.len() - part.trim_start_matches(|c| !is_word(c)).len()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
