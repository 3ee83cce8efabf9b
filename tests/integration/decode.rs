//! The decoders are total: k8s-openapi's own objects, each field in turn null, missing or of another
//! type, give the record with that field at its default and everything else intact.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use regcred_exporter::domain::cluster::{
    ConditionSeen, ContainerKind, ContainerSeen, EventSeen, ImageVolumeSeen, NamespaceSeen,
    ObjectName, OwnerSeen, Phase, PodSeen, PullPolicy, SecretSeen, ServiceAccountSeen, Uid,
};
use regcred_exporter::domain::docker_config::{self, FaultKind, Parsed, SecretKind};
use regcred_exporter::kubernetes::decode::{self, Broken, Decoded, Place, Wanted};
use regcred_stand_ins::objects;
use serde_json::{Value, json};

const CANARY: &str = "c4n4ry";

/// What has become of the record when the value at this pointer is gone.
type Loss<T> = (&'static str, fn(&mut T));

/// Each pointer of the object, each wrong value: the losses below it and no other.
fn check<T: PartialEq + std::fmt::Debug>(
    object: &Value,
    decode: impl Fn(&[u8], Place) -> Result<Decoded<T>, Broken>,
    whole: impl Fn() -> T,
    losses: &[Loss<T>],
) {
    let decoded = decode(object.to_string().as_bytes(), Place::Item).unwrap();
    assert_eq!(decoded.record, whole());
    assert_eq!((decoded.faults, decoded.first_fault), (0, None));

    let pointers = pointers(object);
    for (pointer, _) in losses {
        assert!(
            pointers.iter().any(|p| p == pointer),
            "{pointer} is not in the object"
        );
    }
    for pointer in &pointers {
        let mut expected = whole();
        let mut is_read = false;
        for (lost, lose) in losses {
            if lost == pointer || lost.starts_with(&format!("{pointer}/")) {
                lose(&mut expected);
                is_read |= lost == pointer;
            }
        }
        let original = object.pointer(pointer).unwrap();
        for wrong in wrong_values(original) {
            let is_null = wrong.as_ref().is_none_or(Value::is_null);
            let mut broken = object.clone();
            match wrong {
                Some(value) => *broken.pointer_mut(pointer).unwrap() = value,
                None => remove(&mut broken, pointer),
            }
            let line = json!({"type": "ADDED", "object": broken});
            for (json, place) in [(&broken, Place::Item), (&line, Place::Line)] {
                let decoded = decode(json.to_string().as_bytes(), place)
                    .unwrap_or_else(|error| panic!("{pointer}: {error}: {json}"));
                assert_eq!(decoded.record, expected, "{pointer} in {json}");
                if is_null {
                    assert_eq!(decoded.faults, 0, "{pointer}: null is a default");
                } else if is_read {
                    assert_eq!(decoded.faults, 1, "{pointer} in {json}");
                    assert_eq!(decoded.first_fault, Some(path(pointer)));
                }
            }
        }
    }
}

/// Null, missing (`None`), and one value of each other type.
fn wrong_values(original: &Value) -> Vec<Option<Value>> {
    let all = [
        json!(CANARY),
        json!(7),
        json!(true),
        json!([[CANARY], {"name": CANARY}, null, 1, "x"]),
        json!({"a": CANARY, "b": [{}]}),
    ];
    let same = |value: &Value| std::mem::discriminant(value) == std::mem::discriminant(original);
    let mut wrong: Vec<Option<Value>> = vec![None, Some(Value::Null), Some(json!(-1.5))];
    if original.is_number() {
        wrong.push(Some(json!(u64::MAX)));
    }
    wrong.extend(all.into_iter().filter(|value| !same(value)).map(Some));
    wrong
}

fn pointers(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![(String::new(), value)];
    while let Some((pointer, value)) = todo.pop() {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (name.replace('~', "~0").replace('/', "~1"), value))
                .collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, value)| (index.to_string(), value))
                .collect(),
            _ => Vec::new(),
        };
        todo.extend(
            children
                .into_iter()
                .map(|(name, value)| (format!("{pointer}/{name}"), value)),
        );
        found.push(pointer);
    }
    found
}

fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        *value = json!({});
        return;
    };
    let name = name.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.remove(&name)),
        // A list has no missing element that leaves its neighbours where they are.
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = Value::Null,
        _ => unreachable!(),
    }
}

/// `/spec/containers/1/image` as the decoder says it: `.spec.containers[1].image`.
fn path(pointer: &str) -> String {
    pointer
        .split('/')
        .skip(1)
        .map(|name| match name.parse::<usize>() {
            Ok(index) => format!("[{index}]"),
            Err(_) => format!(".{}", name.replace("~1", "/").replace("~0", "~")),
        })
        .collect()
}

