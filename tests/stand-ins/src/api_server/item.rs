//! One stored object: its identity, its selectable fields, and its JSON text, kept or made anew.
//!
//! Texts have the key order of a real server: the metadata first, and the name before annotations,
//! so that a reader of half an object knows what it reads.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::resource::Resource;

/// Makes the n-th generated object; must make the same one each time.
pub(crate) type Make = Arc<dyn Fn(usize) -> Value + Send + Sync>;

/// See the module.
pub(crate) struct Item {
    pub(crate) resource: Resource,
    /// Position in lists: `namespace/name`, or the name.
    pub(crate) key: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) created: String,
    pub(crate) version: u64,
    /// One value for each of `Resource::fields`, in that order.
    fields: Box<[Box<str>]>,
    content: Content,
}

enum Content {
    /// The object without kind and apiVersion.
    Text(Bytes),
    Generated {
        make: Make,
        index: usize,
    },
}

/// What the server adds to an object.
pub(crate) struct Identity {
    pub(crate) uid: String,
    pub(crate) created: String,
    pub(crate) version: u64,
}

impl Item {
    pub(crate) fn kept(resource: Resource, mut object: Value, identity: Identity) -> Self {
        complete(resource, &mut object);
        let mut item = Self::without_content(resource, &object, identity);
        item.content = Content::Text(item.render(object));
        item
    }

    pub(crate) fn generated(
        resource: Resource,
        make: &Make,
        index: usize,
        identity: Identity,
    ) -> Self {
        let mut object = make(index);
        complete(resource, &mut object);
        let mut item = Self::without_content(resource, &object, identity);
        item.content = Content::Generated {
            make: make.clone(),
            index,
        };
        item
    }

    /// The same object at another version.
    pub(crate) fn at_version(&self, version: u64) -> Self {
        let mut item = Self {
            resource: self.resource,
            key: self.key.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            created: self.created.clone(),
            version,
            fields: self.fields.clone(),
            content: Content::Text(Bytes::new()),
        };
        item.content = match &self.content {
            Content::Text(_) => Content::Text(item.render(self.value())),
            Content::Generated { make, index } => Content::Generated {
                make: make.clone(),
                index: *index,
            },
        };
        item
    }

    fn without_content(resource: Resource, object: &Value, identity: Identity) -> Self {
        let (namespace, name) = place(resource, object);
        Self {
            resource,
            key: key(resource, &namespace, &name),
            namespace,
            name,
            uid: identity.uid,
            created: identity.created,
            version: identity.version,
            fields: resource
                .fields()
                .iter()
                .map(|field| selectable(object, field).into())
                .collect(),
            content: Content::Text(Bytes::new()),
        }
    }

    /// The value of a field label, empty if there is none.
    pub(crate) fn field(&self, label: &str) -> &str {
        match label {
            "metadata.name" => &self.name,
            "metadata.namespace" => &self.namespace,
            _ => self
                .resource
                .fields()
                .iter()
                .zip(&self.fields)
                .find(|(field, _)| **field == label)
                .map_or("", |(_, value)| value),
        }
    }

    /// As it stands in a list: without kind and apiVersion.
    pub(crate) fn text(&self) -> Bytes {
        match &self.content {
            Content::Text(text) => text.clone(),
            Content::Generated { make, index } => {
                let mut object = make(*index);
                complete(self.resource, &mut object);
                self.render(object)
            }
        }
    }

    /// As it stands alone and in watches.
    pub(crate) fn typed_text(&self) -> Bytes {
        let text = self.text();
        let mut typed = format!(
            "{{\"kind\":\"{}\",\"apiVersion\":\"{}\",",
            self.resource.kind(),
            self.resource.api_version()
        )
        .into_bytes();
        typed.extend_from_slice(&text[1..]);
        typed.into()
    }

