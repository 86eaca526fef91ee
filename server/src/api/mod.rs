//! The server's API: routes, and what each call does, one file an idea.

mod claims;
mod operator;
mod renew;
mod route;
mod views;
mod watch;

use crate::app::App;
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use mooring_core::wire::{Problem, ProblemType, VERSIONS};
use mooring_net::http::{self as net, Body, Peer};
use route::Call;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// The description of this API, as `make openapi` writes it.
const OPENAPI: &str = include_str!("../../../docs/openapi/server.json");
/// The largest body of a stranger.
const BODY: usize = 16 * 1024;
/// The largest body of the operator: a roster of a few hundred thousand pods.
const OPERATOR_BODY: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A request whose head was understood.
struct Asked {
    peer: Peer,
    headers: HeaderMap,
    query: String,
    body: Incoming,
}

impl Asked {
    async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, Problem> {
        net::read_json(self.body, limit, BODY_TIME).await
    }

    /// For calls whose body may be left out.
    async fn json_or_default<T: DeserializeOwned + Default>(
        self,
        limit: usize,
    ) -> Result<T, Problem> {
        let data = net::read_body(self.body, limit, BODY_TIME).await?;
        if data.is_empty() {
            return Ok(T::default());
        }
        serde_json::from_slice(&data)
            .map_err(|e| Problem::new(ProblemType::BadRequest, format!("JSON body: {e}")))
    }
}

/// Answers a request.
pub(crate) async fn handle(app: Arc<App>, req: Request<Incoming>) -> Response<Body> {
    let (parts, body) = req.into_parts();
    let call = match route::route(&parts.method, parts.uri.path()) {
        Ok(c) => c,
        Err(p) => {
            let mut r = finish(&app, "none", Err(p));
            if let Some(allowed) = route::methods(parts.uri.path())
                && r.status() == StatusCode::METHOD_NOT_ALLOWED
            {
                r.headers_mut()
                    .insert(ALLOW, HeaderValue::from_static(allowed));
            }
            return r;
        }
    };
    let Some(peer) = parts.extensions.get::<Peer>().cloned() else {
        return finish(
            &app,
            call.name(),
            Err(Problem::new(ProblemType::BadRequest, "no peer")),
        );
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let asked = Asked {
        peer,
        headers: parts.headers,
        query,
        body,
    };
    let name = call.name();
    let answer = match call {
        Call::Versions => Ok(net::json(
            StatusCode::OK,
            &serde_json::json!({ "versions": VERSIONS }),
        )),
        Call::OpenApi => Ok(net::with_type(StatusCode::OK, "application/json", OPENAPI)),
        Call::PutClaim(claim) => claims::put(&app, claim, asked).await,
        Call::DeleteClaim(claim) => claims::delete(&app, &claim, asked).await,
        Call::Renew => renew::renew(&app, asked).await,
        Call::Token(lease) => renew::token(&app, lease, asked).await,
        Call::Products => views::products(&app, asked).await,
        Call::Leases => views::leases(&app, asked).await,
        Call::Gone => operator::gone(&app, asked).await,
        Call::Expected => operator::expected(&app, asked).await,
        Call::Policies => operator::policies(&app, asked).await,
        Call::Revoke(lease) => operator::revoke(&app, lease, asked).await,
        Call::Unrevoke(lease) => operator::unrevoke(&app, lease, asked).await,
    };
    finish(&app, name, answer)
}

fn finish(app: &App, call: &str, answer: Result<Response<Body>, Problem>) -> Response<Body> {
    let response = answer.unwrap_or_else(|p| {
        app.metrics.problem(&p);
        tracing::debug!(call, problem = p.kind.name(), detail = %p.detail, "problem");
        net::problem(&p)
    });
    app.metrics
        .requests
        .with_label_values(&[call, response.status().as_str()])
        .inc();
    response
}