/// Makes sure that the object is one of k8s-openapi's, and as it writes it.
fn own<T: serde::Serialize + serde::de::DeserializeOwned>(object: Value) -> Value {
    let typed: T = serde_json::from_value(object.clone()).unwrap();
    let again = serde_json::to_value(typed).unwrap();
    for pointer in pointers(&object) {
        assert!(
            again.pointer(&pointer).is_some(),
            "k8s-openapi has no {pointer}"
        );
    }
    again
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn instant(text: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    Some(text.parse().unwrap())
}

// === pods ===

fn pod() -> Value {
    own::<core::Pod>(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-0",
            "generateName": "web-",
            "namespace": "shop",
            "uid": "00000000-0000-0000-0000-00000000002a",
            "resourceVersion": "41",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "deletionTimestamp": "2026-01-02T04:04:05Z",
            "annotations": {
                "kubernetes.io/config.mirror": "yes",
                "kubectl.kubernetes.io/last-applied-configuration": CANARY,
            },
            "labels": {"app": "web", "pod-template-hash": "5d9c"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "first", "uid": "1"},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d9c", "uid": "2", "controller": true},
            ],
            "managedFields": [{"manager": "m", "time": "2026-01-02T03:04:05Z", "fieldsV1": {"f:data": {}}}],
        },
        "spec": {
            "nodeName": "node-1",
            "serviceAccountName": "builder",
            "imagePullSecrets": [{"name": "one"}, {"name": ""}, {}, {"name": "two"}],
            "containers": [
                {"name": "app", "image": "r.io/app:1", "imagePullPolicy": "Always",
                 "env": [{"name": "PASSWORD", "value": CANARY}],
                 "resources": {"limits": {"cpu": "1"}}},
                {"name": "side", "image": "r.io/side", "imagePullPolicy": "Never"},
            ],
            "initContainers": [{"name": "app", "image": "r.io/init", "imagePullPolicy": "IfNotPresent"}],
            "ephemeralContainers": [{"name": "debug", "image": "r.io/debug"}],
            "volumes": [
                {"name": "scratch", "emptyDir": {}},
                {"name": "model", "image": {"reference": "r.io/model:2", "pullPolicy": "Always"}},
            ],
            "tolerations": [{"operator": "Exists"}],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": "Ready", "status": "False", "reason": "ContainersNotReady"},
                {"type": "PodScheduled", "status": "True"},
            ],
            "containerStatuses": [
                {"name": "side", "image": "", "imageID": "r.io/side@sha256:1", "ready": true, "restartCount": 3,
                 "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}},
                {"name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                 "state": {"waiting": {"reason": "ErrImagePull", "message": "401 Unauthorized"}},
                 "lastState": {"terminated": {"exitCode": 1, "message": CANARY}}},
            ],
            "initContainerStatuses": [
                {"name": "app", "image": "", "imageID": "r.io/init@sha256:2", "ready": true, "restartCount": 1,
                 "state": {"terminated": {"exitCode": 0, "message": CANARY}}},
            ],
            "ephemeralContainerStatuses": [
                {"name": "debug", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                 "state": {"waiting": {"reason": "ContainerCreating"}}},
            ],
            "qosClass": "Burstable",
        },
    }))
}

fn container(kind: ContainerKind, name: &str, image: &str) -> ContainerSeen {
    ContainerSeen {
        kind,
        name: text(name),
        image: text(image),
        ..ContainerSeen::default()
    }
}

fn pod_seen() -> PodSeen {
    PodSeen {
        uid: Uid(42),
        object: ObjectName {
            namespace: text("shop"),
            name: text("web-0"),
        },
        created: instant("2026-01-02T03:04:05Z"),
        terminating: true,
        owner: Some(OwnerSeen {
            kind: text("ReplicaSet"),
            name: text("web-5d9c"),
        }),
        template_hash: Some(text("5d9c")),
        mirror: true,
        node: Some(text("node-1")),
        phase: Phase::Running,
        conditions: vec![ConditionSeen {
            kind: text("Ready"),
            reason: text("ContainersNotReady"),
        }],
        service_account: text("builder"),
        pull_secrets: vec![text("one"), text("two")],
        containers: vec![
            ContainerSeen {
                image_id: text("r.io/init@sha256:2"),
                restarts: 1,
                ..container(ContainerKind::Init, "app", "r.io/init")
            },
            ContainerSeen {
                pull_policy: PullPolicy::Always,
                waiting_reason: Some(text("ErrImagePull")),
                waiting_message: Some(text("401 Unauthorized")),
                ..container(ContainerKind::Main, "app", "r.io/app:1")
            },
            ContainerSeen {
                pull_policy: PullPolicy::Never,
                image_id: text("r.io/side@sha256:1"),
                running: true,
                restarts: 3,
                ..container(ContainerKind::Main, "side", "r.io/side")
            },
            ContainerSeen {
                waiting_reason: Some(text("ContainerCreating")),
                ..container(ContainerKind::Ephemeral, "debug", "r.io/debug")
            },
        ],
        image_volumes: vec![ImageVolumeSeen {
            name: text("model"),
            image: text("r.io/model:2"),
            pull_policy: PullPolicy::Always,
        }],
    }
}

