//! Pods.

use serde_json::{Value, json};

use super::references;

/// A Pod with one container, `app`, that waits to be created; see the builder for the rest.
pub fn pod(namespace: &str, name: &str, image: &str, pull_secrets: &[&str]) -> PodBuilder {
    let mut spec = json!({
        "serviceAccountName": "default",
        "restartPolicy": "Always",
        "nodeName": "node-1",
        "containers": [container("app", image)],
    });
    if !pull_secrets.is_empty() {
        spec["imagePullSecrets"] = references(pull_secrets);
    }
    PodBuilder {
        object: json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "namespace": namespace, "name": name },
            "spec": spec,
            "status": {
                "phase": "Pending",
                "containerStatuses": [waiting("app", image, "ContainerCreating", None)],
            },
        }),
    }
}

/// Builds a Pod; turns into its JSON by `build` or `into`.
#[derive(Clone, Debug)]
#[must_use]
pub struct PodBuilder {
    object: Value,
}

impl PodBuilder {
    /// Controlled by this object, such as `ReplicaSet` `web-5d8f`.
    pub fn owner(mut self, kind: &str, name: &str) -> Self {
        let api_version = match kind {
            "Job" | "CronJob" => "batch/v1",
            "Node" | "ReplicationController" => "v1",
            _ => "apps/v1",
        };
        self.object = super::owned_by(self.object, api_version, kind, name);
        self
    }

    /// Bound to this node.
    pub fn node(mut self, node: &str) -> Self {
        self.object["spec"]["nodeName"] = json!(node);
        self
    }

    /// In this phase.
    pub fn phase(mut self, phase: &str) -> Self {
        self.object["status"]["phase"] = json!(phase);
        self
    }

    /// Run as this ServiceAccount.
    pub fn service_account(mut self, name: &str) -> Self {
        self.object["spec"]["serviceAccountName"] = json!(name);
        self
    }

    /// With this uid.
    pub fn uid(mut self, uid: &str) -> Self {
        self.object = super::with_uid(self.object, uid);
        self
    }

    /// Created at this RFC 3339 time.
    pub fn created_at(mut self, time: &str) -> Self {
        self.object = super::created_at(self.object, time);
        self
    }

    /// With this annotation.
    pub fn annotation(mut self, name: &str, value: &str) -> Self {
        self.object = super::annotated(self.object, name, value);
        self
    }

    /// With this label.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.object = super::labelled(self.object, name, value);
        self
    }

    /// A mirror of a static Pod.
    pub fn mirror(self) -> Self {
        self.annotation("kubernetes.io/config.mirror", "stand-in")
    }

    /// With `imagePullPolicy` of the first container.
    pub fn pull_policy(mut self, policy: &str) -> Self {
        self.object["spec"]["containers"][0]["imagePullPolicy"] = json!(policy);
        self
    }

    /// With one more container.
    pub fn container(mut self, name: &str, image: &str) -> Self {
        push(
            &mut self.object["spec"]["containers"],
            container(name, image),
        );
        let status = waiting(name, image, "ContainerCreating", None);
        push(&mut self.object["status"]["containerStatuses"], status);
        self
    }

    /// With one more init container, which waits.
    pub fn init_container(mut self, name: &str, image: &str) -> Self {
        let init = container(name, image);
        push(&mut self.object["spec"]["initContainers"], init);
        let status = waiting(name, image, "PodInitializing", None);
        push(&mut self.object["status"]["initContainerStatuses"], status);
        self
    }

    /// With an image volume, mounted by the first container.
    pub fn image_volume(mut self, name: &str, image: &str) -> Self {
        let volume = json!({ "name": name, "image": { "reference": image } });
        push(&mut self.object["spec"]["volumes"], volume);
        let mount = json!({ "name": name, "mountPath": format!("/volumes/{name}") });
        let first = &mut self.object["spec"]["containers"][0];
        push(&mut first["volumeMounts"], mount);
        self
    }

    /// The first container waits for this reason, with this message unless it is empty.
    pub fn waiting(self, reason: &str, message: &str) -> Self {
        self.waiting_in("app", reason, message)
    }

    /// A container or init container waits for this reason.
    ///
    /// # Panics
    /// When the Pod has no such container.
    pub fn waiting_in(mut self, container: &str, reason: &str, message: &str) -> Self {
        let message = Some(message).filter(|message| !message.is_empty());
        let status = self.status_of(container);
        let image = status["image"].as_str().unwrap_or_default().to_owned();
        *status = waiting(container, &image, reason, message);
        self
    }

    /// Every container and init container runs or has run; the phase is Running.
    pub fn running(mut self) -> Self {
        for (list, state, is_ready) in [
            (
                "initContainerStatuses",
                json!({ "terminated": { "exitCode": 0, "reason": "Completed" } }),
                true,
            ),
            (
                "containerStatuses",
                json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } }),
                true,
            ),
        ] {
            let statuses = self.object["status"][list].as_array_mut();
            for status in statuses.into_iter().flatten() {
                let image = status["image"].as_str().unwrap_or_default().to_owned();
                status["state"] = state.clone();
                status["ready"] = json!(is_ready);
                status["imageID"] = json!(image_id(&image));
            }
        }
        self.phase("Running")
    }

    /// The imageID of the first container's status.
    pub fn image_id(mut self, image_id: &str) -> Self {
        self.object["status"]["containerStatuses"][0]["imageID"] = json!(image_id);
        self
    }

    /// With managedFields that bring the Pod to about this size in JSON.
    pub fn padded_to(mut self, bytes: usize) -> Self {
        /// One `"f:...":{},` below.
        const FIELD: usize = 100;
        // uid, resourceVersion and creationTimestamp are still to come.
        let missing = bytes.saturating_sub(self.object.to_string().len() + 300);
        let fields: serde_json::Map<String, Value> = (0..missing / FIELD)
            .map(|index| (format!("f:{index:0>width$}", width = FIELD - 8), json!({})))
            .collect();
        self.object["metadata"]["managedFields"] = json!([{
            "manager": "kubelet",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": { "f:status": fields },
            "subresource": "status",
        }]);
        self
    }

    /// The Pod's JSON.
    #[must_use]
    pub fn build(self) -> Value {
        self.object
    }

    fn status_of(&mut self, container: &str) -> &mut Value {
        let status = self.object["status"]
            .as_object_mut()
            .into_iter()
            .flat_map(|status| status.values_mut())
            .filter_map(Value::as_array_mut)
            .flatten()
            .find(|status| status["name"] == container);
        status.expect("the Pod has a container of this name")
    }
}

impl From<PodBuilder> for Value {
    fn from(pod: PodBuilder) -> Self {
        pod.build()
    }
}

fn container(name: &str, image: &str) -> Value {
    json!({ "name": name, "image": image, "imagePullPolicy": "IfNotPresent" })
}

fn waiting(name: &str, image: &str, reason: &str, message: Option<&str>) -> Value {
    let mut waiting = json!({ "reason": reason });
    if let Some(message) = message {
        waiting["message"] = json!(message);
    }
    json!({
        "name": name,
        "image": image,
        "imageID": "",
        "ready": false,
        "restartCount": 0,
        "state": { "waiting": waiting },
    })
}

/// The image by a digest that is the same for the same image.
fn image_id(image: &str) -> String {
    let repository = match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    };
    let digest = crate::registry::sha256(image.as_bytes());
    format!("{repository}@{digest}")
}

fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        _ => *list = json!([item]),
    }
}
