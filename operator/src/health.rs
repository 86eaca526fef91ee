//! `/metrics` on a port of their own, and the health socket for probes: `mooring-operator health`
//! asks it.

use crate::webhook::Trusted;
use http::{Method, Request, Response};
use mooring_net::http::Body;
use mooring_net::serve::{Inbound, Limits, serve};
use mooring_net::shutdown::Shutdown;
use mooring_net::{health, metrics};
use prometheus::{Encoder as _, Registry, TextEncoder};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

/// Where the socket is, for who runs and for who asks.
#[derive(Clone, Debug, clap::Args)]
pub struct Socket {
    /// The Unix socket on which the operator says whether it is alive and ready.
    #[arg(long, default_value = "/run/mooring/health.sock", value_name = "PATH")]
    health_socket: PathBuf,
}

impl Socket {
    /// For people in an error.
    pub fn path(&self) -> &Path {
        &self.health_socket
    }

    /// What to print of the operator that runs here, and whether that is good.
    pub fn report(&self, must_be_ready: bool) -> Result<String, String> {
        health::report(&self.health_socket, must_be_ready)
    }

    /// Answers until asked to end. Ready means: the webhook may be sent pods. Leading or not makes
    /// no difference.
    pub async fn run(&self, ready: Trusted, shutdown: Shutdown) -> std::io::Result<()> {
        let bound = health::bind(&self.health_socket)?;
        let why = "the webhook does not know the LicenseServers yet, or its caBundle is not set";
        let ready = move || ready.get().then_some(()).ok_or(why);
        health::serve(bound, ready, shutdown).await;
        Ok(())
    }
}

/// Serves metrics until asked to end.
pub async fn scraped(
    listen: SocketAddr,
    registry: Registry,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let handler = move |request: Request<Inbound>| {
        let answer = answer(request.method(), request.uri().path(), &registry);
        async move { answer }
    };
    serve(listener, None, Limits::few(), shutdown, handler).await;
    Ok(())
}

fn answer(method: &Method, path: &str, registry: &Registry) -> Response<Body> {
    metrics::answer(method, path, || {
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
    fn metrics_and_nothing_else() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        metrics.leads(true);
        let ask = |path| answer(&Method::GET, path, &registry).status();
        assert_eq!(ask("/metrics"), StatusCode::OK);
        assert_eq!(ask("/healthz"), StatusCode::NOT_FOUND);
        let post = answer(&Method::POST, "/metrics", &registry);
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