/// The container's status is lost.
fn forget(container: &mut ContainerSeen) {
    container.image_id.clear();
    container.waiting_reason = None;
    container.waiting_message = None;
    container.running = false;
    container.restarts = 0;
}

/// The container of this list and name, if it is still there.
fn of<'a>(pod: &'a mut PodSeen, kind: ContainerKind, name: &str) -> Option<&'a mut ContainerSeen> {
    pod.containers
        .iter_mut()
        .find(|container| container.kind == kind && container.name == name)
}

/// No controller is left.
fn first_owner(pod: &mut PodSeen) {
    pod.owner = Some(OwnerSeen {
        kind: text("Other"),
        name: text("first"),
    });
}

/// In the order in which losses add up.
const POD: &[Loss<PodSeen>] = &[
    ("/metadata/name", |pod| pod.object.name.clear()),
    ("/metadata/namespace", |pod| pod.object.namespace.clear()),
    ("/metadata/uid", |pod| pod.uid = Uid(0)),
    ("/metadata/creationTimestamp", |pod| pod.created = None),
    ("/metadata/deletionTimestamp", |pod| pod.terminating = false),
    (
        "/metadata/annotations/kubernetes.io~1config.mirror",
        |pod| pod.mirror = false,
    ),
    ("/metadata/labels/pod-template-hash", |pod| {
        pod.template_hash = None
    }),
    ("/metadata/ownerReferences/1/kind", |pod| {
        pod.owner.iter_mut().for_each(|owner| owner.kind.clear());
    }),
    ("/metadata/ownerReferences/1/name", |pod| {
        pod.owner.iter_mut().for_each(|owner| owner.name.clear());
    }),
    ("/metadata/ownerReferences/1/controller", first_owner),
    ("/metadata/ownerReferences/1", first_owner),
    ("/metadata/ownerReferences", |pod| pod.owner = None),
    ("/spec/nodeName", |pod| pod.node = None),
    ("/spec/serviceAccountName", |pod| {
        pod.service_account = text("default")
    }),
    ("/spec/imagePullSecrets", |pod| pod.pull_secrets.clear()),
    ("/spec/imagePullSecrets/0/name", |pod| {
        pod.pull_secrets.retain(|name| name != "one")
    }),
    ("/spec/imagePullSecrets/3/name", |pod| {
        pod.pull_secrets.retain(|name| name != "two")
    }),
    ("/spec/containers", |pod| {
        pod.containers.retain(|c| c.kind != ContainerKind::Main)
    }),
    ("/spec/containers/0", |pod| {
        pod.containers
            .retain(|c| c.kind != ContainerKind::Main || c.name != "app");
    }),
    ("/spec/containers/1", |pod| {
        pod.containers.retain(|c| c.name != "side")
    }),
    ("/spec/containers/0/name", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "app") {
            c.name.clear();
            forget(c);
        }
    }),
    ("/spec/containers/0/image", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "app") {
            c.image.clear();
        }
    }),
    ("/spec/containers/0/imagePullPolicy", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "app") {
            c.pull_policy = PullPolicy::IfNotPresent;
        }
    }),
    ("/spec/containers/1/image", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "side") {
            c.image.clear();
        }
    }),
    ("/spec/containers/1/imagePullPolicy", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "side") {
            c.pull_policy = PullPolicy::IfNotPresent;
        }
    }),
    ("/spec/containers/1/name", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "side") {
            c.name.clear();
            forget(c);
        }
    }),
    ("/spec/initContainers", |pod| {
        pod.containers.retain(|c| c.kind != ContainerKind::Init)
    }),
    ("/spec/initContainers/0", |pod| {
        pod.containers.retain(|c| c.kind != ContainerKind::Init)
    }),
    ("/spec/initContainers/0/image", |pod| {
        if let Some(c) = of(pod, ContainerKind::Init, "app") {
            c.image.clear();
        }
    }),
    ("/spec/initContainers/0/name", |pod| {
        if let Some(c) = of(pod, ContainerKind::Init, "app") {
            c.name.clear();
            forget(c);
        }
    }),
    ("/spec/ephemeralContainers", |pod| {
        pod.containers
            .retain(|c| c.kind != ContainerKind::Ephemeral);
    }),
    ("/spec/ephemeralContainers/0", |pod| {
        pod.containers
            .retain(|c| c.kind != ContainerKind::Ephemeral);
    }),
    ("/spec/ephemeralContainers/0/image", |pod| {
        if let Some(c) = of(pod, ContainerKind::Ephemeral, "debug") {
            c.image.clear();
        }
    }),
    ("/spec/ephemeralContainers/0/name", |pod| {
        if let Some(c) = of(pod, ContainerKind::Ephemeral, "debug") {
            c.name.clear();
            forget(c);
        }
    }),
    ("/spec/volumes", |pod| pod.image_volumes.clear()),
    ("/spec/volumes/1/name", |pod| {
        pod.image_volumes
            .iter_mut()
            .for_each(|volume| volume.name.clear());
    }),
    ("/spec/volumes/1/image/reference", |pod| {
        pod.image_volumes.clear()
    }),
    ("/spec/volumes/1/image/pullPolicy", |pod| {
        pod.image_volumes
            .iter_mut()
            .for_each(|volume| volume.pull_policy = PullPolicy::IfNotPresent);
    }),
    ("/status/phase", |pod| pod.phase = Phase::Pending),
    ("/status/conditions/0/type", |pod| {
        pod.conditions.iter_mut().for_each(|c| c.kind.clear())
    }),
    ("/status/conditions/0/reason", |pod| {
        pod.conditions.iter_mut().for_each(|c| c.reason.clear());
    }),
    ("/status/conditions/0", |pod| pod.conditions.clear()),
    ("/status/conditions/1/status", |pod| {
        pod.conditions.push(ConditionSeen {
            kind: text("PodScheduled"),
            reason: String::new(),
        });
    }),
    ("/status/conditions/1/type", |pod| {
        pod.conditions
            .iter_mut()
            .skip(1)
            .for_each(|c| c.kind.clear());
    }),
    ("/status/conditions/1", |pod| pod.conditions.truncate(1)),
    ("/status/conditions", |pod| pod.conditions.clear()),
    ("/status/containerStatuses", |pod| {
        of(pod, ContainerKind::Main, "app")
            .into_iter()
            .for_each(forget);
        of(pod, ContainerKind::Main, "side")
            .into_iter()
            .for_each(forget);
    }),
    ("/status/containerStatuses/0/name", |pod| {
        of(pod, ContainerKind::Main, "side")
            .into_iter()
            .for_each(forget);
    }),
    ("/status/containerStatuses/1/name", |pod| {
        of(pod, ContainerKind::Main, "app")
            .into_iter()
            .for_each(forget);
    }),
    ("/status/containerStatuses/0/imageID", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "side") {
            c.image_id.clear();
        }
    }),
    ("/status/containerStatuses/0/restartCount", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "side") {
            c.restarts = 0;
        }
    }),
    ("/status/containerStatuses/0/state/running", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "side") {
            c.running = false;
        }
    }),
    ("/status/containerStatuses/1/state/waiting/reason", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "app") {
            // It still waits for what the message says.
            c.waiting_reason = c.waiting_message.as_ref().map(|_| String::new());
        }
    }),
    ("/status/containerStatuses/1/state/waiting/message", |pod| {
        if let Some(c) = of(pod, ContainerKind::Main, "app") {
            c.waiting_message = None;
            if c.waiting_reason.as_deref() == Some("") {
                c.waiting_reason = None;
            }
        }
    }),
    ("/status/initContainerStatuses/0/name", |pod| {
        of(pod, ContainerKind::Init, "app")
            .into_iter()
            .for_each(forget);
    }),
    ("/status/initContainerStatuses/0/imageID", |pod| {
        if let Some(c) = of(pod, ContainerKind::Init, "app") {
            c.image_id.clear();
        }
    }),
    ("/status/initContainerStatuses/0/restartCount", |pod| {
        if let Some(c) = of(pod, ContainerKind::Init, "app") {
            c.restarts = 0;
        }
    }),
    ("/status/ephemeralContainerStatuses/0/name", |pod| {
        of(pod, ContainerKind::Ephemeral, "debug")
            .into_iter()
            .for_each(forget);
    }),
    (
        "/status/ephemeralContainerStatuses/0/state/waiting/reason",
        |pod| {
            of(pod, ContainerKind::Ephemeral, "debug")
                .into_iter()
                .for_each(forget);
        },
    ),
];

