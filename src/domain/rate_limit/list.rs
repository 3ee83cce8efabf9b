//! Lists as structured fields have them (RFC 9651), as far as quotas need: items with parameters,
//! numbers that are numbers.

use super::MOST_QUOTAS;

/// Every number that a double holds exactly has fewer digits.
const MOST_DIGITS: usize = 15;

/// An item of a list (RFC 9651) with its parameters; `100;w=60` and `"burst";q=100;w=60`.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    pub(super) value: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Item<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = split(text, ';');
        let value = parts.next().unwrap_or_default();
        let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
        Self {
            value,
            parameters: pairs
                .map(|(name, value)| (name.trim(), value.trim()))
                .collect(),
        }
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        let mut named = self.parameters.iter().filter(|(known, _)| *known == name);
        named.next().map(|(_, value)| *value)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.parameter(name).and_then(number)
    }
}

/// Digits and nothing else: neither sign nor unit, part or exponent.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = (1..=MOST_DIGITS).contains(&text.len()) && text.bytes().all(is_digit);
    is_number.then(|| text.parse().ok()).flatten()
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// The items of all headers of one name; of a list that is longer than any honest one, none.
pub(super) fn items<'a>(values: &[&'a str]) -> Vec<Item<'a>> {
    let all = values.iter().flat_map(|value| split(value, ','));
    let items: Vec<_> = all
        .filter(|text| !text.is_empty())
        .take(MOST_QUOTAS + 1)
        .map(Item::parse)
        .collect();
    if items.len() > MOST_QUOTAS {
        return Vec::new();
    }
    items
}

/// Parts between separators that stand in no quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    let parts = text.split(move |c: char| {
        let is_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if quoted && !is_escaped => escaped = true,
            '"' if !is_escaped => quoted = !quoted,
            _ => {}
        }
        c == separator && !quoted
    });
    parts.map(str::trim)
}
