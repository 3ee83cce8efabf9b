//! Asks whether a name exists, as a Table without objects.
//!
//! A pod may name a Secret of any type. Of one that is no pull secret neither data nor annotations
//! may reach us (`kubectl.kubernetes.io/last-applied-configuration` has its `stringData` in clear,
//! and a metadata-only request returns it: measured), so that the server is asked for the printed
//! columns only. A LIST with a name selector, so that the role needs no `get`.

use kube::Client;

use super::client::{self, Reason};
use super::decode;
use crate::domain::cluster::ObjectName;

/// No other media type is accepted: a server without Tables must answer 406, not with a Secret.
const TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";

/// One row and its column definitions are 3 KiB.
const MOST: usize = 64 * 1024;

/// The type of the Secret of this name; `None` when there is none.
pub async fn lookup(client: &Client, secret: &ObjectName) -> Result<Option<String>, Reason> {
    if !is_subdomain(&secret.name) || !is_subdomain(&secret.namespace) {
        // No object can bear such a name; and it would be a selector of its own.
        return Ok(None);
    }
    let path = format!(
        "/api/v1/namespaces/{}/secrets?fieldSelector=metadata.name%3D{}&includeObject=None",
        secret.namespace, secret.name
    );
    let response = client::get(client, &path, TABLE)
        .await
        .map_err(|refusal| refusal.reason)?;
    let body = client::short_body(response.into_body(), MOST).await?;
    let table = decode::table(&body).ok_or(Reason::Malformed)?;
    Ok(table.type_of(&secret.name))
}

/// An RFC 1123 subdomain, as the API server wants Secrets and Namespaces to be named.
fn is_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_selector_is_no_name() {
        for name in [
            "", "a,b", "a=b", "a%2C", "A", "-a", "a-", "a..b", "a/b", "a b", "a\\,b",
        ] {
            assert!(!is_subdomain(name), "{name:?}");
        }
        for name in ["a", "regcred", "a.b-c.9"] {
            assert!(is_subdomain(name), "{name:?}");
        }
        assert!(!is_subdomain(&"a".repeat(254)));
    }
}
