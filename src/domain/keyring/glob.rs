//! Go's path/filepath.Match for one label of a host, byte for byte.
//!
//! Of its syntax only `*` survives a URL's host, and `[` in an IPv6 address without a port; the
//! rest is here so that the port can be compared with the original.

/// The pattern cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadPattern;

/// Whether the whole label matches. Without backtracking over stars: at most pattern x label.
pub(super) fn matches(pattern: &[u8], label: &[u8]) -> Result<bool, BadPattern> {
    let (mut pattern, mut label) = (pattern, label);
    'chunks: while !pattern.is_empty() {
        let (has_star, chunk, rest) = split_chunk(pattern);
        pattern = rest;
        if has_star && chunk.is_empty() {
            return Ok(!label.contains(&b'/'));
        }
        // The last chunk must use up the label; without a star, the first place must do.
        let is_enough = |after: &[u8]| after.is_empty() || !pattern.is_empty();
        if let Some(after) = match_chunk(chunk, label)?
            && is_enough(after)
        {
            label = after;
            continue;
        }
        if has_star {
            let reach = label.iter().position(|b| *b == b'/').unwrap_or(label.len());
            for skipped in 1..=reach {
                if let Some(after) = match_chunk(chunk, &label[skipped..])?
                    && is_enough(after)
                {
                    label = after;
                    continue 'chunks;
                }
            }
        }
        return Ok(false);
    }
    Ok(label.is_empty())
}

/// Whether stars come first, what follows up to the next star, and the rest.
fn split_chunk(pattern: &[u8]) -> (bool, &[u8], &[u8]) {
    let stars = pattern.iter().take_while(|b| **b == b'*').count();
    let pattern = &pattern[stars..];
    let (mut at, mut in_class) = (0, false);
    while let Some(byte) = pattern.get(at) {
        match byte {
            b'\\' if at + 1 < pattern.len() => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'*' if !in_class => break,
            _ => {}
        }
        at += 1;
    }
    let (chunk, rest) = pattern.split_at(at.min(pattern.len()));
    (stars > 0, chunk, rest)
}

/// What is left of the label behind the chunk; none if it does not start with it. A chunk is read
/// to its end even then, since a bad pattern is an error wherever it is bad.
fn match_chunk<'a>(chunk: &[u8], label: &'a [u8]) -> Result<Option<&'a [u8]>, BadPattern> {
    let (mut chunk, mut rest) = (chunk, Some(label));
    while let [first, tail @ ..] = chunk {
        rest = rest.filter(|label| !label.is_empty());
        match first {
            b'[' => {
                let found = rest.map(decode);
                let (is_in, tail) = match_class(tail, found.map(|(found, _)| found))?;
                chunk = tail;
                rest = found.filter(|_| is_in).map(|(_, rest)| rest);
            }
            b'?' => {
                chunk = tail;
                rest = rest
                    .filter(|label| !label.starts_with(b"/"))
                    .map(|label| decode(label).1);
            }
            b'\\' => {
                let [escaped, tail @ ..] = tail else {
                    return Err(BadPattern);
                };
                chunk = tail;
                rest = rest.and_then(|label| label.strip_prefix(&[*escaped]));
            }
            byte => {
                chunk = tail;
                rest = rest.and_then(|label| label.strip_prefix(&[*byte]));
            }
        }
    }
    Ok(rest)
}

/// Reads a class up to its bracket and says whether the character is in it.
fn match_class(class: &[u8], found: Option<char>) -> Result<(bool, &[u8]), BadPattern> {
    let (is_negated, mut class) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let (mut is_in, mut ranges) = (false, 0);
    loop {
        if let [b']', rest @ ..] = class
            && ranges > 0
        {
            return Ok((is_in != is_negated, rest));
        }
        let (low, rest) = class_bound(class)?;
        let (high, rest) = match rest {
            [b'-', rest @ ..] => class_bound(rest)?,
            _ => (low, rest),
        };
        is_in |= found.is_some_and(|found| (low..=high).contains(&found));
        class = rest;
        ranges += 1;
    }
}

/// One character of a class, perhaps escaped; something must follow it.
fn class_bound(class: &[u8]) -> Result<(char, &[u8]), BadPattern> {
    let class = match class {
        [] | [b'-' | b']', ..] => return Err(BadPattern),
        [b'\\', rest @ ..] => rest,
        _ => class,
    };
    if class.is_empty() {
        return Err(BadPattern);
    }
    let (bound, rest) = decode(class);
    let is_broken = bound == char::REPLACEMENT_CHARACTER && class.len() - rest.len() == 1;
    if is_broken || rest.is_empty() {
        return Err(BadPattern);
    }
    Ok((bound, rest))
}

/// `utf8.DecodeRune`: what is not UTF-8 is U+FFFD and one byte.
fn decode(bytes: &[u8]) -> (char, &[u8]) {
    let first = bytes
        .utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next());
    match first {
        Some(found) => (found, &bytes[found.len_utf8()..]),
        None => (
            char::REPLACEMENT_CHARACTER,
            bytes.get(1..).unwrap_or_default(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, label: &str, expected: Result<bool, BadPattern>) {
        assert_eq!(
            matches(pattern.as_bytes(), label.as_bytes()),
            expected,
            "{pattern} {label}"
        );
    }

    #[test]
    fn stars_stand_for_anything_within_a_label() {
        for pattern in ["*", "ghcr", "g*r", "gh*", "*cr", "*h*r", "**", "g**r"] {
            check(pattern, "ghcr", Ok(true));
        }
        for pattern in ["", "g", "g*c", "*x*", "gh*crr", "GHCR"] {
            check(pattern, "ghcr", Ok(false));
        }
        check("*", "", Ok(true));
        check("*a*a", "aaa", Ok(true));
    }

    #[test]
    fn a_class_stands_for_one_character() {
        check("[::1]", "1", Ok(true));
        check("[::1]", "[::1]", Ok(false));
        check("[^a-f]*", "ghcr", Ok(true));
        check("[a-f]hcr", "ghcr", Ok(false));
        check("[ü]", "ü", Ok(true));
        check("?hcr", "ghcr", Ok(true));
        check("\\*", "*", Ok(true));
    }

    #[test]
    fn a_broken_class_is_an_error_wherever_it_stands() {
        for pattern in ["[", "[]", "[a", "[a-", "[a-]", "[-a]", "x[", "\\"] {
            check(pattern, "ghcr", Err(BadPattern));
        }
        check("x*[", "ghcr", Ok(false));
    }
}
