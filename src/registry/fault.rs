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
        Route::Proxied if error.is_connect() && !is_of_the_registry(fault) => NetworkFault::Proxy,
        Route::Direct | Route::Proxied => fault,
    }
}

/// Faults that come from behind the proxy, although they happen while connecting.
fn is_of_the_registry(fault: NetworkFault) -> bool {
    matches!(
        fault,
        NetworkFault::Tls(_) | NetworkFault::Timeout(Stage::Tls) | NetworkFault::Blocked(_)
    )
}

/// What a type somewhere in the chain says beyond doubt.
fn by_cause(error: &reqwest::Error) -> Option<NetworkFault> {
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
    if let Some(hyper) = causes(error).find_map(|cause| cause.downcast_ref::<hyper::Error>()) {
        if hyper.is_parse_too_large() {
            return NetworkFault::TooLarge;
        }
        if hyper.is_parse() {
            return NetworkFault::NotHttp;
        }
        if hyper.is_incomplete_message() || hyper.is_closed() || hyper.is_canceled() {
            return NetworkFault::Closed;
        }
    }
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .find_map(|io| io_fault(io.kind()))
        .unwrap_or(NetworkFault::Other)
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
        // `openssl req -x509` makes a CA that is its own leaf; webpki names it so before it looks
        // for an issuer. Its type is no dependency of ours, its name is all we have.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            TlsFault::UnknownCa
        }
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
