//! Which proxy stands before a URL: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, as curl
//! reads them.
//!
//! The choice is made here and not inside reqwest, so that a fault on the way is known to be the
//! proxy's, and so that policy knows when it is not we who resolve the name.

use std::fmt;
use std::sync::Arc;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use reqwest::{Proxy, Url};
use thiserror::Error;

/// The proxies of this process.
#[derive(Clone)]
pub struct Proxies(Option<Arc<Matcher>>);

/// A proxy that we cannot speak to: SOCKS, or no URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("proxy is no http or https URL")]
pub struct InvalidProxy;

impl Proxies {
    /// As the environment says at this moment.
    pub fn from_env() -> Self {
        Self(Some(Arc::new(Matcher::from_env())))
    }

    /// Every request goes straight.
    pub fn none() -> Self {
        Self(None)
    }

    /// One proxy for all but `no_proxy`, a list as in `NO_PROXY`.
    pub fn all(proxy: &str, no_proxy: &str) -> Self {
        let matcher = Matcher::builder().all(proxy).no(no_proxy).build();
        Self(Some(Arc::new(matcher)))
    }

    /// The proxy before this URL.
    pub(super) fn before(&self, url: &Url) -> Option<Intercept> {
        let uri = url.as_str().parse().ok()?;
        self.0.as_ref()?.intercept(&uri)
    }
}

/// Never the proxy's password.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxies").finish_non_exhaustive()
    }
}

/// What reqwest needs of it.
pub(super) fn through(intercept: &Intercept) -> Result<Proxy, InvalidProxy> {
    // SOCKS takes a feature of reqwest that nobody asked for yet.
    if !matches!(intercept.uri().scheme_str(), Some("http" | "https")) {
        return Err(InvalidProxy);
    }
    let proxy = Proxy::all(intercept.uri().to_string()).map_err(|_| InvalidProxy)?;
    Ok(match intercept.basic_auth() {
        Some(authorization) => proxy.custom_http_auth(authorization.clone()),
        None => proxy,
    })
}
