//! `/metrics`, in plain HTTP on a port of its own.

use crate::http::{Body, allowing, with_type};
use http::{Method, Response, StatusCode};

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers a request there; `metrics` is text in the format of Prometheus.
pub fn answer(
    method: &Method,
    path: &str,
    metrics: impl FnOnce() -> Result<Vec<u8>, String>,
) -> Response<Body> {
    let text = |status, text: String| with_type(status, "text/plain; charset=utf-8", text + "\n");
    if method != Method::GET && method != Method::HEAD {
        let refused = text(StatusCode::METHOD_NOT_ALLOWED, "expected GET".into());
        return allowing(refused, "GET, HEAD");
    }
    if path != "/metrics" {
        return text(StatusCode::NOT_FOUND, "expected /metrics".into());
    }
    match metrics() {
        Ok(m) => with_type(StatusCode::OK, PROMETHEUS, m),
        Err(e) => text(StatusCode::INTERNAL_SERVER_ERROR, e),
    }
}
