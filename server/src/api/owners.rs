//! `POST /v1/owners`: claims for what has pods run.

use super::asked::{Asked, OPERATOR_BODY};
use super::operator::operator_only;
use crate::app::App;
use http::{Response, StatusCode};
use mooring_core::frontend::{Signer as _, answer};
use mooring_core::identity::Holder;
use mooring_core::wire::{MAX_OWNERS, OwnerClaim, OwnerStands, Owners, OwnersAnswer, Problem};
use mooring_net::head::bad_field;
use mooring_net::http::{self as net, Body};
use mooring_net::{clock, random};

pub(super) async fn owners(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    operator_only(&asked)?;
    let Owners { owners } = asked.json(OPERATOR_BODY).await?;
    if owners.len() > MAX_OWNERS {
        let expected = format!("expected at most {MAX_OWNERS}");
        return Err(bad_field("owners", expected));
    }
    app.engine.fresh().await;
    let each = owners.into_iter().map(|c| one(app, c));
    let owners = each
        .map(|stands| stands.unwrap_or_else(|problem| OwnerStands::Refused { problem }))
        .collect();
    let instance = app.chain.instance;
    Ok(net::json(
        StatusCode::OK,
        &OwnersAnswer { instance, owners },
    ))
}

fn one(app: &App, c: OwnerClaim) -> Result<OwnerStands, Problem> {
    if !matches!(c.owner, Holder::Owner { .. }) {
        return Err(bad_field("owner.kind", "expected owner"));
    }
    if let Some((field, problem)) = c.bad_pair() {
        return Err(bad_field(field, problem));
    }
    let entitled = app.policies.entitled(&c.owner);
    let proofs = app.chain.proofs(clock::boot());
    let stands = app.engine.own(c, entitled, &proofs, random::lease_id())?;
    let Some((claimed, f)) = stands else {
        return Ok(OwnerStands::Ended);
    };
    let chain = &*app.chain;
    answer::owner(chain.run(), &f, claimed, clock::now())
}
