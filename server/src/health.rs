//! `/healthz`, `/readyz` and `/metrics`, on a port of their own, in plain HTTP. Ready means listening: a server without its
//! anchor or license still renews, explains, and is what the operator must reach.

use crate::app::App;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use mooring_core::wire::{Problem, ProblemType};
use mooring_net::clock;
use mooring_net::http::{Body, problem, with_type};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the API listens.
pub(crate) type Listening = Arc<AtomicBool>;

/// Answers a request.
#[allow(clippy::unused_async)] // the shape that the server wants
pub(crate) async fn handle(
    app: Arc<App>,
    listening: Listening,
    req: Request<Incoming>,
) -> Response<Body> {
    let text = |status, text: &str| with_type(status, "text/plain; charset=utf-8", text.to_owned());
    if req.method() != Method::GET && req.method() != Method::HEAD {
        return problem(&Problem::new(
            ProblemType::MethodNotAllowed,
            "this port takes GET",
        ));
    }
    match req.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if listening.load(Ordering::Relaxed) => text(StatusCode::OK, "ok\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not listening\n"),
        "/metrics" => {
            let revoked = app.auth.revoked().len();
            app.metrics
                .revoked
                .set(i64::try_from(revoked).unwrap_or(i64::MAX));
            with_type(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                app.metrics.render(
                    &app.engine,
                    app.chain.second_server(clock::boot()).is_some(),
                ),
            )
        }
        _ => problem(&Problem::new(
            ProblemType::NotFound,
            "this port has /healthz, /readyz and /metrics",
        )),
    }
}
