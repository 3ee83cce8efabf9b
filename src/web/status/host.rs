//! Whom a request is meant for, and from where it comes.

use std::net::IpAddr;

use http::header::{ACCEPT, HOST, HeaderMap, HeaderName, ORIGIN};

/// It is meant for this machine. A name of anybody's may be made to lead here, and a browser would
/// then show its page what ours says: DNS rebinding.
pub(super) fn is_ours(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(is_this_machine)
}

/// A browser sent it for a page of another site.
pub(super) fn is_cross_site(headers: &HeaderMap) -> bool {
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    if let Some(site) = site {
        return site != "same-origin" && site != "none";
    }
    let origin = headers
        .get(ORIGIN)
        .map(|origin| origin.to_str().unwrap_or("null"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    match (origin, host) {
        (None, _) => false,
        (Some(origin), Some(host)) => origin.strip_prefix("http://") != Some(host),
        (Some(_), None) => true,
    }
}

/// A browser shows the answer to a person.
pub(super) fn is_for_people(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

/// `localhost` or an address of loopback, with any port: what forwards a port has one of its own.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn only_this_machine_is_asked_for() {
        for (host, expected) in [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("127.0.0.1:10188", true),
            ("[::1]:9", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.1:10188", false),
            ("", false),
        ] {
            assert_eq!(is_ours(&headers(&[("host", host)])), expected, "{host}");
        }
        assert!(!is_ours(&headers(&[])));
    }

    #[test]
    fn another_site_is_told_by_what_a_browser_says() {
        let host = ("host", "localhost:1");
        for (more, expected) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("origin", "http://localhost:1")], false),
            (&[("origin", "http://evil.example")], true),
            (&[("origin", "null")], true),
        ] {
            let all = [&[host][..], more].concat();
            assert_eq!(is_cross_site(&headers(&all)), expected, "{more:?}");
        }
    }
}