#[test]
fn a_pod_survives_any_field() {
    check(&pod(), decode::pod, pod_seen, POD);
}

#[test]
fn messages_are_bounded_and_kept_only_while_waiting() {
    let mut pod = pod();
    let long = "ä".repeat(100_000);
    pod["status"]["containerStatuses"][1]["state"]["waiting"]["message"] = json!(long);
    pod["status"]["containerStatuses"][0]["state"] =
        json!({"terminated": {"reason": "Error", "message": long}});
    let decoded = decode::pod(pod.to_string().as_bytes(), Place::Item).unwrap();
    let messages: Vec<_> = decoded
        .record
        .containers
        .iter()
        .map(|c| c.waiting_message.as_ref().map(String::len))
        .collect();
    assert_eq!(messages, [None, Some(65_536), None, None]);
}

// === secrets ===

/// A Secret with its bytes laid open.
#[derive(Debug, PartialEq)]
struct Open {
    uid: Uid,
    object: ObjectName,
    created: Option<chrono::DateTime<chrono::Utc>>,
    changed: Option<(chrono::DateTime<chrono::Utc>, String)>,
    kind: SecretKind,
    docker_config: Parsed,
    expiry_data: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    owner: Option<OwnerSeen>,
}

fn open(secret: Option<SecretSeen>) -> Option<Open> {
    let secret = secret?;
    Some(Open {
        uid: secret.uid,
        object: secret.object,
        created: secret.created,
        changed: secret.changed,
        kind: secret.kind,
        docker_config: secret.docker_config,
        expiry_data: secret.expiry_data,
        annotations: secret.annotations,
        labels: secret.labels,
        owner: secret.owner,
    })
}

