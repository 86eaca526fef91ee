//! `/healthz`, `/readyz`, `/metrics` on a port of their own.

use crate::webhook::Ready;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use mooring_net::http::{Body, Limits, serve, with_type};
use mooring_net::shutdown::Shutdown;
use prometheus::{Encoder as _, Registry, TextEncoder};
use std::net::SocketAddr;
use tokio::net::TcpListener;

const TEXT: &str = "text/plain; charset=utf-8";

/// Serves until asked to end. Ready means: the webhook may be sent pods. Leading or not makes no difference.
pub async fn run(
    listen: SocketAddr,
    registry: Registry,
    ready: Ready,
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

fn answer(method: &Method, path: &str, registry: &Registry, ready: &Ready) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return with_type(StatusCode::METHOD_NOT_ALLOWED, TEXT, "expected GET\n");
    }
    match path {
        "/healthz" => with_type(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" if ready.get() => with_type(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => {
            let why =
                "the webhook does not know the LicenseServers yet, or its caBundle is not set\n";
            with_type(StatusCode::SERVICE_UNAVAILABLE, TEXT, why)
        }
        "/metrics" => metrics(registry),
        _ => with_type(
            StatusCode::NOT_FOUND,
            TEXT,
            "expected /healthz, /readyz or /metrics\n",
        ),
    }
}

fn metrics(registry: &Registry) -> Response<Body> {
    let (encoder, mut text) = (TextEncoder::new(), Vec::new());
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => with_type(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            text,
        ),
        Err(e) => with_type(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{e}\n")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn health_readiness_and_metrics() {
        let metrics = Metrics::new(Registry::new()).unwrap();
        metrics.leads(true);
        let ask = |path| answer(&Method::GET, path, metrics.registry(), &Ready::default()).status();
        assert_eq!(ask("/healthz"), StatusCode::OK);
        assert_eq!(ask("/readyz"), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask("/metrics"), StatusCode::OK);
        assert_eq!(ask("/"), StatusCode::NOT_FOUND);
        let post = answer(
            &Method::POST,
            "/metrics",
            metrics.registry(),
            &Ready::default(),
        );
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
