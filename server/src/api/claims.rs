//! `PUT` and `DELETE /v1/claims/{name}`.

use super::{Asked, BODY};
use crate::app::App;
use crate::auth::{Auth, Who};
use http::{HeaderMap, Response, StatusCode};
use mooring_core::frontend::InForce;
use mooring_core::identity::Holder;
use mooring_core::ledger::{Claim, Claimed, Granted, HeldLease, Place};
use mooring_core::license::{BadProof, Shown, Ticket};
use mooring_core::names::{ClaimName, LeaseId};
use mooring_core::secret::Secret;
use mooring_core::time::Now;
use mooring_core::wire::{
    COUNTER_HEADER, ClaimRequest, Grant, Problem, ProblemType, SECRET_HEADER, Waiting,
};
use mooring_net::head::prefer_wait;
use mooring_net::http::{self as net, Body};
use mooring_net::{clock, random};
use std::time::Duration;

/// What a claim's holder has proven.
struct Proven {
    holder: Holder,
    ticket: Option<Ticket>,
    held: Option<HeldLease>,
}

/// Claims, or asks again.
pub(super) async fn put(
    app: &App,
    name: ClaimName,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let mut wait = prefer_wait(&asked.headers);
    let (peer, headers) = (asked.peer.clone(), asked.headers.clone());
    let body: ClaimRequest = asked.json(BODY).await?;
    let Proven {
        holder,
        ticket,
        held,
    } = prove(app, &name, &body, &peer, &headers).await?;
    if let Err(p) = app.policies.entitled(&holder) {
        let why = p.clone();
        app.engine
            .act(|l, now| l.refuse(&holder, &name, &body.items, random::lease_id(), why, now));
        return Err(p);
    }
    // Who comes back to a run that settles is answered at once: once it has heard from this run it is in.
    let has_heard = body.heard == Some(app.chain.instance);
    if wait.is_some() && !has_heard && app.engine.ask(|l, _| l.settling()) {
        wait = None;
    }
    // Priority comes from policy by identity alone, and there is none yet: whatever the body says has no effect.
    let claim = Claim {
        ticket,
        held,
        ..Claim::of(&body, holder, name, random::lease_id())
    };
    let (mut claimed, wake) = app.engine.claim(claim)?;
    if let (Claimed::Waiting(p), Some(wake), Some(wait)) = (&claimed, wake, wait) {
        let lease = p.lease;
        // Half a lease at most: the place dies a lease after the request.
        let wait = wait.min(app.lease_for / 2);
        tokio::select! {
            _ = wake => {}
            () = tokio::time::sleep(wait) => {}
            () = app.shutdown.asked() => {}
        }
        let ended = || {
            Problem::new(
                ProblemType::UnknownLease,
                "the claim ended while it waited; repeat it",
            )
        };
        claimed = app.engine.ask(|l, _| l.status(lease)).ok_or_else(ended)?;
    }
    let now = clock::now();
    let f = app.chain.signing(now).await?;
    match claimed {
        Claimed::Granted(g) => Ok(net::json(StatusCode::OK, &grant(app, &f, g, now)?)),
        Claimed::Waiting(p) => Ok(net::json(StatusCode::ACCEPTED, &waiting(app, &f, p, now)?)),
    }
}

fn grant(app: &App, f: &InForce, g: Granted, now: Now) -> Result<Grant, Problem> {
    let token = app.chain.lease(f, &g, now, None)?;
    Ok(Grant {
        lease: g.lease,
        claim: g.claim,
        instance: app.chain.instance,
        items: g.items,
        lease_for: f.terms.lease_for,
        run_for: f.terms.run_for,
        max_contested: f.terms.max_contested,
        optimistic_start: f.terms.optimistic_start,
        counter: g.counter,
        holder: g.holder,
        token,
    })
}

fn waiting(app: &App, f: &InForce, p: Place, now: Now) -> Result<Waiting, Problem> {
    let ticket = app.chain.ticket(f, &p, now)?;
    Ok(Waiting {
        lease: p.lease,
        claim: p.claim,
        instance: app.chain.instance,
        place: p.place,
        reason: p.reason,
        ticket,
        retry_in: (f.terms.lease_for / 3).max(Duration::from_secs(1)),
        max_contested: f.terms.max_contested,
        holder: p.holder,
    })
}

