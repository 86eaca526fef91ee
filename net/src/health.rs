//! `/healthz`, `/readyz` and `/metrics`, in plain HTTP on a port of their own.

use crate::http::{Body, allowing, with_type};
use http::{Method, Response, StatusCode};

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers a request there. Where it is not ready, `ready` says why; `metrics` is text in the
/// format of Prometheus.
pub fn answer(
    method: &Method,
    path: &str,
    ready: Result<(), &'static str>,
    metrics: impl FnOnce() -> Result<Vec<u8>, String>,
) -> Response<Body> {
    let text = |status, text: String| with_type(status, "text/plain; charset=utf-8", text + "\n");
    if method != Method::GET && method != Method::HEAD {
        let refused = text(StatusCode::METHOD_NOT_ALLOWED, "expected GET".into());
        return allowing(refused, "GET, HEAD");
    }
    let ok = || text(StatusCode::OK, "ok".into());
    match path {
        "/healthz" => ok(),
        "/readyz" => match ready {
            Ok(()) => ok(),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, why.into()),
        },
        "/metrics" => match metrics() {
            Ok(m) => with_type(StatusCode::OK, PROMETHEUS, m),
            Err(e) => text(StatusCode::INTERNAL_SERVER_ERROR, e),
        },
        _ => {
            let expected = "expected /healthz, /readyz or /metrics";
            text(StatusCode::NOT_FOUND, expected.into())
        }
    }
}
