//! Kubernetes objects as JSON, and what stands inside a pull secret.
//!
//! ```
//! use regcred_stand_ins::objects::{docker_config, pod, pull_secret};
//!
//! let secret = pull_secret("team-a", "regcred", &docker_config(&[("ghcr.io", "bot", "pass")]));
//! let pod = pod("team-a", "web", "ghcr.io/org/app:1.0", &["regcred"])
//!     .waiting("ErrImagePull", "401 Unauthorized")
//!     .build();
//! # let _ = (secret, pod);
//! ```

use ::base64::Engine as _;
use ::base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

mod event;
mod pod;

pub use event::{EventBuilder, event};
pub use pod::{PodBuilder, pod};

/// A Secret of type `kubernetes.io/dockerconfigjson` around this text.
pub fn pull_secret(namespace: &str, name: &str, docker_config: &str) -> Value {
    secret(
        namespace,
        name,
        "kubernetes.io/dockerconfigjson",
        &[(".dockerconfigjson", docker_config)],
    )
}

/// A Secret of the legacy type `kubernetes.io/dockercfg` around this text.
pub fn dockercfg_secret(namespace: &str, name: &str, dockercfg: &str) -> Value {
    secret(
        namespace,
        name,
        "kubernetes.io/dockercfg",
        &[(".dockercfg", dockercfg)],
    )
}

/// A Secret of type Opaque.
pub fn opaque_secret(namespace: &str, name: &str, data: &[(&str, &str)]) -> Value {
    secret(namespace, name, "Opaque", data)
}

/// A Secret of any type; the values are encoded.
pub fn secret(namespace: &str, name: &str, kind: &str, data: &[(&str, &str)]) -> Value {
    let data: serde_json::Map<String, Value> = data
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(base64(value))))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "namespace": namespace, "name": name },
        "type": kind,
        "data": data,
    })
}

/// A ServiceAccount that lists these pull secrets.
pub fn service_account(namespace: &str, name: &str, pull_secrets: &[&str]) -> Value {
    let mut account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "namespace": namespace, "name": name },
    });
    if !pull_secrets.is_empty() {
        account["imagePullSecrets"] = references(pull_secrets);
    }
    account
}

/// An active Namespace.
pub fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
        "status": { "phase": "Active" },
    })
}

/// A Lease that nobody holds.
pub fn lease(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "namespace": namespace, "name": name },
        "spec": {},
    })
}

/// The object with this annotation.
#[must_use]
pub fn annotated(mut object: Value, name: &str, value: &str) -> Value {
    object["metadata"]["annotations"][name] = json!(value);
    object
}

/// The object with this label.
#[must_use]
pub fn labelled(mut object: Value, name: &str, value: &str) -> Value {
    object["metadata"]["labels"][name] = json!(value);
    object
}

/// The object with this uid.
#[must_use]
pub fn with_uid(mut object: Value, uid: &str) -> Value {
    object["metadata"]["uid"] = json!(uid);
    object
}

/// The object, created at this RFC 3339 time.
#[must_use]
pub fn created_at(mut object: Value, time: &str) -> Value {
    object["metadata"]["creationTimestamp"] = json!(time);
    object
}

/// The object, controlled by another.
#[must_use]
pub fn owned_by(mut object: Value, api_version: &str, kind: &str, name: &str) -> Value {
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": "0f0f0f0f-0000-4000-8000-000000000000",
        "controller": true,
    }]);
    object
}

/// A docker config with an entry for each (key, user name, password), as kubectl writes it.
pub fn docker_config(entries: &[(&str, &str, &str)]) -> String {
    json!({ "auths": entries_of(entries) }).to_string()
}

/// The same in the legacy shape, without `auths`.
pub fn dockercfg(entries: &[(&str, &str, &str)]) -> String {
    entries_of(entries).to_string()
}

/// A password as ECR issues it, good until `expiration` (Unix seconds); the user name is `AWS`.
pub fn ecr_password(expiration: i64) -> String {
    let password = json!({
        "payload": "c3RhbmQtaW4gcGF5bG9hZA==",
        "datakey": "c3RhbmQtaW4gZGF0YSBrZXk=",
        "version": "2",
        "type": "DATA_KEY",
        "expiration": expiration,
    });
    base64(&password.to_string())
}

/// An unsigned JWT with these times (Unix seconds).
pub fn jwt(expires: Option<i64>, issued: Option<i64>) -> String {
    let mut claims = json!({ "iss": "stand-in" });
    if let Some(expires) = expires {
        claims["exp"] = json!(expires);
    }
    if let Some(issued) = issued {
        claims["iat"] = json!(issued);
    }
    jwt_of(&claims)
}

/// An unsigned JWT with these claims.
pub fn jwt_of(claims: &Value) -> String {
    let header = json!({ "alg": "ES256", "typ": "JWT" });
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string()),
        URL_SAFE_NO_PAD.encode("no signature")
    )
}

/// Standard base64 with padding.
pub fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

fn entries_of(entries: &[(&str, &str, &str)]) -> Value {
    let entries: serde_json::Map<String, Value> = entries
        .iter()
        .map(|(key, user, password)| {
            let entry = json!({
                "username": user,
                "password": password,
                "auth": base64(&format!("{user}:{password}")),
            });
            ((*key).to_owned(), entry)
        })
        .collect();
    Value::Object(entries)
}

fn references(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "name": name })).collect()
}
