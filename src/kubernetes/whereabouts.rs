//! Where the API servers stand that no registry is: the one that we read, and the one of the cluster
//! that we run in, if we run in one.

use std::env;

use http::Uri;

use super::client::Connection;
use crate::domain::policy::ApiServer;

/// Both, of which one may be the other.
pub fn api_servers(read: Option<&Connection>) -> Vec<ApiServer> {
    let read = read.and_then(|connection| connection.api_server.clone());
    let mut all: Vec<_> = read.into_iter().chain(around_us()).collect();
    all.dedup();
    all
}

/// As the URL of a kubeconfig says.
pub(super) fn of(url: &Uri) -> Option<ApiServer> {
    let default = match url.scheme_str() {
        Some("http") => 80,
        _ => 443,
    };
    let port = url.port_u16().unwrap_or(default);
    Some(ApiServer::new(url.host()?, port))
}

/// As the kubelet tells every container.
fn around_us() -> Option<ApiServer> {
    let host = env::var("KUBERNETES_SERVICE_HOST").ok()?;
    let port = env::var("KUBERNETES_SERVICE_PORT").ok()?.parse().ok()?;
    Some(ApiServer::new(&host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_port_has_that_of_its_scheme() {
        let check = |url: &str, host: &str, port| {
            let expected = Some(ApiServer::new(host, port));
            assert_eq!(of(&url.parse().unwrap()), expected, "{url}");
        };
        check("https://api.example.com", "api.example.com", 443);
        check("http://api.example.com/k8s/a", "api.example.com", 80);
        check("https://10.96.0.1:6443", "10.96.0.1", 6443);
        check("https://[fd00::1]:6443", "fd00::1", 6443);
    }
}
