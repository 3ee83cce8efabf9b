//! Words for a POSIX shell.

/// One word, whatever it holds: as it is where nothing in it is special, else in single quotes
/// (POSIX.1-2024, Shell Command Language 2.2.2). Control characters and such as nobody sees are left
/// out: no name of Kubernetes has them, and a terminal may obey them before the shell does.
pub fn quote(text: &str) -> String {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '@' | ',');
    // A word that begins with a dash would be an option.
    if !text.is_empty() && text.chars().all(is_plain) && !text.starts_with('-') {
        return text.to_owned();
    }
    let visible: String = text.chars().filter(|c| is_visible(*c)).collect();
    let word = visible.replace('\'', r"'\''");
    match visible.starts_with('-') {
        true => format!("'./{word}'"),
        false => format!("'{word}'"),
    }
}

/// It is a letter, a digit, a mark or a plain blank.
fn is_visible(c: char) -> bool {
    matches!(c, ' '..='~') || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_obey_is_quoted() {
        for (text, word) in [
            ("regcred", "regcred"),
            ("ghcr.io/org/app:1", "ghcr.io/org/app:1"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("a;b|c&d`e`", "'a;b|c&d`e`'"),
            ("it's", r"'it'\''s'"),
            ("--all", "'./--all'"),
            ("a\nrm -rf /", "'arm -rf /'"),
            ("a\u{202e}b\u{7}", "'ab'"),
            ("*?[", "'*?['"),
        ] {
            assert_eq!(quote(text), word, "{text:?}");
        }
    }
}
