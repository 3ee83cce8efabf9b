//! What a registry remembers of each account: refusals in a row, lockouts, pulls.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::Answer;
use super::behaviour::Quota;
use super::content::{Standing, User};

#[derive(Default)]
pub(super) struct Accounts {
    /// Refused logins in a row, by user name, known or not.
    failures: BTreeMap<String, usize>,
    locked: BTreeSet<String>,
    /// By user name; empty for who has none.
    pulls: BTreeMap<String, u64>,
}

pub(super) enum Login {
    Accepted,
    Expired,
    Locked,
    Refused,
}

impl Accounts {
    /// `known` is who has this user name, if anyone does.
    pub(super) fn log_in(
        &mut self,
        known: Option<&User>,
        lockout_after: Option<usize>,
        user: &str,
        password: &str,
    ) -> Login {
        if self.is_locked(user) {
            return Login::Locked;
        }
        let known = known.filter(|known| known.password == password);
        match known.map(|known| known.standing) {
            Some(Standing::Active) => {
                self.failures.remove(user);
                Login::Accepted
            }
            Some(Standing::Expired) => Login::Expired,
            Some(Standing::Revoked) | None => {
                let failures = self.failures.entry(user.to_owned()).or_default();
                *failures += 1;
                if Some(*failures) == lockout_after {
                    self.lock(user);
                }
                Login::Refused
            }
        }
    }

    pub(super) fn is_locked(&self, user: &str) -> bool {
        self.locked.contains(user)
    }

    pub(super) fn lock(&mut self, user: &str) {
        self.locked.insert(user.to_owned());
    }

    pub(super) fn unlock(&mut self, user: &str) {
        self.locked.remove(user);
        self.failures.remove(user);
    }

    /// An answer with the quota's headers, or 429.
    pub(super) fn count_pull(
        &mut self,
        quota: Quota,
        account: &str,
        is_pull: bool,
    ) -> Result<Answer, Answer> {
        let pulls = self.pulls.entry(account.to_owned()).or_default();
        let is_spent = *pulls >= quota.limit;
        if is_pull && !is_spent {
            *pulls += 1;
        }
        let remaining = quota.limit.saturating_sub(*pulls);
        let window = quota.window_seconds;
        let source = if account.is_empty() {
            "127.0.0.1".to_owned()
        } else {
            format!("user-{account}")
        };
        let answer = if is_spent {
            Answer::error(
                429,
                "TOOMANYREQUESTS",
                "You have reached your pull rate limit. You may increase the limit by \
                 authenticating and upgrading: https://www.docker.com/increase-rate-limits",
            )
        } else {
            Answer::status(200)
        };
        let answer = answer
            .header("ratelimit-limit", &format!("{};w={window}", quota.limit))
            .header("ratelimit-remaining", &format!("{remaining};w={window}"))
            .header("docker-ratelimit-source", &source);
        if is_spent { Err(answer) } else { Ok(answer) }
    }

    pub(super) fn spend(&mut self, account: &str, pulls: u64) {
        *self.pulls.entry(account.to_owned()).or_default() += pulls;
    }
}
