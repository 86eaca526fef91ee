//! The operator's calls: pods proven gone, the roster, policies; and those it shares with the
//! configured administrators.

use super::asked::{Asked, BODY, OPERATOR_BODY};
use crate::app::App;
use crate::auth::{Auth, Who};
use http::{Response, StatusCode};
use mooring_core::audit::{About, Actor, Credential};
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::LeaseId;
use mooring_core::policy::SeatPolicy;
use mooring_core::wire::{
    ChangeRevocations, Expected, Gone, Policies, Problem, ProblemType, Revoke, RevokedHolder,
    RevokedHolders,
};
use mooring_net::clock;
use mooring_net::head::bad_field;
use mooring_net::http::{self as net, Body};

pub(super) fn operator_only(asked: &Asked) -> Result<(), Problem> {
    if Auth::by_certificate(&asked.peer) == Some(Who::Operator) {
        return Ok(());
    }
    let detail = "this call needs the operator's client certificate (CN mooring-operator, from this server's clientCa)";
    Err(Problem::new(ProblemType::OperatorOnly, detail))
}

/// The operator, one of the administrators, or an issuer for its own subjects; by name and by which
/// credential.
struct Admin {
    name: String,
    credential: Credential,
    /// Of an issuer: what the subjects begin with that it looks after. None: everybody.
    subjects: Option<String>,
}

impl Admin {
    /// Whether this holder is its business.
    fn looks_after(&self, key: &HolderKey) -> bool {
        let begins = |s: &String| key.subject().is_some_and(|subject| subject.starts_with(s));
        self.subjects.as_ref().is_none_or(begins)
    }

    /// Whether all of these are; the field says where another one stands.
    fn may(&self, field: &str, holders: &[HolderKey]) -> Result<(), Problem> {
        match holders.iter().find(|k| !self.looks_after(k)) {
            None => Ok(()),
            Some(key) => {
                let subjects = self.subjects.as_deref().unwrap_or_default();
                let detail = format!(
                    "{}: {key} is none of the subjects that it may name, which begin with {subjects:?}",
                    self.name
                );
                Err(Problem::new(ProblemType::OperatorOnly, detail).field(field))
            }
        }
    }

    /// This one's deed.
    fn does(&self, about: About) -> Actor {
        Actor {
            credential: self.credential.clone(),
            about,
        }
    }
}

async fn admin_only(app: &App, asked: &Asked) -> Result<Admin, Problem> {
    let known = app.auth.known(&asked.peer, &asked.headers).await;
    let known = known.map_err(|rejected| rejected.why)?;
    let (name, subjects) = match &known.who {
        Who::Operator => ("the operator".to_owned(), None),
        Who::Issuer { name, subjects } => (format!("issuer {name}"), Some(subjects.clone())),
        Who::Holder(h) => (h.to_string(), None),
    };
    if subjects.is_some() || app.auth.is_admin(&known.who) {
        let credential = known.credential;
        return Ok(Admin {
            name,
            credential,
            subjects,
        });
    }
    let detail = format!(
        "{name} is no administrator of this license server: the call needs the operator's client certificate, or a subject that \
         its configuration lists under admins"
    );
    Err(Problem::new(ProblemType::OperatorOnly, detail))
}

/// Pods proven gone: their seats are free in this step.
pub(super) async fn gone(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    let by = admin_only(app, &asked).await?;
    let Gone { holders } = asked.json(OPERATOR_BODY).await?;
    by.may("holders", &holders)?;
    let actor = by.does(About::Holders(holders.iter().cloned().collect()));
    let ended = app.engine.act_by(&actor, |l, now| l.gone(&holders, now));
    if app.auth.revoked.gone(&holders)? {
        app.auth.bar(&app.engine);
    }
    tracing::info!(holders = holders.len(), ended, by = by.name, "holders gone");
    Ok(net::no_content())
}

/// The roster: settling ends once each holder on it is in or gone.
pub(super) async fn expected(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    operator_only(&asked)?;
    let Expected { holders, lasting } = asked.json(OPERATOR_BODY).await?;
    let settling = app.engine.act(|l, now| {
        l.expected(&holders, &lasting, now);
        l.settling()
    });
    tracing::info!(holders = holders.len(), settling, "roster received");
    Ok(net::no_content())
}

pub(super) async fn policies(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    operator_only(&asked)?;
    let policies: Policies = asked.json(OPERATOR_BODY).await?;
    app.policies.set(policies, |p| app.engine.set_policy(p));
    Ok(net::no_content())
}

/// What a policy would change, tried on a copy of the books: it tells of everybody.
pub(super) async fn test_policy(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    let by = admin_only(app, &asked).await?;
    if by.subjects.is_some() {
        let detail = format!("{} looks after its own subjects alone", by.name);
        return Err(Problem::new(ProblemType::OperatorOnly, detail));
    }
    let policy: SeatPolicy = asked.json(OPERATOR_BODY).await?;
    // Tried out beside the books: there may be many claims, and renewals do not wait for it.
    let (books, now) = app.engine.ask(|l, now| (l.clone(), now));
    let tried = books.try_policy(Some(policy.into()), now);
    Ok(net::json(StatusCode::OK, &tried))
}

