//! The `auth` field: base64 of `username:password`, as the kubelet decodes it, and what is wrong
//! with it when the kubelet cannot (k8s pkg/credentialprovider/config.go,
//! `decodeDockerConfigFieldAuth`).

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::fault::FaultKind;

/// Go's `StdEncoding` and `RawStdEncoding`: bits that are left over are ignored.
const PADDED: GeneralPurpose = engine(DecodePaddingMode::RequireCanonical);
const UNPADDED: GeneralPurpose = engine(DecodePaddingMode::RequireNone);

const fn engine(padding: DecodePaddingMode) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(padding);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}

/// What people leave where a value should go, and what tools print instead of one.
const PLACEHOLDERS: [&str; 8] = [
    "auth",
    "base64",
    "changeme",
    "placeholder",
    "redacted",
    "replaceme",
    "secret",
    "todo",
];

/// User name and password; the password may hold colons, and any byte.
pub(super) fn decode(field: &str) -> Result<(Vec<u8>, Vec<u8>), FaultKind> {
    let decoded = decode_base64(field).ok_or_else(|| why_not_base64(field))?;
    let colon = decoded
        .iter()
        .position(|b| *b == b':')
        .ok_or_else(|| why_no_colon(field, &decoded))?;
    Ok((decoded[..colon].to_vec(), decoded[colon + 1..].to_vec()))
}

/// Go ignores `\r` and `\n` anywhere, and nothing else. Padding is all there or not there at all.
pub(super) fn decode_base64(field: &str) -> Option<Vec<u8>> {
    let engine = if field.trim().ends_with('=') {
        PADDED
    } else {
        UNPADDED
    };
    let digits: Vec<u8> = field
        .bytes()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    engine.decode(digits).ok()
}

/// A template's markup, a shell variable or a mask in place of a value.
pub(super) fn is_markup(text: &str) -> bool {
    const PAIRS: [(&str, &str); 4] = [("{{", "}}"), ("${", "}"), ("$(", ")"), ("<", ">")];
    let text = text.trim();
    let is_within = |(open, close): (&str, &str)| {
        let inside = text
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close));
        inside.is_some_and(|inside| !inside.is_empty())
    };
    let is_in_name = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    let is_variable = |name: &str| !name.is_empty() && name.bytes().all(is_in_name);
    let is_mask = |c: char| text.len() > 2 && text.chars().all(|other| other == c);
    PAIRS.into_iter().any(is_within)
        || text.strip_prefix('$').is_some_and(is_variable)
        || ['*', '.', 'x', 'X'].into_iter().any(is_mask)
}

/// Markup, or a word that stands for a value; `__AUTH__` and `your-auth` are words too.
fn is_placeholder(text: &str) -> bool {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.to_ascii_lowercase();
    let word = letters.strip_prefix("your").unwrap_or(&letters);
    is_markup(text) || PLACEHOLDERS.contains(&word)
}

fn why_not_base64(field: &str) -> FaultKind {
    let without =
        |unwanted: fn(char) -> bool| field.chars().filter(|c| !unwanted(*c)).collect::<String>();
    let is_url_safe = |c| matches!(c, '-' | '_');
    if is_placeholder(field) || field.contains("{{") || field.contains("${") {
        FaultKind::AuthPlaceholder
    } else if field.contains(':') {
        FaultKind::AuthNotEncoded
    } else if decode_base64(&without(char::is_whitespace)).is_some() {
        FaultKind::AuthBlank
    } else if UNPADDED
        .decode(without(|c| matches!(c, '=' | '\r' | '\n')))
        .is_ok()
    {
        FaultKind::AuthPadding
    } else if field.contains(is_url_safe) && UNPADDED.decode(from_url_safe(field)).is_ok() {
        FaultKind::AuthUrlSafe
    } else {
        FaultKind::AuthNotBase64
    }
}

fn from_url_safe(field: &str) -> String {
    let digits = field.chars().filter(|c| !matches!(c, '=' | '\r' | '\n'));
    digits
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            _ => c,
        })
        .collect()
}

fn why_no_colon(field: &str, decoded: &[u8]) -> FaultKind {
    let has_pair =
        |text: &str| decode_base64(text.trim()).is_some_and(|inner| inner.contains(&b':'));
    if is_placeholder(field) {
        FaultKind::AuthPlaceholder
    } else if str::from_utf8(decoded).is_ok_and(has_pair) {
        FaultKind::AuthEncodedTwice
    } else {
        FaultKind::AuthWithoutColon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(field: &str, expected: Result<(&str, &str), FaultKind>) {
        let expected = expected.map(|(username, password)| (username.into(), password.into()));
        assert_eq!(decode(field), expected, "{field}");
    }

    #[test]
    fn padding_is_whole_or_absent_and_line_ends_do_not_count() {
        for field in ["YTpi", "YTpi\n", "YT\r\npi\r\n"] {
            check(field, Ok(("a", "b")));
        }
        for field in ["YTpiYg==", "YTpiYg", "YTpiYg=\n=\n", "YTpiYh", "YTpi\nYg"] {
            check(field, Ok(("a", "bb")));
        }
        check("YTpiOmM=", Ok(("a", "b:c")));
        check("Og==", Ok(("", "")));
        check("YTpiYg=", Err(FaultKind::AuthPadding));
        check("YTpi=", Err(FaultKind::AuthPadding));
        check("YTpi====", Err(FaultKind::AuthPadding));
    }

    #[test]
    fn what_is_no_base64_is_named() {
        check("user:password", Err(FaultKind::AuthNotEncoded));
        check("YTpi ", Err(FaultKind::AuthBlank));
        check("YTpi\t", Err(FaultKind::AuthBlank));
        check("YTo_Pz8-", Err(FaultKind::AuthUrlSafe));
        check("YTo_Pz8_Pw==", Err(FaultKind::AuthUrlSafe));
        check("YT.pi", Err(FaultKind::AuthNotBase64));
        check("Y", Err(FaultKind::AuthNotBase64));
        for field in [
            "{{ .auth }}",
            "<base64>",
            "${AUTH}",
            "$AUTH",
            "****",
            "prefix-{{ .auth }}",
        ] {
            check(field, Err(FaultKind::AuthPlaceholder));
        }
    }

    #[test]
    fn what_has_no_colon_is_named() {
        check("Z2hwX3Rva2Vu", Err(FaultKind::AuthWithoutColon));
        check("WVRwaQ==", Err(FaultKind::AuthEncodedTwice));
        check("WVRwaQo=", Err(FaultKind::AuthEncodedTwice));
        check("CHANGEME", Err(FaultKind::AuthPlaceholder));
        check("\n", Err(FaultKind::AuthWithoutColon));
    }
}
