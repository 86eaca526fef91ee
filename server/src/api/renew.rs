//! `POST /v1/leases/renew` and `POST /v1/leases/{id}/token`: the claim's secret is enough for both.

use super::asked::{Asked, BODY};
use crate::app::App;
use http::{Response, StatusCode};
use mooring_core::frontend::answer;
use mooring_core::names::LeaseId;
use mooring_core::wire::{
    MAX_RENEWALS, NonceRequest, Problem, ProblemType, RenewRequest, RenewResponse, Renewed,
    TokenResponse, is_nonce,
};
use mooring_net::clock;
use mooring_net::http::{self as net, Body};

/// Renews many leases, each for itself.
pub(super) async fn renew(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    let RenewRequest { renewals } = asked.json(BODY).await?;
    if renewals.is_empty() || renewals.len() > MAX_RENEWALS {
        let detail = format!(
            "{} renewals in one request, expected 1 to {MAX_RENEWALS}",
            renewals.len()
        );
        return Err(Problem::new(ProblemType::BadRequest, detail).field("renewals"));
    }
    app.engine.fresh().await;
    let (renewed, may_sign) = app.engine.with(|f, now| f.renew(&renewals, now));
    let (now, mut chain) = (clock::now(), &*app.chain);
    let results = renewed.into_iter().map(|(lease, granted)| {
        let signed = granted.and_then(|g| {
            let f = may_sign.as_ref().map_err(Clone::clone)?;
            answer::renewed(&mut chain, f, &g, now)
        });
        let outcome = signed
            .as_ref()
            .map_or_else(|p| p.kind.name(), |_| "renewed");
        app.metrics.renewals.with_label_values(&[outcome]).inc();
        signed.unwrap_or_else(|problem| {
            app.metrics.problem(&problem);
            Renewed::Problem { lease, problem }
        })
    });
    let results = results.collect();
    Ok(net::json(StatusCode::OK, &RenewResponse { results }))
}

/// A token that answers the application's own question.
pub(super) async fn token(
    app: &App,
    lease: LeaseId,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let NonceRequest { nonce, secret } = asked.json(BODY).await?;
    if !is_nonce(&nonce) {
        let detail = "nonce: expected 16 to 64 characters of base64url";
        return Err(Problem::new(ProblemType::BadRequest, detail).field("nonce"));
    }
    app.engine.fresh().await;
    let (granted, f) = app.engine.with(|f, now| f.token(lease, &secret, now))?;
    let now = clock::now();
    app.auth.revoked().check(&granted.holder, now.wall)?;
    let token = answer::token(&mut &*app.chain, &f, &granted, now, Some(nonce))?;
    Ok(net::json(StatusCode::OK, &TokenResponse { token }))
}
