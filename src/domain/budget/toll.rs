//! What a conversation cost the account, at the registry's own count.

use crate::domain::exchange::{Asked, Exchange, NetworkFault, Purpose, Stage, Step};
use crate::domain::outcome::{Judgement, Outcome};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toll {
    /// The login worked.
    Accepted,
    /// One wrong login.
    Refused,
    /// The login was sent, and no answer of the registry's own came: it may have been counted.
    Unanswered,
    /// The login was not sent, or the answer was none to it.
    NotSent,
}

/// What a conversation cost.
pub fn toll(exchange: &Exchange, judgement: &Judgement) -> Toll {
    match judgement.login.map(|login| login.outcome) {
        Some(Outcome::Ok) => Toll::Accepted,
        Some(outcome) if outcome.is_refusal() => Toll::Refused,
        _ if exchange.asked.iter().any(may_have_been_counted) => Toll::Unanswered,
        // A guarded manifest of an open registry is where the login shows; other words than 401
        // are no verdict, and yet it was looked at.
        None if exchange.asked.windows(2).any(is_guarded_refusal) => Toll::Unanswered,
        _ => Toll::NotSent,
    }
}

/// A request with a credential that went out and was lost: time-out, broken connection, or a
/// gateway that got no answer either.
fn may_have_been_counted(asked: &Asked) -> bool {
    if asked.step == Step::Ping || asked.purpose == Purpose::AnonymousPing {
        return false;
    }
    match &asked.answer {
        Ok(answer) => matches!(answer.status, 502 | 504),
        Err(fault) => match fault {
            NetworkFault::Timeout(stage) => *stage == Stage::Answer,
            NetworkFault::Closed
            | NetworkFault::NotHttp
            | NetworkFault::TooLarge
            | NetworkFault::Other => true,
            NetworkFault::Dns(_)
            | NetworkFault::Refused
            | NetworkFault::Unreachable
            | NetworkFault::Proxy
            | NetworkFault::Tls(_)
            | NetworkFault::Challenge(_)
            | NetworkFault::Blocked(_) => false,
        },
    }
}

fn is_guarded_refusal(pair: &[Asked]) -> bool {
    let [first, second] = pair else { return false };
    let status = |asked: &Asked| asked.answer.as_ref().ok().map(|answer| answer.status);
    first.manifest.is_some()
        && first.manifest == second.manifest
        && status(first) == Some(401)
        && status(second) == Some(403)
}
