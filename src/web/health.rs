//! Are we alive, are we ready: for kubelets, load balancers and people with curl.

use http::StatusCode;

use super::{Response, text};
use crate::lifecycle::Readiness;

/// That we answer is all that liveness means: no registry and no API server may restart us.
pub(super) fn alive() -> Response {
    text(StatusCode::OK, "ok\n")
}

pub(super) fn ready(readiness: &Readiness) -> Response {
    if readiness.is_ready() {
        text(StatusCode::OK, "ok\n")
    } else {
        text(
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: some watch has not listed yet, or we are shutting down\n",
        )
    }
}
