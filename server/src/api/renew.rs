//! `POST /v1/leases/renew` and `POST /v1/leases/{id}/token`: the claim's secret is enough for both.

use super::{Asked, BODY};
use crate::app::App;
use http::{Response, StatusCode};
use mooring_core::names::LeaseId;
use mooring_core::wire::{
    MAX_RENEWALS, NonceRequest, Problem, ProblemType, RenewRequest, RenewResponse, Renewed,
    TokenResponse, is_nonce,
};
use mooring_net::clock;
use mooring_net::http::{self as net, Body};

/// Renews many leases, each for itself.
///
/// The ledger hears each renewal even if it then cannot be signed, because the anchor or the license is missing: the holder is
/// alive, and its seat must not go to another the moment the anchor is back.
pub(super) async fn renew(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    let RenewRequest { renewals } = asked.json(BODY).await?;
    if renewals.is_empty() || renewals.len() > MAX_RENEWALS {
        let detail = format!(
            "{} renewals in one request, expected 1 to {MAX_RENEWALS}",
            renewals.len()
        );
        return Err(Problem::new(ProblemType::BadRequest, detail).field("renewals"));
    }
    let renewed: Vec<_> = app.engine.act(|l, now| {
        renewals
            .iter()
            .map(|r| (r.lease, l.renew(r, now)))
            .collect()
    });
    let now = clock::now();
    let signing = app.chain.signing(now).await;
    let results = renewed.into_iter().map(|(lease, granted)| {
        let signed = granted.map_err(Problem::from).and_then(|g| {
            let f = signing.as_ref().map_err(Clone::clone)?;
            let token = app.chain.lease(f, &g, now, None)?;
            Ok(Renewed::Ok {
                lease,
                instance: app.chain.instance,
                lease_for: f.terms.lease_for,
                run_for: f.terms.run_for,
                max_contested: f.terms.max_contested,
                optimistic_start: f.terms.optimistic_start,
                counter: g.counter,
                token,
            })
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
    let granted = app.engine.ask(|l, _| l.lookup(lease, &secret))?;
    let now = clock::now();
    app.auth.revoked().check(&granted.holder, now.wall)?;
    let f = app.chain.signing(now).await?;
    let token = app.chain.lease(&f, &granted, now, Some(nonce))?;
    Ok(net::json(StatusCode::OK, &TokenResponse { token }))
}
