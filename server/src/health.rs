//! `/healthz`, `/readyz` and `/metrics`, on a port of their own, in plain HTTP. Ready means
//! listening: a server without its anchor or license still renews, explains, and is what the
//! operator must reach.

use crate::app::App;
use http::{Request, Response};
use hyper::body::Incoming;
use mooring_net::http::Body;
use mooring_net::{clock, health};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) type Listening = Arc<AtomicBool>;

#[allow(clippy::unused_async)] // the shape that the server wants
pub(crate) async fn handle(
    app: Arc<App>,
    listening: Listening,
    req: Request<Incoming>,
) -> Response<Body> {
    let listens = listening.load(Ordering::Relaxed);
    let ready = listens.then_some(()).ok_or("not listening");
    health::answer(req.method(), req.uri().path(), ready, || {
        let revoked = app.auth.revoked.len();
        let gauge = &app.metrics.revoked;
        gauge.set(i64::try_from(revoked).unwrap_or(i64::MAX));
        let second = app.chain.second_server(clock::boot()).is_some();
        Ok(app.metrics.render(&app.engine, second).into())
    })
}