fn wanted() -> Wanted {
    Wanted::least()
        .with_annotations([text("example.org/expires")])
        .with_data_keys([text("expires_at"), text("expiry")])
}

fn secret() -> Value {
    own::<core::Secret>(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "regcred",
            "namespace": "shop",
            "uid": "00000000-0000-0000-0000-00000000002b",
            "resourceVersion": "42",
            "creationTimestamp": "2026-01-02T03:04:05Z",
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": CANARY,
                "reconcile.external-secrets.io/data-hash": CANARY,
                "example.org/expires": "2027-01-01",
                "example.org/other": CANARY,
                "regcred-exporter.io/probe": "false",
                "meta.helm.sh/release-name": "shop",
            },
            "labels": {
                "app.kubernetes.io/managed-by": "Helm",
                "other": CANARY,
            },
            "ownerReferences": [
                {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "es", "uid": "3"},
            ],
            "managedFields": [
                {"manager": "old", "operation": "Update", "time": "2026-01-02T03:04:05Z",
                 "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {".": {}}, "f:type": {}}},
                {"manager": "new", "operation": "Update", "time": "2026-02-02T03:04:05Z",
                 "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:.dockerconfigjson": {}}}},
                {"manager": "labeller", "operation": "Apply", "time": "2026-03-02T03:04:05Z",
                 "fieldsType": "FieldsV1", "fieldsV1": {"f:metadata": {"f:labels": {}}}},
            ],
        },
        "data": {
            ".dockerconfigjson": "eyJhdXRocyI6e319",
            ".dockercfg": "YzRuNHJ5",
            "expires_at": "MTc5MDAwMDAwMA==",
            "other": "YzRuNHJ5",
        },
        "type": "kubernetes.io/dockerconfigjson",
    }))
}

