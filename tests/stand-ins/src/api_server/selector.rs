//! Field selectors: `type=x,metadata.namespace!=y`, all parts must hold.

use super::resource::Resource;

/// A parsed field selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    field: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// The complaint is what a real server puts into its Status.
    pub(crate) fn parse(text: &str, resource: Resource) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for term in split_unescaped(text, ',') {
            if term.is_empty() {
                continue;
            }
            let requirement = parse_term(term)
                .ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{term}'"))?;
            if !is_selectable(&requirement.field, resource) {
                return Err(format!(
                    "Unable to find \"{}, Resource={}\" that match label selector \"\", field \
                     selector \"{text}\": field label not supported: {}",
                    if resource.group().is_empty() {
                        "/v1"
                    } else {
                        resource.api_version()
                    },
                    resource.plural(),
                    requirement.field
                ));
            }
            requirements.push(requirement);
        }
        Ok(Self { requirements })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// `field` gives the value of a field label, empty if the object has none.
    pub(crate) fn matches<'a>(&self, field: impl Fn(&str) -> &'a str) -> bool {
        self.requirements
            .iter()
            .all(|each| (field(&each.field) == each.value) == each.equal)
    }
}

fn is_selectable(field: &str, resource: Resource) -> bool {
    match field {
        "metadata.name" => true,
        "metadata.namespace" => resource.is_namespaced(),
        _ => resource.fields().contains(&field),
    }
}

fn parse_term(term: &str) -> Option<Requirement> {
    let (at, operator) = operator(term)?;
    Some(Requirement {
        field: term[..at].to_owned(),
        value: unescape(&term[at + operator.len()..])?,
        equal: operator != "!=",
    })
}

/// The first operator, as apimachinery's `splitTerm` finds it.
fn operator(term: &str) -> Option<(usize, &'static str)> {
    term.char_indices().find_map(|(at, _)| {
        ["!=", "==", "="]
            .into_iter()
            .find(|operator| term[at..].starts_with(operator))
            .map(|operator| (at, operator))
    })
}

fn split_unescaped(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == separator {
            parts.push(&text[start..at]);
            start = at + separator.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(value: &str) -> Option<String> {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.push(characters.next().filter(|next| "\\,=".contains(*next))?),
            ',' | '=' => return None,
            _ => plain.push(character),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(selector: &str, resource: Resource, fields: &[(&str, &str)], expected: Option<bool>) {
        let matched = Selector::parse(selector, resource).ok().map(|selector| {
            selector.matches(|name| {
                fields
                    .iter()
                    .find(|(field, _)| *field == name)
                    .map_or("", |(_, value)| value)
            })
        });
        assert_eq!(matched, expected, "{selector}");
    }

    #[test]
    fn all_parts_must_hold() {
        let secret = [
            ("type", "kubernetes.io/dockercfg"),
            ("metadata.namespace", "a"),
        ];
        use Resource::{Namespaces, Pods, Secrets};
        check("", Secrets, &secret, Some(true));
        check("type=kubernetes.io/dockercfg", Secrets, &secret, Some(true));
        check(
            "type==kubernetes.io/dockercfg",
            Secrets,
            &secret,
            Some(true),
        );
        check("type!=Opaque", Secrets, &secret, Some(true));
        check(
            "type=kubernetes.io/dockercfg,metadata.namespace!=a",
            Secrets,
            &secret,
            Some(false),
        );
        check(
            "status.phase!=Succeeded,status.phase!=Failed",
            Pods,
            &[],
            Some(true),
        );
        check("status.phase=", Pods, &[], Some(true));
        check(
            "metadata.name=a\\,b",
            Pods,
            &[("metadata.name", "a,b")],
            Some(true),
        );
        check("status.phase=x", Secrets, &secret, None);
        check("metadata.namespace=a", Namespaces, &[], None);
        check("type", Secrets, &secret, None);
        check("metadata.name=a=b", Pods, &[], None);
    }
}
