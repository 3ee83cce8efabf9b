//! Which kind of a cause it is: the label `detail`.

use crate::domain::docker_config::FaultKind;
use crate::domain::keyring::Rule;
use crate::domain::pull_failure::Reason;

closed! {
    /// The kinds that have words of their own.
    Word {
        /// The Pod names a Secret that is not there, and one of nearly that name is.
        NameTypo => "name_typo",
        /// The ServiceAccount lists it; the Pod's own list takes the place of that.
        PodListHidesServiceAccount => "pod_list_hides_service_account",
        /// Nobody lists it.
        NotListed => "not_listed",
        /// The node cannot resolve the name.
        Dns => "dns",
        /// No answer came in time.
        Timeout => "timeout",
        /// Refused, reset, no route.
        Connection => "connection",
        /// A proxy refused, or was not reached.
        Proxy => "proxy",
        /// No known authority signed the certificate.
        UnknownCa => "unknown_ca",
        /// The certificate has run out.
        Expired => "expired",
        /// The certificate is not valid yet.
        NotYetValid => "not_yet_valid",
        /// The certificate is for another name.
        WrongName => "wrong_name",
        /// The registry speaks HTTP without TLS.
        PlainHttp => "plain_http",
        /// The handshake failed otherwise.
        Protocol => "protocol",
        /// The node has the image and may not give it to this Pod (KEP-2535).
        NotVerified => "not_verified",
        /// The disk is full.
        DiskFull => "disk_full",
        /// The kubelet's own limit on pulls.
        KubeletQps => "kubelet_qps",
    }
}

/// A kind: a word, what is wrong with a Secret, or the rule that a key breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Detail {
    /// One of the words.
    Word(Word),
    /// Of `malformed_secret`.
    Fault(FaultKind),
    /// Of `registry_mismatch`.
    Rule(Rule),
}

impl Detail {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Word(word) => word.as_str(),
            Self::Fault(fault) => fault.as_str(),
            Self::Rule(rule) => rule.as_str(),
        }
    }

    /// The kind of a cause that one message proves by itself, from its words.
    pub(super) fn said(reason: Reason, text: &str) -> Option<Self> {
        let word = match reason {
            Reason::Dns => Word::Dns,
            // Go's net/http: the CONNECT to a proxy failed, or the connection to it.
            Reason::Timeout | Reason::Connection if text.contains("proxyconnect") => Word::Proxy,
            Reason::Timeout => Word::Timeout,
            Reason::Connection => Word::Connection,
            Reason::Tls => tls(text),
            Reason::NodeDiskFull => Word::DiskFull,
            Reason::KubeletQps => Word::KubeletQps,
            _ => return None,
        };
        Some(Self::Word(word))
    }
}

/// The words of Go's crypto/x509 and net/http.
fn tls(text: &str) -> Word {
    let says = |needle: &str| text.contains(needle);
    if says("HTTP response to HTTPS client") || says("does not look like a TLS handshake") {
        Word::PlainHttp
    } else if says("unknown authority") || says("unable to get local issuer") {
        Word::UnknownCa
    } else if says("not yet valid: current time") && says(" is before ") {
        Word::NotYetValid
    } else if says("certificate has expired") {
        Word::Expired
    } else if says("certificate is valid for")
        || says("certificate is not valid for any names")
        || says("doesn't contain any IP SANs")
        || says("legacy Common Name")
    {
        Word::WrongName
    } else {
        Word::Protocol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_of_tls_has_its_kind() {
        let rows = [
            (
                "x509: certificate signed by unknown authority",
                "unknown_ca",
            ),
            (
                "x509: certificate has expired or is not yet valid: current time 2026-01-02T03:04:05Z is after 2026-01-01T00:00:00Z",
                "expired",
            ),
            (
                "x509: certificate has expired or is not yet valid: current time 2026-01-02T03:04:05Z is before 2027-01-01T00:00:00Z",
                "not_yet_valid",
            ),
            (
                "x509: certificate is valid for a.example, not b.example",
                "wrong_name",
            ),
            (
                "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs",
                "wrong_name",
            ),
            (
                "http: server gave HTTP response to HTTPS client",
                "plain_http",
            ),
            (
                "tls: first record does not look like a TLS handshake",
                "plain_http",
            ),
            ("remote error: tls: handshake failure", "protocol"),
        ];
        for (text, expected) in rows {
            let found = Detail::said(Reason::Tls, text).map(Detail::as_str);
            assert_eq!(found, Some(expected), "{text}");
        }
    }

    #[test]
    fn a_proxy_is_no_registry() {
        let found = |text| Detail::said(Reason::Connection, text).map(Detail::as_str);
        let text = "proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused";
        assert_eq!(found(text), Some("proxy"));
        assert_eq!(
            found("dial tcp 10.0.0.1:443: connection refused"),
            Some("connection")
        );
    }
}
