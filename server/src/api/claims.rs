//! `PUT` and `DELETE /v1/claims/{name}`.

use super::asked::{Asked, BODY};
use crate::app::App;
use crate::auth::known::{Known, Rejected};
use crate::auth::{Auth, Who};
use crate::engine::Asker;
use crate::metrics::count;
use http::{HeaderMap, Response, StatusCode};
use mooring_core::audit::Credential;
use mooring_core::frontend::{self, Admitted, Proven, Signer as _, answer};
use mooring_core::ledger::Claimed;
use mooring_core::names::{ClaimName, LeaseId};
use mooring_core::receipt::BadProof;
use mooring_core::secret::Secret;
use mooring_core::wire::{COUNTER_HEADER, ClaimRequest, Problem, ProblemType, SECRET_HEADER};
use mooring_net::head::prefer_wait;
use mooring_net::http::{self as net, Body};
use mooring_net::serve::Peer;
use mooring_net::sync::lock;
use mooring_net::{clock, random};

pub(super) async fn put(
    app: &App,
    name: ClaimName,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let wait = prefer_wait(&asked.headers);
    let (peer, headers) = (asked.peer.clone(), asked.headers.clone());
    let body: ClaimRequest = asked.json(BODY).await?;
    app.engine.fresh().await;
    let (proven, credential) = prove(app, &name, &body, &peer, &headers).await?;
    let told = body.clock_ahead_secs;
    lock(&app.clock_skew).note(&proven.holder, told, clock::boot());
    let asked = frontend::Asked {
        entitled: app.policies.entitled(&proven.holder),
        name,
        body: &body,
        proven,
        wait,
        new_id: random::lease_id(),
    };
    let answer = app.engine.claim(asked, credential);
    let ends = |_| Problem::new(ProblemType::Overloaded, "the server ends").retry_after(1);
    let (claimed, f) = answer.await.map_err(ends)??;
    let (now, mut chain) = (clock::now(), &*app.chain);
    match claimed {
        Claimed::Granted(g) => {
            let grant = answer::grant(&mut chain, &f, g, now)?;
            Ok(net::json(StatusCode::OK, &grant))
        }
        Claimed::Waiting(p) => {
            let waiting = answer::waiting(chain.run(), &f, p, now);
            Ok(net::json(StatusCode::ACCEPTED, &waiting))
        }
    }
}

/// Who claims, and which of the things shown count: asks the credential's issuer only where they do
/// not suffice.
async fn prove(
    app: &App,
    name: &ClaimName,
    body: &ClaimRequest,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<(Proven, Credential), Problem> {
    let now = clock::now();
    let (authority, time) = app.engine.authority();
    let certificate = Auth::by_certificate(peer);
    let proofs = app.chain.proofs(now.boot);
    let (proven, credential) = match frontend::admit(
        name,
        body,
        certificate.clone(),
        (&authority, time, now),
        &proofs,
    )? {
        Admitted::Proven(p) => {
            let credential = match (certificate, &p.held) {
                (Some(who), _) => Known::by_certificate(who).credential,
                (None, Some(_)) => Credential::Lease,
                (None, None) => Credential::Ticket,
            };
            (*p, credential)
        }
        Admitted::Review(admission) => {
            note(app, name, &admission.bad);
            let known = app.auth.known(peer, headers).await;
            let known = known.map_err(|r| admission.rejected(refuse(app, name, body, r)))?;
            let proven = admission.reviewed(Ok(known.who), &proofs)?;
            let proven = Proven {
                // What its token says now counts more than what an earlier one said.
                claims: known.claims.or(proven.claims),
                ..proven
            };
            (proven, known.credential)
        }
    };
    note(app, name, &proven.bad);
    Ok((proven, credential))
}

/// Notes that somebody is refused who is known.
fn refuse(app: &App, name: &ClaimName, body: &ClaimRequest, rejected: Rejected) -> Problem {
    if let Some(known) = rejected.known
        && let Who::Holder(holder) = known.who
    {
        let asker = Asker {
            holder,
            claim: name.clone(),
            items: body.items.clone(),
            credential: known.credential,
        };
        app.engine.refused(&asker, &rejected.why);
    }
    rejected.why
}

/// Whoever can connect can show what does not count: the metric tells, the log does not fill.
fn note(app: &App, name: &ClaimName, bad: &[(&'static str, BadProof)]) {
    for (kind, e) in bad {
        count(&app.metrics.bad_proofs, &[kind]);
        tracing::debug!(claim = %name, kind, "what was shown of an earlier answer does not count: {e}");
    }
}

/// Gives back, or leaves the line. Needs the secret and the lease; another lease is not touched.
pub(super) async fn delete(
    app: &App,
    name: &ClaimName,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let bad = |header: &'static str, expected: &str| {
        let detail = format!("header {header}: expected {expected}");
        Problem::new(ProblemType::BadRequest, detail).field(header)
    };
    let header = |name: &str| asked.headers.get(name).map(|v| v.to_str().ok());
    let secret = header(SECRET_HEADER).flatten();
    let secret = secret.and_then(|s| Secret::try_from(s.to_owned()).ok());
    let expected = "the claim's secret, 43 characters of base64url";
    let secret = secret.ok_or_else(|| bad(SECRET_HEADER, expected))?;
    let lease = match header("if-match").flatten().map(str::trim) {
        Some("*") | None => find(app, name, &asked).await?,
        Some(tag) => {
            let expected = "the lease's id in quotes, such as \"0123…\"";
            Some(lease_of(tag).ok_or_else(|| bad("if-match", expected))?)
        }
    };
    let number = |n: Option<&str>| n.and_then(|n| n.trim().parse().ok());
    let counter = header(COUNTER_HEADER)
        .map(|n| number(n).ok_or_else(|| bad(COUNTER_HEADER, "a whole number")))
        .transpose()?;
    if let Some(lease) = lease {
        app.engine.release(name, lease, &secret, counter)?;
    }
    Ok(net::no_content())
}

/// A holder that never heard its lease's id names the claim instead, and must show who it is.
async fn find(app: &App, name: &ClaimName, asked: &Asked) -> Result<Option<LeaseId>, Problem> {
    let holder = match app.auth.identify(&asked.peer, &asked.headers).await {
        Ok(Who::Holder(h)) => h.key(),
        Ok(Who::Operator | Who::Issuer { .. }) => return Ok(None),
        Err(mut p) => {
            p.detail += "; or name the lease (If-Match), then its secret is enough";
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
