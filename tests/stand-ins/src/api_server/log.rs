//! What was asked: requests as they arrived, and how many of each kind.

use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use super::resource::Resource;
use super::route::Verb;
use crate::http;

/// Requests remembered; older ones are forgotten, the counters are not.
const REQUESTS: usize = 100_000;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// `GET`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As sent; see [`RecordedRequest::parameter`].
    pub query: String,
    /// The Accept header.
    pub accept: Option<String>,
    /// The User-Agent header.
    pub user_agent: Option<String>,
    /// Whether an Authorization header came.
    pub is_authorized: bool,
    /// What it asks for; None for paths that are no resource.
    pub resource: Option<Resource>,
    /// What it does to the resource.
    pub verb: Option<Verb>,
    /// When its head had arrived.
    pub at: Instant,
}

impl RecordedRequest {
    /// A query parameter, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        http::query_pairs(&self.query)
            .into_iter()
            .find(|(each, _)| each == name)
            .map(|(_, value)| value)
    }
}

#[derive(Default)]
pub(super) struct Log {
    requests: VecDeque<RecordedRequest>,
    counts: HashMap<(Verb, Resource), usize>,
}

impl Log {
    pub(super) fn record(&mut self, request: RecordedRequest) {
        if let (Some(verb), Some(resource)) = (request.verb, request.resource) {
            *self.counts.entry((verb, resource)).or_default() += 1;
        }
        if self.requests.len() == REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = &RecordedRequest> {
        self.requests.iter()
    }

    pub(super) fn count(&self, verb: Verb, resource: Resource) -> usize {
        self.counts.get(&(verb, resource)).copied().unwrap_or(0)
    }
}