fn secret_seen() -> Option<Open> {
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (text(k), text(v))).collect();
    Some(Open {
        uid: Uid(43),
        object: ObjectName {
            namespace: text("shop"),
            name: text("regcred"),
        },
        created: instant("2026-01-02T03:04:05Z"),
        changed: instant("2026-02-02T03:04:05Z").zip(Some(text("new"))),
        kind: SecretKind::DockerConfigJson,
        docker_config: docker_config::parse(SecretKind::DockerConfigJson, Some(br#"{"auths":{}}"#)),
        expiry_data: map(&[("expires_at", "1790000000")]),
        annotations: map(&[
            ("example.org/expires", "2027-01-01"),
            ("meta.helm.sh/release-name", "shop"),
            ("regcred-exporter.io/probe", "false"),
        ]),
        labels: map(&[("app.kubernetes.io/managed-by", "Helm")]),
        owner: Some(OwnerSeen {
            kind: text("ExternalSecret"),
            name: text("es"),
        }),
    })
}

/// The second entry of managedFields says nothing.
fn first_change(secret: &mut Option<Open>) {
    lose(secret, |s| {
        s.changed = instant("2026-01-02T03:04:05Z").zip(Some(text("old")))
    });
}

fn lose(secret: &mut Option<Open>, lose: impl FnOnce(&mut Open)) {
    lose(secret.as_mut().unwrap());
}

const SECRET: &[Loss<Option<Open>>] = &[
    ("/metadata/name", |s| lose(s, |s| s.object.name.clear())),
    ("/metadata/namespace", |s| {
        lose(s, |s| s.object.namespace.clear())
    }),
    ("/metadata/uid", |s| lose(s, |s| s.uid = Uid(0))),
    ("/metadata/creationTimestamp", |s| {
        lose(s, |s| s.created = None)
    }),
    ("/metadata/annotations/example.org~1expires", |s| {
        lose(s, |s| drop(s.annotations.remove("example.org/expires")));
    }),
    ("/metadata/annotations/meta.helm.sh~1release-name", |s| {
        lose(s, |s| {
            drop(s.annotations.remove("meta.helm.sh/release-name"))
        });
    }),
    ("/metadata/annotations/regcred-exporter.io~1probe", |s| {
        lose(s, |s| {
            drop(s.annotations.remove("regcred-exporter.io/probe"))
        });
    }),
    ("/metadata/labels/app.kubernetes.io~1managed-by", |s| {
        lose(s, |s| s.labels.clear())
    }),
    ("/metadata/ownerReferences", |s| lose(s, |s| s.owner = None)),
    ("/metadata/ownerReferences/0", |s| {
        lose(s, |s| s.owner = None)
    }),
    ("/metadata/ownerReferences/0/kind", |s| {
        lose(s, |s| {
            s.owner.iter_mut().for_each(|owner| owner.kind.clear())
        });
    }),
    ("/metadata/ownerReferences/0/name", |s| {
        lose(s, |s| {
            s.owner.iter_mut().for_each(|owner| owner.name.clear())
        });
    }),
    ("/metadata/managedFields/1/manager", |s| {
        lose(s, |s| {
            s.changed
                .iter_mut()
                .for_each(|(_, manager)| manager.clear())
        });
    }),
    ("/metadata/managedFields/1/time", first_change),
    ("/metadata/managedFields/1/fieldsV1", first_change),
    ("/metadata/managedFields/1/fieldsV1/f:data", first_change),
    ("/metadata/managedFields/1", first_change),
    ("/metadata/managedFields", |s| lose(s, |s| s.changed = None)),
    ("/data/.dockerconfigjson", |s| {
        lose(s, |s| s.docker_config = docker_config::parse(s.kind, None));
    }),
    ("/data/expires_at", |s| lose(s, |s| s.expiry_data.clear())),
];

#[test]
fn a_secret_survives_any_field() {
    let kind = SecretKind::DockerConfigJson;
    let decode = |json: &[u8], place| {
        decode::secret(json, place, kind, &wanted()).map(|decoded| decoded.map(open))
    };
    check(&secret(), decode, secret_seen, SECRET);
}

#[test]
fn a_secret_of_another_type_gives_no_record() {
    let decoded = decode::secret(
        secret().to_string().as_bytes(),
        Place::Item,
        SecretKind::DockerCfg,
        &wanted(),
    );
    assert!(decoded.unwrap().record.is_none());
}

#[test]
fn data_is_bounded() {
    let mut secret = secret();
    let long = format!(r#"{{"auths":{{{}"r.io":{{}}}}}}"#, " ".repeat(1_800_000));
    secret["data"][".dockerconfigjson"] = json!(objects::base64(&long));
    secret["data"]["expires_at"] = json!("QUFB".repeat(22));
    secret["data"]["expiry"] = json!("QUFB".repeat(21));
    let kind = SecretKind::DockerConfigJson;
    let decoded = decode::secret(secret.to_string().as_bytes(), Place::Item, kind, &wanted());
    let decoded = decoded.unwrap();
    assert_eq!(decoded.first_fault.as_deref(), Some(".data.expires_at"));
    let open = open(decoded.record).unwrap();
    assert!(
        open.docker_config
            .fault_set()
            .contains(FaultKind::InvalidJson)
    );
    assert_eq!(open.expiry_data.keys().collect::<Vec<_>>(), ["expiry"]);
}

// === the rest ===

#[test]
fn a_service_account_survives_any_field() {
    let account = own::<core::ServiceAccount>(json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": "default",
            "namespace": "shop",
            "uid": "00000000-0000-0000-0000-00000000002c",
            "annotations": {"regcred-exporter.io/ignore": "true", "other": CANARY},
        },
        "secrets": [{"name": "token"}],
        "imagePullSecrets": [{"name": "one"}, {}],
    }));
    let whole = || ServiceAccountSeen {
        uid: Uid(44),
        object: ObjectName {
            namespace: text("shop"),
            name: text("default"),
        },
        pull_secrets: vec![text("one")],
        annotations: [(text("regcred-exporter.io/ignore"), text("true"))].into(),
    };
    check(
        &account,
        |json, place| decode::service_account(json, place, &wanted()),
        whole,
        &[
            ("/metadata/name", |account| account.object.name.clear()),
            ("/metadata/namespace", |account| {
                account.object.namespace.clear()
            }),
            ("/metadata/uid", |account| account.uid = Uid(0)),
            (
                "/metadata/annotations/regcred-exporter.io~1ignore",
                |account| {
                    account.annotations.clear();
                },
            ),
            ("/imagePullSecrets", |account| account.pull_secrets.clear()),
            ("/imagePullSecrets/0", |account| {
                account.pull_secrets.clear()
            }),
            ("/imagePullSecrets/0/name", |account| {
                account.pull_secrets.clear()
            }),
        ],
    );
}

