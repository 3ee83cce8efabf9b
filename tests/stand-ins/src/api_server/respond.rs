//! One request: routed, recorded, struck by a fault or answered.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use serde_json::json;
use tokio::time::Instant;

use super::fault::What;
use super::log::RecordedRequest;
use super::query::Query;
use super::route::{Route, Verb};
use super::status::{Failure, json_response};
use super::table::Form;
use super::{Inner, list, watch, write};
use crate::http::{Body, full, header};
use crate::listener::lock;

pub(super) async fn answer(
    inner: Arc<Inner>,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    match respond(&inner, request).await {
        Ok(response) => Ok(response),
        Err(failure) => Ok(failure.response()),
    }
}

async fn respond(
    inner: &Arc<Inner>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let (head, body) = request.into_parts();
    let query_text = head.uri.query().unwrap_or_default();
    let route = Route::parse(head.uri.path());
    let query = route
        .as_ref()
        .map(|route| Query::parse(query_text, route.resource));
    let is_watch = matches!(&query, Some(Ok(query)) if query.is_watch);
    let verb = route
        .as_ref()
        .and_then(|route| route.verb(&head.method, is_watch));
    lock(&inner.log).record(RecordedRequest {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: query_text.to_owned(),
        accept: header(&head.headers, &ACCEPT),
        user_agent: header(&head.headers, &USER_AGENT),
        is_authorized: head.headers.contains_key(AUTHORIZATION),
        resource: route.as_ref().map(|route| route.resource),
        verb,
        at: Instant::now(),
    });
    let (Some(route), Some(query)) = (route, query) else {
        return outside_of_resources(head.uri.path());
    };
    let query = query?;
    let Some(verb) = verb else {
        return Err(Failure::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        ));
    };
    let fault = inner.faults.strike(&route, verb, &query);
    match &fault {
        Some((_, What::Forbidden)) => return Err(Failure::forbidden(&route, verb)),
        Some((_, What::Failure(failure))) => return Err(failure.as_ref().clone()),
        Some((_, What::Hang)) => std::future::pending().await,
        _ => {}
    }
    let accept = header(&head.headers, &ACCEPT);
    let form = Form::choose(accept.as_deref(), &query)?;
    match verb {
        Verb::List => {
            let fault = fault.map(|(_, what)| what);
            list::list(&inner.store, &route, &query, form, fault.as_ref())
        }
        Verb::Watch if form == Form::Objects => watch::watch(inner, route, query, fault),
        Verb::Watch => Err(Failure::new(
            406,
            "NotAcceptable",
            "the stand-in sends no Tables in watches",
        )),
        Verb::Get => get(inner, &route, form),
        Verb::Create => write::create(&inner.store, &route, &read(body).await?),
        Verb::Update => write::update(&inner.store, &route, &read(body).await?),
        Verb::Patch => write::patch(&inner.store, &route, &head.headers, &read(body).await?),
        Verb::Delete => write::delete(&inner.store, &route),
    }
}

fn get(inner: &Inner, route: &Route, form: Form) -> Result<Response<Body>, Failure> {
    let name = route.name.as_deref().unwrap_or_default();
    let namespace = route.namespace.as_deref().unwrap_or_default();
    let item = lock(&inner.store)
        .find(route.resource, namespace, name)
        .ok_or_else(|| Failure::not_found(route.resource, name))?;
    Ok(json_response(StatusCode::OK, form.single(&item)))
}

async fn read(body: Incoming) -> Result<Bytes, Failure> {
    let body = body
        .collect()
        .await
        .map_err(|_| Failure::bad_request("the body broke off"))?;
    Ok(body.to_bytes())
}

fn outside_of_resources(path: &str) -> Result<Response<Body>, Failure> {
    match path {
        "/healthz" | "/livez" | "/readyz" => Ok(Response::new(full("ok"))),
        "/version" => {
            let version = json!({
                "major": "1",
                "minor": "33",
                "gitVersion": "v1.33.0",
                "platform": "linux/amd64",
            });
            Ok(json_response(StatusCode::OK, version.to_string()))
        }
        _ => Err(Failure::unknown_path()),
    }
}
