//! What the application, and the log, are told of claims: pure functions of their states.

use mooring_core::holder::Answer;
use mooring_core::time::BootTime;
use mooring_core::wire::{
    ClaimKind, ClaimStatus, HoldState, Problem, ProblemType, Renewed, Status,
};

pub(crate) enum Refusal<'a> {
    NotSaid,
    Lifted,
    Stands(&'a Problem),
}

pub(crate) fn refusal(answer: &Answer) -> Refusal<'_> {
    use ProblemType as T;
    let problem = match answer {
        Answer::Granted(_) | Answer::Waiting(_) => return Refusal::Lifted,
        Answer::Renewed(r) => match &**r {
            Renewed::Ok { .. } | Renewed::Same { .. } => return Refusal::Lifted,
            Renewed::Problem { problem, .. } => problem,
        },
        Answer::Problem(p) => p,
        Answer::Released | Answer::Unreadable(_) | Answer::NoContact(_) | Answer::Unsent(_) => {
            return Refusal::NotSaid;
        }
    };
    match problem.kind {
        T::NotEntitled
        | T::UnknownProduct
        | T::ExceedsSeats
        | T::VersionNotCovered
        | T::BadRequest
        | T::Cloned
        | T::Revoked => Refusal::Stands(problem),
        _ => Refusal::NotSaid,
    }
}

/// The whole from its claims. The pod's own alone say how the pod stands: the first one's state;
/// licensed only if each is, and until the first limit. Without one there is nothing to be licensed
/// by.
pub(crate) fn status_of(
    server: String,
    seq: u64,
    claims: Vec<ClaimStatus>,
    others: u32,
    now: BootTime,
) -> Status {
    let pods = || claims.iter().filter(|c| c.kind == ClaimKind::Pod);
    let state = pods().next().map(|c| c.state);
    let licensed = state.is_some() && pods().all(|c| c.licensed);
    let until_boot_ms = pods().filter_map(|c| c.until_boot_ms).min();
    let for_ms = pods().filter_map(|c| c.for_ms).min();
    Status {
        state: state.unwrap_or(HoldState::Released),
        licensed,
        until_boot_ms: until_boot_ms.filter(|_| licensed),
        for_ms: for_ms.filter(|_| licensed),
        boot_ms: now.as_millis(),
        seq,
        server,
        claims,
        others,
    }
}

/// One line for each change of state; a limit that moved is no news in a log.
pub(crate) fn log_change(old: Option<&ClaimStatus>, new: &ClaimStatus) {
    let same = old.is_some_and(|o| {
        (o.state, o.lease, o.place, o.reason, &o.message)
            == (new.state, new.lease, new.place, new.reason, &new.message)
    });
    if same {
        return;
    }
    let from = old.map(|o| o.state);
    let moved = from != Some(new.state);
    let (claim, state) = (new.name.as_str(), new.state);
    let (lease, place) = (new.lease.map(|l| l.to_string()), new.place);
    let from = from.map(|f| f.to_string());
    let message = new.message.as_deref();
    let taken = !state.is_licensed() && state != HoldState::Released;
    if moved && taken && old.is_some_and(|o| o.licensed) {
        tracing::warn!(claim, %state, from, lease, place, message, "the application is not licensed any more");
    } else if moved {
        tracing::info!(claim, %state, from, lease, place, message, "the claim's state changed");
    } else {
        tracing::info!(claim, %state, lease, place, message, "the claim goes on");
    }
}