#[test]
fn a_namespace_survives_any_field() {
    let namespace = own::<core::Namespace>(json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": "shop",
            "uid": "00000000-0000-0000-0000-00000000002d",
            "annotations": {"regcred-exporter.io/probe": "false", "other": CANARY},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Terminating"},
    }));
    let whole = || NamespaceSeen {
        uid: Uid(45),
        name: text("shop"),
        terminating: true,
        annotations: [(text("regcred-exporter.io/probe"), text("false"))].into(),
    };
    check(
        &namespace,
        |json, place| decode::namespace(json, place, &wanted()),
        whole,
        &[
            ("/metadata/name", |namespace| namespace.name.clear()),
            ("/metadata/uid", |namespace| namespace.uid = Uid(0)),
            (
                "/metadata/annotations/regcred-exporter.io~1probe",
                |namespace| {
                    namespace.annotations.clear();
                },
            ),
            ("/status/phase", |namespace| namespace.terminating = false),
        ],
    );
}

fn event() -> Value {
    own::<core::Event>(json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "web-0.17", "namespace": "shop"},
        "involvedObject": {
            "kind": "Pod", "name": "web-0", "namespace": "shop",
            "uid": "00000000-0000-0000-0000-00000000002a",
            "fieldPath": "spec.containers{app}",
        },
        "type": "Warning",
        "reason": "Failed",
        "message": "Failed to pull image",
        "count": 7,
        "series": {"count": 5, "lastObservedTime": "2026-01-02T07:00:00.000000Z"},
        "firstTimestamp": "2026-01-02T05:00:00Z",
        "lastTimestamp": "2026-01-02T06:00:00Z",
        "eventTime": "2026-01-02T04:00:00.000000Z",
        "source": {"component": "kubelet", "host": "node-1"},
        "reportingComponent": "other",
        "reportingInstance": "node-2",
    }))
}

#[test]
fn an_event_survives_any_field() {
    let whole = || EventSeen {
        object: ObjectName {
            namespace: text("shop"),
            name: text("web-0.17"),
        },
        pod: Uid(42),
        pod_name: text("web-0"),
        field_path: text("spec.containers{app}"),
        warning: true,
        reason: text("Failed"),
        message: text("Failed to pull image"),
        count: 7,
        first: instant("2026-01-02T05:00:00Z"),
        last: instant("2026-01-02T06:00:00Z"),
        component: text("kubelet"),
        node: text("node-1"),
    };
    const LAST: &str = "2026-01-02T06:00:00Z";
    check(
        &event(),
        decode::event,
        whole,
        &[
            ("/metadata/name", |event| event.object.name.clear()),
            ("/metadata/namespace", |event| {
                event.object.namespace.clear()
            }),
            ("/involvedObject/uid", |event| event.pod = Uid(0)),
            ("/involvedObject/name", |event| event.pod_name.clear()),
            ("/involvedObject/fieldPath", |event| {
                event.field_path.clear()
            }),
            ("/type", |event| event.warning = false),
            ("/reason", |event| event.reason.clear()),
            ("/message", |event| event.message.clear()),
            ("/count", |event| event.count = 5),
            ("/series/count", |event| {
                if event.count == 5 {
                    event.count = 1;
                }
            }),
            ("/firstTimestamp", |event| {
                event.first = instant("2026-01-02T04:00:00Z")
            }),
            ("/lastTimestamp", |event| {
                event.last = instant("2026-01-02T07:00:00Z")
            }),
            ("/series/lastObservedTime", |event| {
                if event.last != instant(LAST) {
                    event.last = instant("2026-01-02T04:00:00Z");
                }
            }),
            ("/eventTime", |event| {
                if event.last == instant("2026-01-02T04:00:00Z") {
                    event.last = None;
                }
                if event.first == instant("2026-01-02T04:00:00Z") {
                    event.first = None;
                }
            }),
            ("/source/component", |event| event.component = text("other")),
            ("/source/host", |event| event.node = text("node-2")),
            ("/reportingComponent", |event| {
                if event.component == "other" {
                    event.component.clear();
                }
            }),
            ("/reportingInstance", |event| {
                if event.node == "node-2" {
                    event.node.clear();
                }
            }),
        ],
    );
}

