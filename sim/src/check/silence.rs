//! Promise 15: a claim that never was licensed becomes so by a grant, or, where it may, by silence;
//! never on an answer, whatever that says, and never by a clock alone.
//!
//! Silence is reckoned from the first request that a sidecar's process sends for the claim: a crash
//! begins it anew, and what the claim heard before that counts on. An application starts at the
//! very moment at which an attempt has ended with nothing heard, no earlier than the contact time
//! after that first request. What a crash kept from being saved was not heard.
//!
//! A pod's claim that was given back since its sidecar was told to end, and begins anew when that
//! is started again, is the same claim: what it heard counts on.
//!
//! That a licensed state but `Optimistic` needs a lease is judged in `licensed`, as is the end that
//! who started so has when it hears that there is no seat for it (promise 7).

use super::Seen;
use super::apps::{App, AppNo};
use super::measure::slack;
use super::model::Model;
use crate::history::{Ms, Says};

/// For how long the server must be silent.
const CONTACT: Ms = 15_000;

/// The server has answered, whatever it said.
pub(super) fn answered(app: &mut App) {
    app.answered = true;
}

/// An attempt has ended with nothing heard.
pub(super) fn heard_nothing(m: &mut Model, no: AppNo, seen: &mut Seen) {
    let now = m.now;
    let Some(app) = m.apps.claims.get_mut(&no) else {
        return;
    };
    app.silent_at = Some(now);
    let seeks = matches!(app.says, None | Some(Says::Seeking));
    seen.silence_after_an_answer += u64::from(app.start_optimistic && app.answered && seeks);
}

/// It starts with no server in reach: whether it may, and if not, why.
pub(super) fn starts(app: &App, now: Ms) -> Result<(), String> {
    let since = app.asks_since;
    let long_enough = since.is_some_and(|t| now + slack(CONTACT) >= t + CONTACT);
    let (allowed, answered) = (app.start_optimistic, app.answered);
    let missed = app.silent_at == Some(now);
    if allowed && !answered && long_enough && missed {
        return Ok(());
    }
    Err(format!(
        "starts without a server, which it may not: allowed {allowed}, answered before {answered}, asked since {since:?} ms, an attempt \
         has just ended in silence {missed}"
    ))
}

#[cfg(test)]
mod tests;
