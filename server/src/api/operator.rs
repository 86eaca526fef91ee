//! The operator's calls: pods proven gone, the roster, policies.

use super::{Asked, OPERATOR_BODY};
use crate::app::App;
use crate::auth::{Auth, Who};
use http::Response;
use mooring_core::wire::{Expected, Gone, Policies, Problem, ProblemType};
use mooring_net::http::{self as net, Body};

fn operator_only(asked: &Asked) -> Result<(), Problem> {
    if Auth::by_certificate(&asked.peer) == Some(Who::Operator) {
        return Ok(());
    }
    let detail = "this call needs the operator's client certificate (CN mooring-operator, from this server's clientCa)";
    Err(Problem::new(ProblemType::OperatorOnly, detail))
}

/// Pods proven gone: their seats are free in this step.
pub(super) async fn gone(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    operator_only(&asked)?;
    let Gone { holders } = asked.json(OPERATOR_BODY).await?;
    let ended = app.engine.act(|l, now| l.gone(&holders, now));
    tracing::info!(holders = holders.len(), ended, "holders gone");
    Ok(net::no_content())
}

/// The roster: settling ends once each holder on it is in or gone.
pub(super) async fn expected(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    operator_only(&asked)?;
    let Expected { holders } = asked.json(OPERATOR_BODY).await?;
    let settling = app.engine.act(|l, now| {
        l.expected(&holders, now);
        l.settling()
    });
    tracing::info!(holders = holders.len(), settling, "roster received");
    Ok(net::no_content())
}

/// Who may use this server.
pub(super) async fn policies(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    operator_only(&asked)?;
    let policies: Policies = asked.json(OPERATOR_BODY).await?;
    app.policies.set(policies);
    Ok(net::no_content())
}
