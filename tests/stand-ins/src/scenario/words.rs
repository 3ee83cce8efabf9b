//! What runtimes are told, each text under a word: the formats are those of
//! tests/fixtures/pull_messages, which name their sources.

/// The cause that the runtime puts at the end of its error.
///
/// # Panics
/// When nobody knows the word.
pub(super) fn cause(word: &str, registry: &str, image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or_default();
    match word {
        // containerd, of a registry that answers 401 to whatever was sent: nine causes have it.
        "refused" => format!("pulling from host {registry} failed with status code [manifests 1]: 401 Unauthorized"),
        "denied" => "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed".to_owned(),
        "forbidden" => format!("pulling from host {registry} failed with status code [manifests 1]: 403 Forbidden"),
        "not_found" => format!("{image}: not found"),
        "limited" => format!("failed to copy: httpReadSeeker: failed open: unexpected status code https://{registry}/v2/{name}: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit."),
        "too_many_logins" => "failed to authorize: failed to fetch oauth token: unexpected status: 429 Too Many Requests".to_owned(),
        "dns" => format!("failed to do request: Head \"https://{registry}/v2/{name}\": dial tcp: lookup {registry} on 10.96.0.10:53: no such host"),
        "timeout" => format!("failed to do request: Head \"https://{registry}/v2/{name}\": dial tcp 203.0.113.7:443: i/o timeout"),
        "connection" => format!("failed to do request: Head \"https://{registry}/v2/{name}\": dial tcp 203.0.113.7:443: connect: connection refused"),
        "proxy" => format!("failed to do request: Head \"https://{registry}/v2/{name}\": proxyconnect tcp: dial tcp 10.0.0.5:3128: connect: connection refused"),
        "unknown_ca" => format!("failed to do request: Head \"https://{registry}/v2/{name}\": tls: failed to verify certificate: x509: certificate signed by unknown authority"),
        "certificate_expired" => format!("failed to do request: Head \"https://{registry}/v2/{name}\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-20T10:00:00Z is after 2026-11-01T00:00:00Z"),
        "plain_http" => format!("failed to do request: Head \"https://{registry}/v2/{name}\": http: server gave HTTP response to HTTPS client"),
        "unavailable" => format!("unexpected status from HEAD request to https://{registry}/v2/{name}: 503 Service Unavailable"),
        "platform" => "no match for platform in manifest: not found".to_owned(),
        "disk" => "failed to extract layer sha256:00: write /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/1/fs/app: no space left on device".to_owned(),
        "corrupt" => "failed commit on ref \"layer-sha256:11\": unexpected commit digest sha256:00, expected sha256:11: failed precondition".to_owned(),
        _ => panic!("no runtime says `{word}`"),
    }
}
