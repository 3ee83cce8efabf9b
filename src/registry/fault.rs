//! Why a request brought no answer: the chain of reqwest's error, read by type.
//!
//! The error itself ends here: its text holds the URL, and with it what stood in a realm's query.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter;

use rustls::{CertificateError, InvalidMessage};

use super::progress::Reached;
use super::resolver::Unresolved;
use crate::domain::exchange::{DnsFault, NetworkFault, Stage, TlsFault};

/// How the request went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// To an address that we resolved and vetted.
    Direct,
    /// To a proxy, which resolves.
    Proxied,
}

/// The fault behind an error, given what was under way.
pub(super) fn fault_of(error: &reqwest::Error, reached: Reached, route: Route) -> NetworkFault {
    let fault = by_cause(error).unwrap_or_else(|| by_kind(error, reached));
    match route {
        // The ClientHello is for the registry, and goes out once the tunnel stands.
        Route::Proxied if error.is_connect() && reached != Reached::Handshake => {
            NetworkFault::Proxy
        }
        Route::Direct | Route::Proxied => fault,
    }
}

/// The fault behind an error that is none of reqwest's and no time-out.
pub(super) fn fault_behind(error: &(dyn Error + 'static)) -> NetworkFault {
    by_cause(error)
        .or_else(|| by_layer(error))
        .unwrap_or(NetworkFault::Other)
}

/// What a type somewhere in the chain says beyond doubt.
fn by_cause(error: &(dyn Error + 'static)) -> Option<NetworkFault> {
    causes(error).find_map(|cause| {
        if let Some(unresolved) = cause.downcast_ref::<Unresolved>() {
            return Some(match *unresolved {
                Unresolved::Dns(fault) => NetworkFault::Dns(fault),
                Unresolved::Refused(rule) => NetworkFault::Blocked(rule),
            });
        }
        let tls = cause.downcast_ref::<rustls::Error>()?;
        Some(NetworkFault::Tls(tls_fault(tls)))
    })
}

fn by_kind(error: &reqwest::Error, reached: Reached) -> NetworkFault {
    if error.is_timeout() {
        return timeout(error, reached);
    }
    by_layer(error).unwrap_or(NetworkFault::Other)
}

fn by_layer(error: &(dyn Error + 'static)) -> Option<NetworkFault> {
    // the innermost knows best: a request is cancelled for a reason
    let hyper = causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>());
    hyper.filter_map(http_fault).last().or_else(|| {
        causes(error)
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .find_map(|io| io_fault(io.kind()))
    })
}

fn http_fault(error: &hyper::Error) -> Option<NetworkFault> {
    /// hyper has no question for it: the peer spoke before it was asked, as SSH and SMTP do.
    const SPOKE_FIRST: &str = "received unexpected message from connection";
    if error.is_parse_too_large() {
        Some(NetworkFault::TooLarge)
    } else if error.is_parse() || error.to_string() == SPOKE_FIRST {
        Some(NetworkFault::NotHttp)
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        Some(NetworkFault::Closed)
    } else {
        None
    }
}

/// reqwest's bound for connecting covers look-up, TCP and TLS together.
fn timeout(error: &reqwest::Error, reached: Reached) -> NetworkFault {
    match (reached, error.is_connect()) {
        (Reached::Resolving, _) => NetworkFault::Dns(DnsFault::Unanswered),
        (Reached::Handshake, true) => NetworkFault::Timeout(Stage::Tls),
        (Reached::Nothing | Reached::Connecting, true) => NetworkFault::Timeout(Stage::Connect),
        (Reached::Nothing | Reached::Connecting | Reached::Handshake, false) => {
            NetworkFault::Timeout(Stage::Answer)
        }
    }
}

fn io_fault(kind: ErrorKind) -> Option<NetworkFault> {
    match kind {
        ErrorKind::ConnectionRefused => Some(NetworkFault::Refused),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Some(NetworkFault::Closed),
        // EPERM is what a local packet filter answers
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => Some(NetworkFault::Unreachable),
        _ => None,
    }
}

fn tls_fault(error: &rustls::Error) -> TlsFault {
    match error {
        rustls::Error::InvalidCertificate(certificate) => certificate_fault(certificate),
        // What the peer sent is no TLS record. It may be another protocol than HTTP; HTTP is what
        // stands on a registry's port.
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => TlsFault::PlainHttp,
        _ => TlsFault::Protocol,
    }
}

fn certificate_fault(error: &CertificateError) -> TlsFault {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFault::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::WrongName
        }
        CertificateError::UnknownIssuer => TlsFault::UnknownCa,
        _ => TlsFault::Protocol,
    }
}

