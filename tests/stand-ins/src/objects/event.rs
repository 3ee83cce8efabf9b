//! Events of Pods, as the kubelet writes them.

use serde_json::{Value, json};

use crate::clock;

/// A Warning about a Pod's container `app`, seen once and just now.
pub fn event(namespace: &str, pod: &str, reason: &str, message: &str) -> EventBuilder {
    let now = clock::rfc3339(clock::now());
    EventBuilder {
        object: json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "namespace": namespace, "name": format!("{pod}.{reason}").to_lowercase() },
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": namespace,
                "name": pod,
                "fieldPath": "spec.containers{app}",
            },
            "reason": reason,
            "message": message,
            "type": "Warning",
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": { "component": "kubelet", "host": "node-1" },
            "reportingComponent": "kubelet",
            "reportingInstance": "node-1",
        }),
    }
}

/// Builds an Event; turns into its JSON by `build` or `into`.
#[derive(Clone, Debug)]
#[must_use]
pub struct EventBuilder {
    object: Value,
}

impl EventBuilder {
    /// Named so; a recorder keeps the name for as long as it counts.
    pub fn name(mut self, name: &str) -> Self {
        self.object["metadata"]["name"] = json!(name);
        self
    }

    /// About the Pod of this uid.
    pub fn pod_uid(mut self, uid: &str) -> Self {
        self.object["involvedObject"]["uid"] = json!(uid);
        self
    }

    /// About this part of the Pod; empty for the Pod as a whole.
    pub fn field_path(mut self, path: &str) -> Self {
        self.object["involvedObject"]["fieldPath"] = json!(path);
        if path.is_empty()
            && let Some(object) = self.object["involvedObject"].as_object_mut()
        {
            object.remove("fieldPath");
        }
        self
    }

    /// Seen so often.
    pub fn count(mut self, count: u32) -> Self {
        self.object["count"] = json!(count);
        self
    }

    /// First and last seen at these RFC 3339 times.
    pub fn seen(mut self, first: &str, last: &str) -> Self {
        self.object["firstTimestamp"] = json!(first);
        self.object["lastTimestamp"] = json!(last);
        self
    }

    /// Of type Normal.
    pub fn normal(mut self) -> Self {
        self.object["type"] = json!("Normal");
        self
    }

    /// From the kubelet of this node.
    pub fn node(mut self, node: &str) -> Self {
        self.object["source"]["host"] = json!(node);
        self.object["reportingInstance"] = json!(node);
        self
    }

    /// The Event's JSON.
    #[must_use]
    pub fn build(self) -> Value {
        self.object
    }
}

impl From<EventBuilder> for Value {
    fn from(event: EventBuilder) -> Self {
        event.build()
    }
}
