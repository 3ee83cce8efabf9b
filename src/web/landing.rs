//! The page at `/`, for whoever opens the port in a browser.

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};

use super::body::Body;
use super::{Response, text};

/// Links and nothing else: no script, no style, no frame, no form.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn page(telemetry_path: &str) -> Response {
    let mut response = text(StatusCode::OK, "");
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let policy = HeaderValue::from_static(POLICY);
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response.map(|_| Body::from(html_of(telemetry_path)))
}

fn html_of(telemetry_path: &str) -> String {
    format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>regcred-exporter</title>
</head>
<body>
<h1>regcred-exporter</h1>
<p>{description}. Version {version}.</p>
<ul>
<li><a href=\"{telemetry_path}\">Metrics</a></li>
<li><a href=\"/readyz\">Ready</a></li>
<li><a href=\"/livez\">Alive</a></li>
</ul>
</body>
</html>
",
        description = env!("CARGO_PKG_DESCRIPTION"),
        version = env!("CARGO_PKG_VERSION"),
        telemetry_path = escaped(telemetry_path),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_telemetry_path_cannot_break_out_of_its_link() {
        let html = html_of("/m\"><script>&");
        assert!(html.contains("<a href=\"/m&quot;&gt;&lt;script&gt;&amp;\">"));
    }
}