#[test]
fn any_number_of_faults_and_any_bytes_neither_stop_nor_panic() {
    let rng = &mut fastrand::Rng::with_seed(20_261_123);
    let (kind, wanted) = (SecretKind::DockerConfigJson, wanted());
    let (pod, secret, event) = (pod(), secret(), event());
    for round in 0..3_000 {
        let mut object = [&pod, &secret, &event][round % 3].clone();
        for _ in 0..rng.usize(1..12) {
            let pointers = pointers(&object);
            let pointer = &pointers[rng.usize(..pointers.len())];
            *object.pointer_mut(pointer).unwrap() = any_value(rng, 3);
        }
        let mut json = object.to_string().into_bytes();
        let is_json = rng.bool();
        if !is_json {
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..json.len());
                match rng.u8(..3) {
                    0 => json.truncate(at + 1),
                    1 => json[at] = rng.u8(..),
                    _ => drop(json.remove(at)),
                }
                json.push(b' ');
            }
        }
        for place in [Place::Item, Place::Line] {
            let outcomes = [
                decode::pod(&json, place).err(),
                decode::secret(&json, place, kind, &wanted).err(),
                decode::service_account(&json, place, &wanted).err(),
                decode::namespace(&json, place, &wanted).err(),
                decode::event(&json, place).err(),
            ];
            assert!(!is_json || outcomes.iter().all(Option::is_none));
        }
    }
}

fn any_value(rng: &mut fastrand::Rng, depth: u32) -> Value {
    match rng.u8(..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i64(..)),
        3 => json!(rng.f64() * 1e300),
        4 => json!(
            (0..rng.usize(..20))
                .map(|_| rng.char(..))
                .collect::<String>()
        ),
        5 => (0..rng.usize(..4))
            .map(|_| any_value(rng, depth - 1))
            .collect(),
        _ => {
            let names = ["name", "data", "state", "waiting", "image", "x"];
            let field = |rng: &mut fastrand::Rng| text(names[rng.usize(..names.len())]);
            Value::Object(
                (0..rng.usize(..4))
                    .map(|_| (field(rng), any_value(rng, depth - 1)))
                    .collect(),
            )
        }
    }
}

#[test]
fn an_error_names_the_object_and_the_place_but_no_value() {
    let cut = |json: &str, at: &str| json[..json.find(at).unwrap() + at.len()].to_owned();
    let json = secret().to_string();
    let kind = SecretKind::DockerConfigJson;
    for at in [
        "\"other\":\"YzRuNHJ5",
        "\"manager\":\"old",
        "\"namespace\":\"shop\"",
        "\"type\":\"kub",
    ] {
        let cut = cut(&json, at);
        for (json, place) in [
            (cut.clone(), Place::Item),
            (format!(r#"{{"type":"ADDED","object":{cut}"#), Place::Line),
        ] {
            let broken = decode::secret(json.as_bytes(), place, kind, &wanted()).unwrap_err();
            let told = format!("{broken} {broken:?}");
            for value in [CANARY, "YzRuNHJ5", "eyJhdXRocyI6e319", "dockerconfigjson"] {
                assert!(!told.contains(value), "{told}");
            }
        }
    }
    let cut = cut(
        &json!({"metadata": {"name": "regcred", "namespace": "shop", "uid": CANARY}}).to_string(),
        "c4n4",
    );
    let broken = decode::secret(cut.as_bytes(), Place::Item, kind, &wanted()).unwrap_err();
    assert_eq!(
        broken.to_string(),
        "failed to decode `shop/regcred` at `.metadata`"
    );
}
