//! Jobs whose conversation panicked. What makes us panic is in the answers of a registry or in what
//! a tenant wrote, and is there next time as well: asking for it at full pace would be one panic,
//! and for a login one place of its account, each interval for ever.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Job;

/// The longest that a credential is left alone. Other bytes in its Secret are another job.
const LONGEST: TimeDelta = TimeDelta::hours(24);

/// The longest for what is asked of a registry without a credential: nobody's account is in it, and
/// without it we do not know whether the registry is there.
const LONGEST_ANONYMOUS: TimeDelta = TimeDelta::hours(1);

/// Those that are set aside, until when, and how often in a row they panicked.
#[derive(Debug, Default)]
pub struct Aside(HashMap<Job, Panicked>);

#[derive(Clone, Copy, Debug)]
struct Panicked {
    times: u32,
    until: DateTime<Utc>,
}

impl Aside {
    /// Its conversation panicked: it is set aside for its interval, and for twice as long each time
    /// that it panics again. Returns until when.
    pub fn put(&mut self, job: &Job, interval: Duration, now: DateTime<Utc>) -> DateTime<Utc> {
        let times = self.0.get(job).map_or(0, |before| before.times);
        let longest = match job {
            Job::Login(_) => LONGEST,
            Job::Ping(_) | Job::Look(_) => LONGEST_ANONYMOUS,
        };
        let interval = TimeDelta::from_std(interval).unwrap_or(longest);
        let doubled = 2_i32
            .checked_pow(times)
            .and_then(|factor| interval.checked_mul(factor));
        let pause = doubled.map_or(longest, |pause| pause.min(longest));
        let until = now + pause.max(interval);
        let times = times.saturating_add(1);
        self.0.insert(job.clone(), Panicked { times, until });
        until
    }

    /// Until when it is not begun; `None` when it is.
    pub fn until(&self, job: &Job, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let until = self.0.get(job)?.until;
        Some(until).filter(|until| *until > now)
    }

    /// It ended without a panic, or nobody can want it any more.
    pub fn release(&mut self, job: &Job) {
        self.0.remove(job);
    }

    /// Follows a clock that was set back by so much.
    pub fn follow(&mut self, back: TimeDelta) {
        for panicked in self.0.values_mut() {
            panicked.until -= back;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cluster::Group;
    use crate::domain::credential::{Credential, Credentials};
    use crate::domain::image::Registry;

    fn login() -> Job {
        let credential = Credentials::default().intern(Credential::basic(b"ada", b"x"));
        Job::Login(Group {
            registry: Registry::from_domain("r.example.com"),
            credential,
        })
    }

    fn ping() -> Job {
        Job::Ping(Registry::from_domain("r.example.com"))
    }

    #[test]
    fn each_panic_doubles_the_pause_up_to_its_end() {
        let minutes = |number: u64| Duration::from_secs(60 * number);
        let rows: [(Job, Duration, &[i64]); 3] = [
            (
                login(),
                minutes(15),
                &[15, 30, 60, 120, 240, 480, 960, 1440, 1440],
            ),
            (ping(), minutes(1), &[1, 2, 4, 8, 16, 32, 60, 60]),
            (login(), minutes(3 * 1440), &[3 * 1440, 3 * 1440]),
        ];
        for (job, interval, pauses) in rows {
            let (mut aside, mut now) = (Aside::default(), DateTime::UNIX_EPOCH);
            for pause in pauses {
                let until = aside.put(&job, interval, now);
                assert_eq!(until - now, TimeDelta::minutes(*pause), "{job:?}");
                assert_eq!(
                    aside.until(&job, until - TimeDelta::seconds(1)),
                    Some(until)
                );
                assert_eq!(aside.until(&job, until), None, "then it is begun");
                now = until;
            }
            for _ in 0..100 {
                aside.put(&job, interval, now);
            }
            aside.release(&job);
            assert_eq!(aside.until(&job, now), None);
            let until = aside.put(&job, interval, now);
            assert_eq!(until - now, TimeDelta::minutes(pauses[0]), "begun anew");
        }
    }

    #[test]
    fn others_are_not_set_aside_and_a_clock_may_be_set_back() {
        let (mut aside, now) = (Aside::default(), DateTime::UNIX_EPOCH);
        let until = aside.put(&login(), Duration::from_secs(900), now);
        assert_eq!(aside.until(&ping(), now), None);
        let back = TimeDelta::hours(5);
        aside.follow(back);
        assert_eq!(aside.until(&login(), now - back), Some(until - back));
    }
}
