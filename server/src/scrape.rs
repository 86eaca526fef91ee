//! `/metrics`, on a port of its own, in plain HTTP.

use crate::app::App;
use http::{Request, Response};
use mooring_net::http::Body;
use mooring_net::serve::Inbound;
use mooring_net::{clock, metrics};
use std::sync::Arc;

#[allow(clippy::unused_async)] // the shape that the server wants
pub(crate) async fn handle(app: Arc<App>, req: Request<Inbound>) -> Response<Body> {
    metrics::answer(req.method(), req.uri().path(), || {
        let revoked = app.auth.revoked.len();
        let gauge = &app.metrics.revoked;
        gauge.set(i64::try_from(revoked).unwrap_or(i64::MAX));
        let second = app.chain.second_server(clock::boot()).is_some();
        Ok(app.metrics.render(&app.engine, second).into())
    })
}