/// Administrators revoke by lease; the operator and an issuer whole lists, which they keep.
async fn operator_or_issuer(app: &App, asked: &Asked) -> Result<Admin, Problem> {
    match admin_only(app, asked).await? {
        issuer if issuer.subjects.is_some() => Ok(issuer),
        other => operator_only(asked).map(|()| other),
    }
}

const MAX_REASON: usize = 200;

fn fit_reason(field: &str, reason: Option<&str>) -> Result<(), Problem> {
    let unfit = |r: &str| r.chars().count() > MAX_REASON || r.chars().any(char::is_control);
    if reason.is_some_and(unfit) {
        let expected = "expected at most 200 characters in one line";
        return Err(bad_field(field, expected));
    }
    Ok(())
}

/// Revokes the holder of a lease: it is told so at its next request, and so `Lost` within a third
/// of a lease.
pub(super) async fn revoke(
    app: &App,
    lease: LeaseId,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let by = admin_only(app, &asked).await?;
    let Revoke { reason, until } = asked.json_or_default(BODY).await?;
    let now = clock::now().wall;
    fit_reason("reason", reason.as_deref())?;
    if until.is_some_and(|u| u <= now) {
        let expected = "expected an instant to come (RFC 3339), or none";
        return Err(bad_field("until", expected));
    }
    let holder = holder_of(app, &by, lease)?;
    let revoked = RevokedHolder {
        holder: holder.key(),
        lease: Some(lease),
        reason,
        until,
        at: now,
    };
    let change = ChangeRevocations {
        revoke: vec![revoked],
        lift: Vec::new(),
    };
    let kept = app.auth.revoked.change(change, &by.credential, now);
    tracing::info!(%holder, %lease, by = by.name, until = until.map(|u| u.to_string()), "asked to revoke a holder");
    app.auth.bar(&app.engine);
    kept.map(|()| net::no_content())
}

/// Lifts what was revoked with this lease; the lease itself may have ended long ago.
pub(super) async fn unrevoke(
    app: &App,
    lease: LeaseId,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let by = admin_only(app, &asked).await?;
    let may = |key: &HolderKey| by.looks_after(key);
    let lifted = app.auth.revoked.lift(lease, &by.credential, may);
    app.auth.bar(&app.engine);
    if !lifted? {
        let detail = format!("no holder was revoked with lease {lease}, or it is lifted already");
        return Err(Problem::new(ProblemType::UnknownLease, detail));
    }
    tracing::info!(%lease, by = by.name, "asked to lift a revocation");
    Ok(net::no_content())
}

/// Takes one lease back: its holder is told so at its next request, and may begin anew.
pub(super) async fn take_back(
    app: &App,
    lease: LeaseId,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let by = admin_only(app, &asked).await?;
    let holder = holder_of(app, &by, lease)?;
    let actor = by.does(About::Lease(lease));
    if !app.engine.act_by(&actor, |l, now| l.take_back(lease, now)) {
        return Err(nothing(lease));
    }
    tracing::info!(%holder, %lease, by = by.name, "a lease is taken back");
    Ok(net::no_content())
}

/// Revokes holders and lifts that, whether or not this run has heard of them.
pub(super) async fn change_revocations(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    let by = operator_or_issuer(app, &asked).await?;
    let change: ChangeRevocations = asked.json(OPERATOR_BODY).await?;
    for (n, r) in change.revoke.iter().enumerate() {
        fit_reason(&format!("revoke[{n}].reason"), r.reason.as_deref())?;
        by.may(
            &format!("revoke[{n}].holder"),
            std::slice::from_ref(&r.holder),
        )?;
    }
    by.may("lift", &change.lift)?;
    tracing::info!(
        revoke = change.revoke.len(),
        lift = change.lift.len(),
        by = by.name,
        "asked to change who is revoked"
    );
    let now = clock::now().wall;
    let kept = app.auth.revoked.change(change, &by.credential, now);
    app.auth.bar(&app.engine);
    kept.map(|()| net::no_content())
}

/// Who is revoked by the call.
pub(super) async fn revocations(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    let by = admin_only(app, &asked).await?;
    let mut revoked = app.auth.revoked.made(clock::now().wall);
    revoked.retain(|r| by.looks_after(&r.holder));
    Ok(net::json(StatusCode::OK, &RevokedHolders { revoked }))
}

/// A lease that is none of an issuer's business is not there for it.
fn holder_of(app: &App, by: &Admin, lease: LeaseId) -> Result<Holder, Problem> {
    let holder = app.engine.ask(|l, _| l.holder_of(lease));
    let holder = holder.filter(|h| by.looks_after(&h.key()));
    holder.ok_or_else(|| nothing(lease))
}

fn nothing(lease: LeaseId) -> Problem {
    let detail =
        format!("lease {lease} is neither held nor in line; GET /v1/leases lists those that are");
    Problem::new(ProblemType::UnknownLease, detail)
}
