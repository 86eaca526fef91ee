//! `/healthz`, `/readyz`, `/metrics` on a port of their own.

use crate::webhook::Trusted;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use mooring_net::health;
use mooring_net::http::{Body, Limits, serve};
use mooring_net::shutdown::Shutdown;
use prometheus::{Encoder as _, Registry, TextEncoder};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Serves until asked to end. Ready means: the webhook may be sent pods. Leading or not makes no
/// difference.
pub async fn run(
    listen: SocketAddr,
    registry: Registry,
    ready: Trusted,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let limits = Limits {
        connections: 64,
        ..Limits::default()
    };
    let handler = move |request: Request<Incoming>| {
        let answer = answer(request.method(), request.uri().path(), &registry, &ready);
        async move { answer }
    };
    serve(listener, None, limits, shutdown, handler).await;
    Ok(())
}

fn answer(method: &Method, path: &str, registry: &Registry, ready: &Trusted) -> Response<Body> {
    let why = "the webhook does not know the LicenseServers yet, or its caBundle is not set";
    health::answer(method, path, ready.get().then_some(()).ok_or(why), || {
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&registry.gather(), &mut text);
        encoded.map(|()| text).map_err(|e| e.to_string())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::metrics::Metrics;
    use http::StatusCode;

    #[test]
    fn health_readiness_and_metrics() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        metrics.leads(true);
        let ask = |path| answer(&Method::GET, path, &registry, &Trusted::default()).status();
        assert_eq!(ask("/healthz"), StatusCode::OK);
        assert_eq!(ask("/readyz"), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask("/metrics"), StatusCode::OK);
        assert_eq!(ask("/"), StatusCode::NOT_FOUND);
        let post = answer(&Method::POST, "/metrics", &registry, &Trusted::default());
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
