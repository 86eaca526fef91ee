//! The server's API: routes, and what each call does, one file an idea.

mod asked;
mod claims;
mod operator;
mod owners;
mod renew;
mod views;
mod watch;

use self::asked::Asked;
pub(crate) use self::asked::Sent;
use crate::app::App;
use crate::metrics::count;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use mooring_core::names::BadName;
use mooring_core::wire::calls::{self, SERVER, ServerCall};
use mooring_core::wire::version::{self, WIRE};
use mooring_core::wire::{INSTANCE_HEADER, Problem, ProblemType, Versions, WIRE_HEADER};
use mooring_net::http::{self as net, Body};
use mooring_net::serve::Peer;
use std::str::FromStr;
use std::sync::Arc;

/// The description of this API, as `make openapi` writes it.
const OPENAPI: &str = include_str!("../../../docs/openapi/server.json");

const INSTANCE: HeaderName = HeaderName::from_static(INSTANCE_HEADER);
const SPEAKS: HeaderName = HeaderName::from_static(WIRE_HEADER);

pub(crate) async fn handle(app: Arc<App>, req: Request<Sent>) -> Response<Body> {
    let (parts, body) = req.into_parts();
    let (spec, arg) = match calls::find(SERVER, parts.method.as_str(), parts.uri.path()) {
        Ok(found) => found,
        Err(miss) => {
            let response = finish(&app, "none", Err(miss.problem));
            return net::allowing(response, &miss.allow);
        }
    };
    let peer = parts.extensions.get::<Peer>().cloned();
    let answer = match (speaks(&app, &parts.headers), peer) {
        (Err(p), _) => Err(p),
        (_, None) => Err(Problem::new(ProblemType::BadRequest, "no peer")),
        (_, Some(peer)) => {
            let query = parts.uri.query().unwrap_or_default().to_owned();
            let asked = Asked {
                peer,
                headers: parts.headers,
                query,
                body,
            };
            dispatch(&app, spec.call, arg, asked).await
        }
    };
    finish(&app, spec.name, answer)
}

/// Counts which version of the messages a request is in, and refuses one that is not understood.
fn speaks(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers.get(WIRE_HEADER).map(HeaderValue::as_bytes);
    let theirs = version::understood(said).map_err(|e| e.answer())?;
    app.metrics.speaks(theirs);
    Ok(())
}

/// `arg` is what the path has in the place of the braces. A future has room for the largest of its
/// arms: all but the call that is made most are apart, so that it does not carry their room along.
async fn dispatch(
    app: &Arc<App>,
    call: ServerCall,
    arg: &str,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    match call {
        ServerCall::Renew => renew::renew(app, asked).await,
        ServerCall::Versions => Ok(net::json(StatusCode::OK, &Versions::own())),
        ServerCall::OpenApi => Ok(net::with_type(StatusCode::OK, "application/json", OPENAPI)),
        ServerCall::PutClaim => Box::pin(claims::put(app, named(arg)?, asked)).await,
        ServerCall::DeleteClaim => Box::pin(claims::delete(app, &named(arg)?, asked)).await,
        ServerCall::Token => Box::pin(renew::token(app, named(arg)?, asked)).await,
        ServerCall::Products => Box::pin(views::products(app, asked)).await,
        ServerCall::Leases => Box::pin(views::leases(app, asked)).await,
        ServerCall::Gone => Box::pin(operator::gone(app, asked)).await,
        ServerCall::Expected => Box::pin(operator::expected(app, asked)).await,
        ServerCall::Policies => Box::pin(operator::policies(app, asked)).await,
        ServerCall::Owners => Box::pin(owners::owners(app, asked)).await,
        ServerCall::TestPolicy => Box::pin(operator::test_policy(app, asked)).await,
        ServerCall::Revoke => Box::pin(operator::revoke(app, named(arg)?, asked)).await,
        ServerCall::Lift => Box::pin(operator::unrevoke(app, named(arg)?, asked)).await,
        ServerCall::TakeBack => Box::pin(operator::take_back(app, named(arg)?, asked)).await,
        ServerCall::Revocations => Box::pin(operator::revocations(app, asked)).await,
        ServerCall::ChangeRevocations => Box::pin(operator::change_revocations(app, asked)).await,
    }
}

/// The name or id in a path.
fn named<T: FromStr<Err = BadName>>(arg: &str) -> Result<T, Problem> {
    arg.parse()
        .map_err(|e| Problem::new(ProblemType::BadRequest, format!("path: {e}")))
}

fn finish(app: &App, call: &str, answer: Result<Response<Body>, Problem>) -> Response<Body> {
    let mut response = answer.unwrap_or_else(|p| {
        app.metrics.problem(&p);
        tracing::debug!(call, problem = p.kind.name(), detail = %p.detail, "problem");
        net::problem(&p)
    });
    count(&app.metrics.requests, &[call, response.status().as_str()]);
    // By it holders know the server's own word from that of somebody in front of it.
    let run = app.chain.named.clone();
    let headers = response.headers_mut();
    headers.insert(INSTANCE, run);
    headers.insert(SPEAKS, HeaderValue::from(WIRE));
    response
}
