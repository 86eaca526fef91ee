//! `POST /v1/leases/renew` and `POST /v1/leases/{id}/token`: the claim's secret is enough for both.

use super::asked::{Asked, BODY};
use crate::app::App;
use crate::metrics::count;
use http::{Response, StatusCode};
use mooring_core::frontend::answer;
use mooring_core::identity::Holder;
use mooring_core::license::{Digest, FreshToken};
use mooring_core::names::LeaseId;
use mooring_core::wire::{
    MAX_DOCUMENTS, MAX_RENEWALS, NonceRequest, Problem, ProblemType, RenewRequest, RenewResponse,
    Renewed, TokenResponse, is_nonce,
};
use mooring_net::clock;
use mooring_net::head::bad_field;
use mooring_net::http::{self as net, Body};
use mooring_net::sync::lock;

/// Renews many leases, each for itself.
pub(super) async fn renew(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    let RenewRequest {
        renewals,
        clock_ahead_secs,
    } = asked.json(BODY).await?;
    let n = renewals.len();
    if !(1..=MAX_RENEWALS).contains(&n) {
        let detail = format!("{n} renewals in one request, expected 1 to {MAX_RENEWALS}");
        return Err(Problem::new(ProblemType::BadRequest, detail).field("renewals"));
    }
    for (i, r) in renewals.iter().enumerate() {
        let have = r.have.as_ref().and_then(|h| h.documents.as_deref());
        within(have, || format!("renewals[{i}].have.documents"))?;
    }
    app.engine.fresh().await;
    let entitled = |h: &Holder| app.policies.entitled(h);
    let (renewed, may_sign) = app.engine.renew(&renewals, entitled);
    let (now, mut chain) = (clock::now(), &*app.chain);
    let asked = renewals.iter().map(|r| r.have.as_ref());
    let results = renewed
        .into_iter()
        .zip(asked)
        .map(|((lease, granted), have)| {
            let answer = granted.and_then(|g| {
                lock(&app.clock_skew).note(&g.holder, clock_ahead_secs, now.boot);
                let f = may_sign.as_ref().map_err(Clone::clone)?;
                answer::renewed(&mut chain, f, &g, now, have)
            });
            let problem = answer.as_ref().err().map(|p| p.kind.name());
            count(&app.metrics.renewals, &[problem.unwrap_or("renewed")]);
            answer.unwrap_or_else(|problem| {
                app.metrics.problem(&problem);
                Renewed::Problem { lease, problem }
            })
        });
    let results = results.collect();
    Ok(net::json(StatusCode::OK, &RenewResponse { results }))
}

/// Whether so many documents may be named.
fn within(documents: Option<&[Digest]>, field: impl Fn() -> String) -> Result<(), Problem> {
    let n = documents.map_or(0, <[Digest]>::len);
    if n <= MAX_DOCUMENTS {
        return Ok(());
    }
    let detail = format!("{n} documents, expected at most {MAX_DOCUMENTS}");
    Err(Problem::new(ProblemType::BadRequest, detail).field(field()))
}

/// A token that answers the application's own question.
pub(super) async fn token(
    app: &App,
    lease: LeaseId,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let NonceRequest {
        nonce,
        secret,
        documents,
    } = asked.json(BODY).await?;
    within(Some(&documents), || "documents".into())?;
    if !is_nonce(&nonce) {
        let expected = "expected 16 to 64 characters of base64url";
        return Err(bad_field("nonce", expected));
    }
    app.engine.fresh().await;
    let (granted, f) = app.engine.token(lease, &secret)?;
    let now = clock::now();
    app.auth.revoked.check(&granted.holder, now.wall)?;
    let token = answer::token(&mut &*app.chain, &f, &granted, now, Some(nonce))?;
    let token = FreshToken::of(token, &documents);
    Ok(net::json(StatusCode::OK, &TokenResponse { token }))
}
