//! What was asked: requests without passwords, and how logins went.

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

/// Requests remembered; the counters know all.
const REQUESTS: usize = 100_000;

/// A step of the conversation with a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// `/v2/`.
    Ping,
    /// The realm's path.
    Token,
    /// `/v2/<repository>/manifests/<reference>`.
    Manifest,
    /// `/v2/<repository>/tags/list`.
    Tags,
    /// Anything else.
    Other,
}

/// Which listener of a registry a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The registry's own.
    Registry,
    /// The token server's, if it is elsewhere.
    Realm,
}

/// A request as it arrived, without what must not be kept.
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    /// Where it came to.
    pub place: Place,
    /// What it is in the conversation.
    pub step: Step,
    /// `HEAD`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As sent.
    pub query: String,
    /// The Host header.
    pub host: Option<String>,
    /// The Accept header.
    pub accept: Option<String>,
    /// The User-Agent header.
    pub user_agent: Option<String>,
    /// The scheme of the Authorization header in lower case; None if there was none.
    pub scheme: Option<String>,
    /// The user name of a Basic pair.
    pub user: Option<String>,
    /// What was answered; None if nothing was.
    pub status: Option<u16>,
    /// When its head had arrived.
    pub at: Instant,
}

#[derive(Default)]
pub(super) struct Log {
    requests: VecDeque<LoggedRequest>,
    steps: BTreeMap<Step, usize>,
    logins: BTreeMap<String, Tally>,
    pub(super) connections: usize,
}

/// Logins of one user name.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) accepted: usize,
    pub(super) refused: usize,
}

impl Log {
    pub(super) fn record(&mut self, request: LoggedRequest) {
        *self.steps.entry(request.step).or_default() += 1;
        if self.requests.len() == REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = &LoggedRequest> {
        self.requests.iter()
    }

    pub(super) fn count(&self, step: Step) -> usize {
        self.steps.get(&step).copied().unwrap_or(0)
    }

    pub(super) fn tally(&self, user: &str) -> Tally {
        self.logins.get(user).copied().unwrap_or_default()
    }

    pub(super) fn tally_mut(&mut self, user: &str) -> &mut Tally {
        self.logins.entry(user.to_owned()).or_default()
    }

    pub(super) fn refused(&self) -> usize {
        self.logins.values().map(|tally| tally.refused).sum()
    }
}
