//! The forms an answer may take: objects, their metadata alone, or a server-side Table.

use bytes::Bytes;
use serde_json::{Value, json};

use super::item::Item;
use super::query::Query;
use super::resource::Resource;
use super::status::Failure;
use crate::clock;

/// What the Accept header and `includeObject` ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Objects,
    PartialObjects,
    Table(Include),
}

/// What a row of a Table carries besides its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Form {
    /// The first form in `accept` that can be served.
    pub(crate) fn choose(accept: Option<&str>, query: &Query) -> Result<Self, Failure> {
        let Some(accept) = accept else {
            return Ok(Self::Objects);
        };
        for offer in accept.split(',') {
            let mut parts = offer.split(';').map(str::trim);
            let is_json = parts
                .next()
                .is_some_and(|kind| matches!(kind, "application/json" | "application/*" | "*/*"));
            if !is_json {
                continue;
            }
            match parts.find_map(|parameter| parameter.strip_prefix("as=")) {
                None => return Ok(Self::Objects),
                Some("Table") => return Include::parse(query).map(Self::Table),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => {
                    return Ok(Self::PartialObjects);
                }
                Some(_) => {}
            }
        }
        Err(Failure::new(
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json",
        ))
    }

    /// A list up to its first item.
    pub(crate) fn open(self, resource: Resource, metadata: &Value) -> Bytes {
        let open = match self {
            Self::Objects => format!(
                "{{\"kind\":\"{}List\",\"apiVersion\":\"{}\",\"metadata\":{metadata},\"items\":[",
                resource.kind(),
                resource.api_version()
            ),
            Self::PartialObjects => format!(
                "{{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\",\
                 \"metadata\":{metadata},\"items\":["
            ),
            Self::Table(_) => format!(
                "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{metadata},\
                 \"columnDefinitions\":{},\"rows\":[",
                columns(resource)
            ),
        };
        open.into()
    }

    /// One item of a list.
    pub(crate) fn item(self, item: &Item) -> Bytes {
        match self {
            Self::Objects => item.text(),
            Self::PartialObjects => partial(item).to_string().into(),
            Self::Table(include) => {
                let object = match include {
                    Include::Nothing => Value::Null,
                    Include::Metadata => partial(item),
                    Include::Object => item.value(),
                };
                format!("{{\"cells\":{},\"object\":{object}}}", cells(item)).into()
            }
        }
    }

    /// One object that was asked for by name.
    pub(crate) fn single(self, item: &Item) -> Bytes {
        match self {
            Self::Objects => item.typed_text(),
            Self::PartialObjects => self.item(item),
            Self::Table(_) => {
                let metadata = json!({ "resourceVersion": item.version.to_string() });
                let mut table = self.open(item.resource, &metadata).to_vec();
                table.extend_from_slice(&self.item(item));
                table.extend_from_slice(b"]}");
                table.into()
            }
        }
    }
}

impl Include {
    fn parse(query: &Query) -> Result<Self, Failure> {
        match query.include.as_deref() {
            None | Some("" | "Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::Nothing),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(Failure::bad_request(format!(
                "unrecognized includeObject value: \"{other}\""
            ))),
        }
    }
}

fn partial(item: &Item) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": item.value()["metadata"],
    })
}

fn columns(resource: Resource) -> Value {
    let column = |name: &str, format: &str| {
        json!({
            "name": name,
            "type": "string",
            "format": format,
            "description": format!("{name} of the object"),
            "priority": 0,
        })
    };
    let mut columns = vec![column("Name", "name")];
    if resource == Resource::Secrets {
        columns.push(column("Type", ""));
        columns.push(column("Data", ""));
    }
    columns.push(column("Age", ""));
    Value::Array(columns)
}

fn cells(item: &Item) -> Value {
    let mut cells = vec![json!(item.name)];
    if item.resource == Resource::Secrets {
        let entries = item.value()["data"]
            .as_object()
            .map_or(0, serde_json::Map::len);
        cells.push(json!(item.field("type")));
        cells.push(json!(entries));
    }
    cells.push(json!(age(&item.created)));
    Value::Array(cells)
}

/// `59s`, `4m10s`, `47h`, `30d`: close to Kubernetes' human durations.
fn age(created: &str) -> String {
    let Ok(created) = chrono::DateTime::parse_from_rfc3339(created) else {
        return "<unknown>".to_owned();
    };
    let seconds = (clock::now() - created.to_utc()).num_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if seconds % 60 != 0 => format!("{}m{}s", seconds / 60, seconds % 60),
        120..10_800 => format!("{}m", seconds / 60),
        10_800..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}