/// Who claims, and which of the things shown count. A valid proof spares the API server a review, and works while it is down;
/// an invalid one next to a good credential counts as none.
async fn prove(
    app: &App,
    name: &ClaimName,
    body: &ClaimRequest,
    peer: &net::Peer,
    headers: &HeaderMap,
) -> Result<Proven, Problem> {
    let certified = match Auth::by_certificate(peer) {
        Some(Who::Operator) => {
            let detail =
                "the operator's certificate holds no licenses; use one of the holder's own";
            return Err(Problem::new(ProblemType::NotEntitled, detail));
        }
        Some(Who::Holder(h)) => Some(h),
        None => None,
    };
    let shows = body.ticket.is_some() || body.held.is_some();
    let in_force = match app.chain.state().in_force.clone() {
        Some(f) => Some(f),
        // Without a license no proof can be judged, and a claim without its proof would lose its lease.
        None if shows => Some(app.chain.signing(clock::now()).await?),
        None => None,
    };
    let mut bad = None;
    if let (Some(f), Some(holder)) = (&in_force, certified.as_ref().or(body.holder.as_ref())) {
        let (p, e) = verify(app, f, name, body, holder);
        if certified.is_some() || p.ticket.is_some() || p.held.is_some() {
            return Ok(p);
        }
        bad = e;
    }
    let holder = match app.auth.identify(peer, headers).await {
        Ok(Who::Holder(h)) => h,
        Ok(Who::Operator) => {
            return Err(Problem::new(
                ProblemType::NotEntitled,
                "the operator's certificate holds no licenses",
            ));
        }
        Err(mut p) => {
            if let Some(e) = bad.filter(|_| p.kind == ProblemType::Unauthenticated) {
                p.detail = format!(
                    "{}; what was shown of an earlier answer does not count: {e}",
                    p.detail
                );
            }
            return Err(p);
        }
    };
    match in_force {
        Some(f) if shows => Ok(verify(app, &f, name, body, &holder).0),
        _ => Ok(Proven {
            holder,
            ticket: None,
            held: None,
        }),
    }
}

/// Which of the things shown count for `holder`, and why one does not.
fn verify(
    app: &App,
    f: &InForce,
    name: &ClaimName,
    body: &ClaimRequest,
    holder: &Holder,
) -> (Proven, Option<BadProof>) {
    let shown = Shown {
        claim: name,
        secret_hash: body.secret_hash,
        secret: body.secret.as_ref(),
        holder,
    };
    let mut bad = None;
    let mut note = |kind: &str, e: BadProof| {
        app.metrics.bad_proofs.with_label_values(&[kind]).inc();
        // Whoever can connect can bring this about: the metric tells, the log does not fill.
        tracing::debug!(%holder, claim = %name, kind, "what was shown of an earlier answer does not count: {e}");
        bad = Some(e);
    };
    let ticket = body.ticket.as_ref().and_then(|t| {
        app.chain
            .verify_ticket(f, t, &shown, clock::now())
            .map_err(|e| note("ticket", e))
            .ok()
    });
    let held = body.held.as_ref().and_then(|h| {
        app.chain
            .verify_held(f, h, &shown, clock::now())
            .map_err(|e| note("lease", e))
            .ok()
    });
    (
        Proven {
            holder: holder.clone(),
            ticket,
            held,
        },
        bad,
    )
}

/// Gives back, or leaves the line. Needs the secret and the lease; another lease is not touched.
pub(super) async fn delete(
    app: &App,
    name: &ClaimName,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let bad = |header: &'static str, expected: &str| {
        Problem::new(
            ProblemType::BadRequest,
            format!("header {header}: expected {expected}"),
        )
        .field(header)
    };
    let secret = asked
        .headers
        .get(SECRET_HEADER)
        .and_then(|v| v.to_str().ok());
    let secret = secret.and_then(|s| Secret::try_from(s.to_owned()).ok());
    let secret = secret.ok_or_else(|| {
        bad(
            SECRET_HEADER,
            "the claim's secret, 43 characters of base64url",
        )
    })?;
    let tag = asked
        .headers
        .get(http::header::IF_MATCH)
        .and_then(|v| v.to_str().ok())
        .map(str::trim);
    let lease = match tag {
        Some("*") | None => find(app, name, &asked).await?,
        Some(t) => Some(
            lease_of(t)
                .ok_or_else(|| bad("if-match", "the lease's id in quotes, such as \"0123…\""))?,
        ),
    };
    let counter = match asked.headers.get(COUNTER_HEADER) {
        None => None,
        Some(v) => {
            let n = v.to_str().ok().and_then(|v| v.trim().parse().ok());
            Some(n.ok_or_else(|| bad(COUNTER_HEADER, "a whole number"))?)
        }
    };
    if let Some(lease) = lease {
        // Another claim's lease, or one that has ended: nothing is touched.
        app.engine
            .act(|l, now| l.release(name, lease, &secret, counter, now))?;
    }
    Ok(net::no_content())
}

/// A holder that never heard its lease's id names the claim instead, and must show who it is.
async fn find(app: &App, name: &ClaimName, asked: &Asked) -> Result<Option<LeaseId>, Problem> {
    let holder = match app.auth.identify(&asked.peer, &asked.headers).await {
        Ok(Who::Holder(h)) => h.key(),
        Ok(Who::Operator) => return Ok(None),
        Err(mut p) => {
            p.detail = format!(
                "{}; or name the lease (If-Match), then its secret is enough",
                p.detail
            );
            return Err(p);
        }
    };
    Ok(app.engine.ask(|l, _| l.lease_of(&holder, name)))
}

/// A lease id out of an entity tag (RFC 9110, 8.8.3).
fn lease_of(tag: &str) -> Option<LeaseId> {
    tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_named_by_a_quoted_tag() {
        let id = "ab".repeat(16);
        assert_eq!(
            lease_of(&format!("\"{id}\"")).map(|l| l.to_string()),
            Some(id.clone())
        );
        assert_eq!(lease_of(&id), None);
        assert_eq!(lease_of("\"x\""), None);
    }
}