    /// With kind and apiVersion.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.typed_text()).expect("the text was rendered from JSON")
    }

    fn render(&self, mut object: Value) -> Bytes {
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(self.name);
        if self.resource.is_namespaced() {
            metadata["namespace"] = json!(self.namespace);
        }
        metadata["uid"] = json!(self.uid);
        metadata["resourceVersion"] = json!(self.version.to_string());
        metadata["creationTimestamp"] = json!(self.created);
        let Value::Object(mut object) = object else {
            unreachable!("an object with metadata was indexed above")
        };
        object.remove("kind");
        object.remove("apiVersion");
        let mut text = Vec::new();
        write_members(
            &mut text,
            &object,
            &["metadata"],
            |text, name, value| match (name, value) {
                ("metadata", Value::Object(metadata)) => {
                    write_members(text, metadata, METADATA_ORDER, |text, _, value| {
                        write_value(text, value);
                    });
                }
                _ => write_value(text, value),
            },
        );
        text.into()
    }
}

/// The order of Go's ObjectMeta.
const METADATA_ORDER: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

fn write_members(
    text: &mut Vec<u8>,
    members: &Map<String, Value>,
    first: &[&str],
    write: impl Fn(&mut Vec<u8>, &str, &Value),
) {
    let ahead = first.iter().filter_map(|name| members.get_key_value(*name));
    let behind = members
        .iter()
        .filter(|(name, _)| !first.contains(&name.as_str()));
    for (count, (name, value)) in ahead.chain(behind).enumerate() {
        text.push(if count == 0 { b'{' } else { b',' });
        write_value(text, &json!(name));
        text.push(b':');
        write(text, name, value);
    }
    if members.is_empty() {
        text.push(b'{');
    }
    text.push(b'}');
}

fn write_value(text: &mut Vec<u8>, value: &Value) {
    serde_json::to_writer(text, value).expect("JSON values can be written to memory");
}

pub(crate) fn key(resource: Resource, namespace: &str, name: &str) -> String {
    if resource.is_namespaced() {
        format!("{namespace}/{name}")
    } else {
        name.to_owned()
    }
}

/// Namespace (`default` if a namespaced object has none) and name.
///
/// # Panics
/// When the object has no name.
pub(crate) fn place(resource: Resource, object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str();
    let name = text("name").expect("the object has a metadata.name");
    let namespace = if resource.is_namespaced() {
        text("namespace").unwrap_or("default")
    } else {
        ""
    };
    (namespace.to_owned(), name.to_owned())
}

fn selectable<'a>(object: &'a Value, field: &str) -> &'a str {
    let path = if field == "source" {
        "source.component"
    } else {
        field
    };
    path.split('.')
        .try_fold(object, |value, name| value.get(name))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Defaults that the API server sets on creation.
fn complete(resource: Resource, object: &mut Value) {
    match resource {
        Resource::Secrets => {
            if let Some(Value::Object(plain)) = object
                .as_object_mut()
                .and_then(|members| members.remove("stringData"))
            {
                for (name, value) in plain {
                    let value = value.as_str().unwrap_or_default();
                    object["data"][name] = json!(crate::objects::base64(value));
                }
            }
            if object.get("type").is_none() {
                object["type"] = json!("Opaque");
            }
        }
        Resource::Pods => set_phase(object, "Pending"),
        Resource::Namespaces => set_phase(object, "Active"),
        Resource::Events | Resource::Leases | Resource::ServiceAccounts => {}
    }
}

fn set_phase(object: &mut Value, phase: &str) {
    let status = &mut object["status"];
    if status.is_null() || (status.is_object() && status.get("phase").is_none()) {
        status["phase"] = json!(phase);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_comes_before_everything_a_tenant_may_inflate() {
        let item = Item::kept(
            Resource::Secrets,
            json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "data": { "k": "dg==" },
                "metadata": { "annotations": { "a": "b" }, "name": "s", "namespace": "n" },
            }),
            Identity {
                uid: "u".to_owned(),
                created: "c".to_owned(),
                version: 7,
            },
        );
        assert_eq!(
            item.typed_text(),
            concat!(
                r#"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","namespace":"n","#,
                r#""uid":"u","resourceVersion":"7","creationTimestamp":"c","#,
                r#""annotations":{"a":"b"}},"data":{"k":"dg=="},"type":"Opaque"}"#
            )
        );
        assert_eq!(item.field("type"), "Opaque");
        assert_eq!(item.field("metadata.namespace"), "n");
    }
}
