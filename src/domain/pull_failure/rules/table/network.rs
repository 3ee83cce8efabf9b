//! What stands in the way to a registry.

use super::rule;
use crate::domain::pull_failure::Reason;
use crate::domain::pull_failure::rules::Context::{Anywhere, Clause};
use crate::domain::pull_failure::rules::Rule;
use crate::domain::pull_failure::rules::Strength::{Cause, Code, Hint};

#[rustfmt::skip] // A row a line.
pub(super) const RULES: &[Rule] = &[
    // Names that nobody could resolve: whatever a resolver says behind `lookup`.
    rule(Anywhere, "lookup H", Reason::Dns, Cause, "go net"),
    rule(Anywhere, "no such host", Reason::Dns, Cause, "go net"),
    rule(Anywhere, "server misbehaving", Reason::Dns, Cause, "go net"),
    rule(Anywhere, "failure in name resolution", Reason::Dns, Cause, "libc"),
    rule(Anywhere, "name or service not known", Reason::Dns, Cause, "libc"),
    rule(Anywhere, "could not resolve host", Reason::Dns, Cause, "curl"),
    rule(Anywhere, "no address associated with hostname", Reason::Dns, Cause, "libc"),
    rule(Anywhere, "name does not resolve", Reason::Dns, Cause, "musl"),
    rule(Anywhere, "nodename nor servname provided", Reason::Dns, Cause, "libc"),

    // Too slow.
    rule(Anywhere, "i/o timeout", Reason::Timeout, Code, "go net"),
    rule(Anywhere, "tls handshake timeout", Reason::Timeout, Code, "go net/http"),
    rule(Anywhere, "client.timeout exceeded", Reason::Timeout, Code, "go net/http"),
    rule(Anywhere, "client.timeout or context cancellation", Reason::Timeout, Code, "go net/http"),
    rule(Anywhere, "timeout awaiting response headers", Reason::Timeout, Code, "go net/http"),
    rule(Anywhere, "context deadline exceeded", Reason::Timeout, Code, "go context"),
    rule(Anywhere, "connection timed out", Reason::Timeout, Code, "errno"),
    rule(Anywhere, "operation timed out", Reason::Timeout, Code, "errno"),
    rule(Anywhere, "network timed out", Reason::Timeout, Code, "docker 1"),
    rule(Anywhere, "request timeout", Reason::Timeout, Code, "HTTP status"),
    rule(Anywhere, "request time-out", Reason::Timeout, Code, "HTTP status"),
    rule(Anywhere, "http 408 response body", Reason::Timeout, Code, "docker"),
    rule(Anywhere, "timed out", Reason::Timeout, Hint, "any"),
    rule(Anywhere, "did not properly respond after a period of time", Reason::Timeout, Code, "Windows"),
    rule(Anywhere, "code deadlineexceeded", Reason::Timeout, Hint, "gRPC"),

    // No way there, or it broke.
    rule(Anywhere, "connection refused", Reason::Connection, Code, "errno"),
    rule(Anywhere, "connection reset by peer", Reason::Connection, Code, "errno"),
    rule(Anywhere, "no route to host", Reason::Connection, Code, "errno"),
    rule(Anywhere, "host is down", Reason::Connection, Code, "errno"),
    rule(Anywhere, "network is unreachable", Reason::Connection, Code, "errno"),
    rule(Anywhere, "network is down", Reason::Connection, Code, "errno"),
    rule(Anywhere, "host unreachable", Reason::Connection, Code, "SOCKS"),
    rule(Anywhere, "connect:invalid argument", Reason::Connection, Code, "errno"),
    rule(Anywhere, "attempted to an unreachable network", Reason::Connection, Code, "Windows"),
    rule(Anywhere, "attempted to an unreachable host", Reason::Connection, Code, "Windows"),
    rule(Anywhere, "connect:permission denied", Reason::Connection, Code, "errno"),
    rule(Anywhere, "connect:operation not permitted", Reason::Connection, Code, "errno"),
    rule(Anywhere, "no suitable address found", Reason::Connection, Code, "go net"),
    rule(Anywhere, "actively refused it", Reason::Connection, Code, "Windows"),
    rule(Anywhere, "forcibly closed by the remote host", Reason::Connection, Code, "Windows"),
    rule(Anywhere, "cannot assign requested address", Reason::Connection, Code, "errno"),
    rule(Anywhere, "broken pipe", Reason::Connection, Code, "errno"),
    rule(Clause, "eof", Reason::Connection, Code, "go io"),
    rule(Anywhere, "unexpected eof", Reason::Connection, Code, "go io"),
    rule(Anywhere, "use of closed network connection", Reason::Connection, Code, "go net"),
    rule(Anywhere, "server closed idle connection", Reason::Connection, Code, "go net/http"),
    rule(Anywhere, "server sent goaway", Reason::Connection, Code, "go http2"),
    rule(Anywhere, "client connection lost", Reason::Connection, Code, "go http2"),
    rule(Anywhere, "stream error", Reason::Connection, Code, "go http2"),
    rule(Anywhere, "client connection force closed", Reason::Connection, Code, "go http2"),
    rule(Anywhere, "transport connection broken", Reason::Connection, Hint, "go net/http"),
    rule(Anywhere, "could not reach any registry endpoint", Reason::Connection, Hint, "docker 1"),
    rule(Anywhere, "proxyconnect tcp", Reason::Connection, Code, "go net/http"),
    rule(Anywhere, "error connecting to proxy", Reason::Connection, Code, "go net/http"),
    rule(Anywhere, "proxy authentication required", Reason::Connection, Cause, "HTTP status"),

    // TLS, and HTTP where TLS should be.
    rule(Clause, "x509", Reason::Tls, Cause, "go crypto/x509"),
    rule(Clause, "tls", Reason::Tls, Cause, "go crypto/tls"),
    rule(Anywhere, "certificate signed by unknown authority", Reason::Tls, Cause, "go crypto/x509"),
    rule(Anywhere, "certificate has expired or is not yet valid", Reason::Tls, Cause, "go crypto/x509"),
    rule(Anywhere, "certificate is valid for", Reason::Tls, Cause, "go crypto/x509"),
    rule(Anywhere, "self-signed certificate", Reason::Tls, Cause, "OpenSSL"),
    rule(Anywhere, "self signed certificate", Reason::Tls, Cause, "OpenSSL"),
    rule(Anywhere, "unable to get local issuer certificate", Reason::Tls, Cause, "OpenSSL"),
    rule(Anywhere, "first record does not look like a tls handshake", Reason::Tls, Cause, "go crypto/tls"),
    rule(Anywhere, "server gave http response to https client", Reason::Tls, Cause, "go net/http"),
    rule(Anywhere, "client sent an http request to an https server", Reason::Tls, Cause, "go net/http"),
    rule(Anywhere, "malformed http response", Reason::Tls, Cause, "go net/http"),
];
