//! Until when the certificates of a registry's hosts are good, and which hosts are remembered.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

/// Hosts that are remembered per registry. One has its own and that of its token endpoint; but it
/// chooses the realm, and must not choose how many series we have.
pub const MOST_HOSTS: usize = 4;

/// How long a host is remembered while others of its registry are seen: longer than the longest
/// pause between two logins, and not so long that a token endpoint that was moved away from warns of
/// its old certificate for days.
const REMEMBERED: TimeDelta = TimeDelta::days(1);

/// The time between two dates, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its `notBefore`.
    pub not_before: DateTime<Utc>,
    /// Its `notAfter`.
    pub not_after: DateTime<Utc>,
}

impl Validity {
    /// The time in which both are valid: a chain is as good as its worst link.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        Self {
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
        }
    }
}

/// What a host showed in its last handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// `host:port` as connected to: the registry, or its token endpoint.
    pub host: Arc<str>,
    /// Of the whole chain that verified; of the host's own certificate when none did.
    pub validity: Validity,
}

/// The newest certificate of each host of one registry.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// The host seen last stands last.
    seen: Vec<(DateTime<Utc>, Certificate)>,
}

impl Certificates {
    /// Takes in what one conversation was shown.
    pub fn saw(&mut self, shown: &[Certificate], now: DateTime<Utc>) {
        if shown.is_empty() {
            // A registry that cannot be reached has the certificate that it had.
            return;
        }
        self.seen.retain(|(at, known)| {
            now - *at < REMEMBERED && shown.iter().all(|new| new.host != known.host)
        });
        self.seen.extend(shown.iter().map(|new| (now, new.clone())));
        let surplus = self.seen.len().saturating_sub(MOST_HOSTS);
        self.seen.drain(..surplus);
    }

    /// In the order of the hosts.
    pub fn by_host(&self) -> Vec<Certificate> {
        let mut all: Vec<_> = self.seen.iter().map(|(_, one)| one.clone()).collect();
        all.sort_by(|a, b| a.host.cmp(&b.host));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> DateTime<Utc> {
        format!("{text}:00Z").parse().unwrap()
    }

    fn validity(not_before: &str, not_after: &str) -> Validity {
        Validity {
            not_before: date(&format!("{not_before}T00:00")),
            not_after: date(&format!("{not_after}T00:00")),
        }
    }

    fn certificate(host: &str, until: &str) -> Certificate {
        Certificate {
            host: host.into(),
            validity: validity("2026-01-01", until),
        }
    }

    fn hosts(certificates: &Certificates) -> Vec<String> {
        let all = certificates.by_host();
        all.iter().map(|one| one.host.to_string()).collect()
    }

    #[test]
    fn a_chain_is_as_good_as_its_worst_link() {
        let leaf = validity("2026-03-01", "2026-06-01");
        let check = |other, expected| {
            assert_eq!(leaf.within(other), expected, "{other:?}");
            assert_eq!(other.within(leaf), expected, "{other:?}");
        };
        check(validity("2020-01-01", "2030-01-01"), leaf);
        check(
            validity("2020-01-01", "2026-04-01"),
            validity("2026-03-01", "2026-04-01"),
        );
        check(
            validity("2026-05-01", "2030-01-01"),
            validity("2026-05-01", "2026-06-01"),
        );
    }

    #[test]
    fn of_each_host_the_newest_certificate_counts() {
        let mut certificates = Certificates::default();
        let now = date("2026-11-23T08:00");
        let (old, new) = ("2026-12-01", "2027-02-01");
        certificates.saw(&[certificate("r.example:443", old)], now);
        certificates.saw(&[certificate("auth.example:443", old)], now);
        certificates.saw(&[certificate("r.example:443", new)], now);
        let expected = [
            certificate("auth.example:443", old),
            certificate("r.example:443", new),
        ];
        assert_eq!(certificates.by_host(), expected);
    }

    #[test]
    fn a_registry_that_names_ever_new_realms_keeps_four_hosts_its_own_among_them() {
        let mut certificates = Certificates::default();
        let own = certificate("r.example:443", "2027-01-01");
        for number in 0..100 {
            let realm = certificate(&format!("realm-{number}.example:443"), "2027-01-01");
            let now = date("2026-11-23T08:00") + TimeDelta::minutes(number);
            certificates.saw(&[own.clone(), realm], now);
        }
        let expected = [
            "r.example:443",
            "realm-97.example:443",
            "realm-98.example:443",
            "realm-99.example:443",
        ];
        assert_eq!(hosts(&certificates), expected);
        // all in one conversation
        let many: Vec<_> = (0..100)
            .map(|number| certificate(&format!("h{number}.example:443"), "2027-01-01"))
            .collect();
        certificates.saw(&many, date("2026-11-23T12:00"));
        assert_eq!(hosts(&certificates).len(), MOST_HOSTS);
    }

    #[test]
    fn a_host_is_forgotten_a_day_after_it_was_seen_last_if_others_are() {
        let mut certificates = Certificates::default();
        let realm = certificate("old-auth.example:443", "2026-12-01");
        let own = certificate("r.example:443", "2027-01-01");
        certificates.saw(&[realm], date("2026-11-23T08:00"));
        certificates.saw(&[own], date("2026-11-24T07:59"));
        assert_eq!(hosts(&certificates).len(), 2);
        // the registry does not answer: what was seen last stays
        certificates.saw(&[], date("2026-11-24T08:00"));
        assert_eq!(hosts(&certificates).len(), 2);
        let own = certificate("r.example:443", "2027-01-01");
        certificates.saw(&[own], date("2026-11-24T08:00"));
        assert_eq!(hosts(&certificates), ["r.example:443"]);
    }
}
