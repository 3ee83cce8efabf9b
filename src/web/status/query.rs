//! The query of an address: which findings are wanted, or what is to be asked.

use crate::domain::cause::Cause;
use crate::domain::cluster::ObjectName;
use crate::domain::demand::Demand;
use crate::domain::image::Registry;
use crate::domain::overview::Filter;

/// Longer than any name that is asked for.
const LONGEST: usize = 300;

/// Reads it. What is empty is not asked; what nobody knows is left, so that an old address goes on.
pub(super) fn filter(query: &str) -> Result<Filter, &'static str> {
    let mut filter = Filter::default();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if value.is_empty() {
            continue;
        }
        let value = decoded(value).ok_or("the query is not UTF-8, or too long\n")?;
        match name {
            "namespace" => filter.namespace = Some(value),
            "registry" => filter.registry = Some(value),
            "cause" => {
                let mut all = Cause::ALL.iter();
                let cause = all.find(|cause| cause.as_str() == value);
                filter.cause = Some(*cause.ok_or("there is no such cause\n")?);
            }
            _ => {}
        }
    }
    Ok(filter)
}

/// What is to be asked: the logins of a Secret, those at a registry, or all.
pub(super) fn demand(query: &str) -> Result<Demand, &'static str> {
    let mut demand = Demand::All;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if demand != Demand::All {
            return Err("one registry or one secret, or nothing for all\n");
        }
        let value = decoded(value).ok_or("the query is not UTF-8, or too long\n")?;
        demand = match name {
            "registry" if !value.is_empty() => Demand::Registry(Registry::from_domain(&value)),
            "secret" => Demand::Secret(secret(&value).ok_or("secret is no NAMESPACE/NAME\n")?),
            // Who misspells a name does not mean all.
            _ => return Err("registry=HOST or secret=NAMESPACE/NAME, or nothing for all\n"),
        };
    }
    Ok(demand)
}

/// `namespace/name`, or the path of a file.
fn secret(text: &str) -> Option<ObjectName> {
    let (namespace, name) = match text.starts_with('/') {
        true => ("", text),
        false => text.split_once('/')?,
    };
    Some(ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

/// As forms encode it (WHATWG URL, application/x-www-form-urlencoded).
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = after
                    .get(..2)
                    .and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(byte?);
                rest = &after[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_back() {
        let filter = filter("namespace=shop&cause=network&registry=r.example%3A5000&x=y").unwrap();
        assert_eq!(filter.namespace.as_deref(), Some("shop"));
        assert_eq!(filter.cause, Some(Cause::Network));
        assert_eq!(filter.registry.as_deref(), Some("r.example:5000"));
    }

    #[test]
    fn what_is_empty_is_not_asked() {
        assert!(!filter("").unwrap().is_some());
        assert!(!filter("namespace=&cause=&registry=").unwrap().is_some());
    }

    #[test]
    fn a_demand_is_for_one_thing_or_for_all() {
        let secret = |namespace: &str, name: &str| {
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            Ok(Demand::Secret(ObjectName { namespace, name }))
        };
        assert_eq!(demand(""), Ok(Demand::All));
        let hub = Registry::from_domain("docker.io");
        assert_eq!(demand("registry=docker.io"), Ok(Demand::Registry(hub)));
        assert_eq!(demand("secret=shop%2Fpull"), secret("shop", "pull"));
        assert_eq!(
            demand("secret=%2Fetc%2Fdocker.json"),
            secret("", "/etc/docker.json")
        );
        for wrong in [
            "secret=pull",
            "registry=",
            "namespace=shop",
            "x",
            "secret=a/b&registry=c",
        ] {
            assert!(demand(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(filter("cause=bad_luck").is_err());
        assert!(filter("namespace=%f").is_err());
        assert!(filter("namespace=%ff").is_err());
        assert!(filter(&format!("namespace={}", "a".repeat(400))).is_err());
    }
}