/// The chain of an error. `io::Error::source` skips the error that it wraps, and TLS errors are
/// wrapped so twice.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| next_cause(*error))
}

fn next_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        Some(io) => io
            .get_ref()
            .map(|inner| -> &'a (dyn Error + 'static) { inner }),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use regcred_stand_ins::tls::Ca;
    use reqwest::dns::{Name, Resolve, Resolving};
    use rustls::pki_types::ServerName;

    use super::*;
    use crate::domain::policy::Rule;
    use crate::registry::Trust;

    struct Failing(Unresolved);

    impl Resolve for Failing {
        fn resolve(&self, _: Name) -> Resolving {
            let error = self.0;
            Box::pin(async move { Err(error.into()) })
        }
    }

    #[tokio::test]
    async fn what_our_resolver_says_is_found_again() {
        let trust = Trust::of([Ca::new().der()]).unwrap();
        let check = async |unresolved, expected: NetworkFault| {
            let client = reqwest::Client::builder()
                .tls_backend_preconfigured(trust.config(&trust.recorder(Arc::default())))
                .no_proxy()
                .dns_resolver(Arc::new(Failing(unresolved)))
                .build()
                .unwrap();
            let sent = client.get("https://registry.invalid/v2/").send().await;
            let error = sent.unwrap_err();
            let fault = fault_of(&error, Reached::Resolving, Route::Direct);
            assert_eq!(fault, expected);
        };
        for fault in DnsFault::ALL {
            check(Unresolved::Dns(*fault), NetworkFault::Dns(*fault)).await;
        }
        for rule in Rule::ALL {
            check(Unresolved::Refused(rule), NetworkFault::Blocked(rule)).await;
        }
    }

    #[test]
    fn errors_of_the_system_are_told_apart() {
        let check = |kind, expected| assert_eq!(io_fault(kind), expected, "{kind:?}");
        check(ErrorKind::ConnectionRefused, Some(NetworkFault::Refused));
        check(ErrorKind::ConnectionReset, Some(NetworkFault::Closed));
        check(ErrorKind::BrokenPipe, Some(NetworkFault::Closed));
        check(ErrorKind::UnexpectedEof, Some(NetworkFault::Closed));
        check(ErrorKind::HostUnreachable, Some(NetworkFault::Unreachable));
        check(
            ErrorKind::NetworkUnreachable,
            Some(NetworkFault::Unreachable),
        );
        check(ErrorKind::PermissionDenied, Some(NetworkFault::Unreachable));
        check(ErrorKind::Other, None);
    }

    #[test]
    fn certificates_fail_for_one_reason_each() {
        let check = |error, expected| {
            let text = format!("{error:?}");
            let error = rustls::Error::InvalidCertificate(error);
            assert_eq!(tls_fault(&error), expected, "{text}");
        };
        check(CertificateError::Expired, TlsFault::Expired);
        check(CertificateError::NotValidYet, TlsFault::NotYetValid);
        check(CertificateError::NotValidForName, TlsFault::WrongName);
        let expected = ServerName::try_from("registry.example").unwrap();
        let presented = vec!["other.example".to_owned()];
        let context = CertificateError::NotValidForNameContext {
            expected,
            presented,
        };
        check(context, TlsFault::WrongName);
        check(CertificateError::UnknownIssuer, TlsFault::UnknownCa);
        // of the handshake: the server's key is not its certificate's
        check(CertificateError::BadSignature, TlsFault::Protocol);
        check(CertificateError::Revoked, TlsFault::Protocol);
        check(CertificateError::BadEncoding, TlsFault::Protocol);
        let other = rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion);
        assert_eq!(tls_fault(&other), TlsFault::Protocol);
    }
}
