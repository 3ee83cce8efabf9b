//! Our Lease: the one object that we write, with a text in an annotation.
//!
//! Every write says which version it replaces (`metadata.resourceVersion`), so that of two processes
//! that know different things only one writes, and the other reads what it wrote. Whatever else
//! stands in the object is left as it is.

use kube::Client;
use serde_json::{Value, json};

use super::client::{self, Reason};
use crate::domain::cluster::ObjectName;

/// Where the text stands.
const ANNOTATION: &str = "regcred-exporter.io/ledger";

/// More than etcd takes of an object.
const MOST: usize = 2 * 1024 * 1024;

/// A Lease, as it was when it was last read or written.
pub struct Lease {
    client: Client,
    name: ObjectName,
    seen: Option<Value>,
}

/// What became of a write.
#[derive(Debug, PartialEq, Eq)]
pub enum Written {
    /// It stands there now.
    Whole,
    /// Nothing was written: somebody else wrote this since we looked.
    NotOver(Option<String>),
}

impl Lease {
    /// Nothing is read yet.
    pub fn new(client: Client, name: ObjectName) -> Self {
        Self {
            client,
            name,
            seen: None,
        }
    }

    /// The text; `None` where there is no Lease yet, or none in it.
    pub async fn read(&mut self) -> Result<Option<String>, Reason> {
        let read = client::send(&self.client, http::Method::GET, &self.path(), None, MOST).await;
        self.seen = match read {
            Ok(body) => Some(object(&body)?),
            Err(Reason::Status(404)) => None,
            Err(reason) => return Err(reason),
        };
        Ok(self.seen.as_ref().and_then(text))
    }

    /// Writes the text, unless the Lease is not what was last seen. Makes the Lease where there is
    /// none.
    pub async fn write(&mut self, text: &str) -> Result<Written, Reason> {
        let (method, path, mut lease) = match &self.seen {
            Some(seen) => (http::Method::PUT, self.path(), seen.clone()),
            None => (http::Method::POST, self.folder(), self.new_lease()),
        };
        annotate(&mut lease, text).ok_or(Reason::Malformed)?;
        let body = Some(lease.to_string().into_bytes());
        match client::send(&self.client, method, &path, body, MOST).await {
            Ok(body) => {
                self.seen = Some(object(&body)?);
                Ok(Written::Whole)
            }
            // 409: another version stands there, or one at all; 404: it was deleted meanwhile.
            Err(Reason::Status(409)) => Ok(Written::NotOver(self.read().await?)),
            Err(Reason::Status(404)) if self.seen.is_some() => {
                Ok(Written::NotOver(self.read().await?))
            }
            Err(reason) => Err(reason),
        }
    }

    fn new_lease(&self) -> Value {
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": { "name": self.name.name, "namespace": self.name.namespace },
            "spec": {},
        })
    }

    fn folder(&self) -> String {
        let namespace = &self.name.namespace;
        format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    }

    fn path(&self) -> String {
        format!("{}/{}", self.folder(), self.name.name)
    }
}

/// A Lease that a write can be made conditional on.
fn object(body: &[u8]) -> Result<Value, Reason> {
    let object: Value = serde_json::from_slice(body).map_err(|_| Reason::Malformed)?;
    let version = object["metadata"]["resourceVersion"].as_str();
    match version.is_some_and(|version| !version.is_empty()) {
        true => Ok(object),
        false => Err(Reason::Malformed),
    }
}

fn text(lease: &Value) -> Option<String> {
    let text = lease["metadata"]["annotations"][ANNOTATION].as_str()?;
    Some(text.to_owned())
}

fn annotate(lease: &mut Value, text: &str) -> Option<()> {
    let metadata = lease.get_mut("metadata")?.as_object_mut()?;
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if annotations.is_null() {
        *annotations = json!({});
    }
    let annotations = annotations.as_object_mut()?;
    annotations.insert(ANNOTATION.to_owned(), text.into());
    Some(())
}
