//! Writes: create, update with its conflicts, merge patch, delete.

use std::sync::Mutex;

use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::item::Item;
use super::resource::Resource;
use super::route::Route;
use super::status::{Failure, json_response};
use super::store::Store;
use crate::http::Body;
use crate::listener::lock;

type Answer = Result<Response<Body>, Failure>;

pub(crate) fn create(store: &Mutex<Store>, route: &Route, body: &[u8]) -> Answer {
    let mut object = parse(route, body)?;
    let mut store = lock(store);
    if !version_of(&object).is_empty() {
        return Err(Failure::new(
            500,
            "InternalError",
            "resourceVersion should not be set on objects to be created",
        ));
    }
    if name_of(&object).is_empty() {
        let Some(prefix) = object["metadata"]["generateName"].as_str() else {
            return Err(Failure::new(
                422,
                "Invalid",
                format!(
                    "{} \"\" is invalid: metadata.name: Required value: name or generateName is \
                     required",
                    route.resource.kind()
                ),
            ));
        };
        object["metadata"]["name"] = json!(format!("{prefix}{:05x}", store.version()));
    }
    let name = name_of(&object);
    if find(&store, route, &name).is_some() {
        return Err(Failure::already_exists(route.resource, &name));
    }
    let created = store.put(route.resource, without_identity(object));
    Ok(json_response(StatusCode::CREATED, created.typed_text()))
}

pub(crate) fn update(store: &Mutex<Store>, route: &Route, body: &[u8]) -> Answer {
    let object = parse(route, body)?;
    let mut store = lock(store);
    let name = name_of(&object);
    if route.name.as_deref() != Some(&name) {
        return Err(Failure::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            route.name.as_deref().unwrap_or_default()
        )));
    }
    let Some(present) = find(&store, route, &name) else {
        // A Lease may be created by PUT, other kinds not.
        if route.resource == Resource::Leases {
            let created = store.put(route.resource, without_identity(object));
            return Ok(json_response(StatusCode::CREATED, created.typed_text()));
        }
        return Err(Failure::not_found(route.resource, &name));
    };
    check_preconditions(&present, &object)?;
    let updated = store.put(route.resource, without_identity(object));
    Ok(json_response(StatusCode::OK, updated.typed_text()))
}

pub(crate) fn patch(
    store: &Mutex<Store>,
    route: &Route,
    headers: &HeaderMap,
    body: &[u8],
) -> Answer {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if !matches!(
        kind,
        "application/merge-patch+json" | "application/strategic-merge-patch+json"
    ) {
        return Err(Failure::new(
            415,
            "UnsupportedMediaType",
            "the stand-in takes merge patches only",
        ));
    }
    let changes: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let mut store = lock(store);
    let name = route.name.as_deref().unwrap_or_default();
    let present =
        find(&store, route, name).ok_or_else(|| Failure::not_found(route.resource, name))?;
    if !version_of(&changes).is_empty() {
        check_preconditions(&present, &changes)?;
    }
    let mut object = present.value();
    merge(&mut object, changes);
    let patched = store.put(route.resource, without_identity(object));
    Ok(json_response(StatusCode::OK, patched.typed_text()))
}

pub(crate) fn delete(store: &Mutex<Store>, route: &Route) -> Answer {
    let name = route.name.as_deref().unwrap_or_default();
    let namespace = route.namespace.as_deref().unwrap_or_default();
    let removed = lock(store)
        .remove(route.resource, namespace, name)
        .ok_or_else(|| Failure::not_found(route.resource, name))?;
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": { "name": name, "kind": route.resource.plural(), "uid": removed.uid },
    });
    Ok(json_response(StatusCode::OK, status.to_string()))
}

/// The body as an object of the route's kind and namespace.
fn parse(route: &Route, body: &[u8]) -> Result<Value, Failure> {
    let mut object: Value = serde_json::from_slice(body).map_err(|_| unreadable())?;
    if !object.is_object() || !object["metadata"].is_object() {
        return Err(unreadable());
    }
    let kind = object["kind"]
        .as_str()
        .unwrap_or_else(|| route.resource.kind());
    if kind != route.resource.kind() {
        return Err(Failure::bad_request(format!(
            "{kind} does not fit {}",
            route.resource.plural()
        )));
    }
    if let Some(namespace) = &route.namespace {
        let given = object["metadata"]["namespace"].as_str();
        if given.is_some_and(|given| given != namespace) {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the \
                 request",
            ));
        }
        object["metadata"]["namespace"] = json!(namespace);
    } else if route.resource.is_namespaced() {
        return Err(Failure::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ));
    }
    Ok(object)
}

fn check_preconditions(present: &Item, object: &Value) -> Result<(), Failure> {
    let resource = present.resource;
    let version = version_of(object);
    if version.is_empty() && resource.needs_version_to_update() {
        return Err(Failure::new(
            422,
            "Invalid",
            format!(
                "{} \"{}\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be \
                 specified for an update",
                resource.qualified(),
                present.name
            ),
        ));
    }
    if !version.is_empty() && version != present.version.to_string() {
        return Err(Failure::conflict(
            resource,
            &present.name,
            "the object has been modified; please apply your changes to the latest version and \
             try again",
        ));
    }
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() && uid != present.uid {
        return Err(Failure::conflict(
            resource,
            &present.name,
            &format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                present.uid
            ),
        ));
    }
    Ok(())
}

/// RFC 7386.
fn merge(target: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else {
        *target = changes;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in changes {
        if value.is_null() {
            target
                .as_object_mut()
                .expect("made an object above")
                .remove(&name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// What callers say about uid and creation is the server's business.
fn without_identity(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("uid");
        metadata.remove("creationTimestamp");
    }
    object
}

fn find(store: &Store, route: &Route, name: &str) -> Option<std::sync::Arc<Item>> {
    let namespace = route.namespace.as_deref().unwrap_or_default();
    store.find(route.resource, namespace, name)
}

fn name_of(object: &Value) -> String {
    object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn version_of(object: &Value) -> &str {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
}

fn unreadable() -> Failure {
    Failure::bad_request("the object provided is unrecognized: it is no JSON object with metadata")
}
