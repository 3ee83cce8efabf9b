//! Errors as the API server words them: Status objects.

use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use super::resource::Resource;
use super::route::{Route, Verb};
use crate::http::{Body, full};

/// A failure that becomes a Status.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    reason: String,
    message: String,
    details: Value,
    retry_after: Option<u32>,
}

impl Failure {
    pub(crate) fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            details: Value::Null,
            retry_after: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unknown_path() -> Self {
        Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
    }

    pub(crate) fn not_found(resource: Resource, name: &str) -> Self {
        Self::new(
            404,
            "NotFound",
            format!("{} \"{name}\" not found", resource.qualified()),
        )
        .of(resource, name)
    }

    pub(crate) fn already_exists(resource: Resource, name: &str) -> Self {
        Self::new(
            409,
            "AlreadyExists",
            format!("{} \"{name}\" already exists", resource.qualified()),
        )
        .of(resource, name)
    }

    pub(crate) fn conflict(resource: Resource, name: &str, why: &str) -> Self {
        Self::new(
            409,
            "Conflict",
            format!(
                "Operation cannot be fulfilled on {} \"{name}\": {why}",
                resource.qualified()
            ),
        )
        .of(resource, name)
    }

    pub(crate) fn forbidden(route: &Route, verb: Verb) -> Self {
        let place = route.namespace.as_ref().map_or_else(
            || "at the cluster scope".to_owned(),
            |namespace| format!("in the namespace \"{namespace}\""),
        );
        let name = route.name.as_deref().unwrap_or_default();
        let quoted = if name.is_empty() {
            String::new()
        } else {
            format!(" \"{name}\"")
        };
        let mut failure = Self::new(
            403,
            "Forbidden",
            format!(
                "{}{quoted} is forbidden: User \"stand-in\" cannot {} resource \"{}\" in API \
                 group \"{}\" {place}",
                route.resource.qualified(),
                verb.as_str(),
                route.resource.plural(),
                route.resource.group()
            ),
        );
        failure.details = json!({ "kind": route.resource.plural() });
        if !name.is_empty() {
            failure.details["name"] = json!(name);
        }
        failure
    }

    /// A watch that starts before what is still known.
    pub(crate) fn too_old(asked: u64, oldest: u64) -> Self {
        Self::new(
            410,
            "Expired",
            format!("too old resource version: {asked} ({oldest})"),
        )
    }

    pub(crate) fn expired_continue() -> Self {
        Self::new(
            410,
            "Expired",
            "The provided continue parameter is too old to display a consistent list result. You \
             must start a new list without the continue parameter.",
        )
    }

    /// A version that the server has not reached.
    pub(crate) fn too_large(asked: u64, current: u64) -> Self {
        let mut failure = Self::new(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {asked}, current: {current}"),
        );
        failure.details = json!({
            "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }],
            "retryAfterSeconds": 1,
        });
        failure
    }

    pub(crate) fn too_many_requests(retry_after: u32) -> Self {
        let mut failure = Self::new(
            429,
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        );
        failure.details = json!({ "retryAfterSeconds": retry_after });
        failure.retry_after = Some(retry_after);
        failure
    }

    fn of(mut self, resource: Resource, name: &str) -> Self {
        self.details = json!({ "name": name, "kind": resource.plural() });
        if !resource.group().is_empty() {
            self.details["group"] = json!(resource.group());
        }
        self
    }

    /// The Status object.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }

    pub(crate) fn response(&self) -> Response<Body> {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json_response(code, self.status().to_string());
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

pub(crate) fn json_response(code: StatusCode, text: impl Into<bytes::Bytes>) -> Response<Body> {
    typed_response(code, full(text))
}

pub(crate) fn typed_response(code: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
