//! Promise 7: a holder whose seat was given away is `Contested` on contact: licensed until min(its
//! limit, contact + maxContested); the gauge of overlap equals the truth.
//!
//! (Copies share a claim, of which one may run and another not: for them the books are not judged.)
//! How long it stays licensed is bounded in `licensed`, its rank in `line`. Here: the books have it
//! as contested, and the gauge.
//!
//! The gauge counts the seats that contested claims ask for. The server cannot know more than it
//! was told: a contested claim whose application is licensed, and that asked within D, must be
//! counted. One that is not contested in the books must not; nor one that is not licensed, when all
//! the time has passed, from the receipt of its last claim on, that it had at sending (the server
//! may not know that the holder heard how much shorter contested may be). In between either is
//! right.

use super::Seen;
use super::measure::{Verdict, slack};
use super::model::{Model, Stand, Step};
use crate::history::{Msg, Reply, Says};

/// At the end of a step: a claim whose application runs and that has to wait is contested.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Verdict {
    let Some(message) = step.message() else {
        return Ok(());
    };
    let Msg::Claim {
        secret,
        runs_optimistic,
        ..
    } = &message.what
    else {
        return Ok(());
    };
    let after_held = m.proves_held(message);
    if !m.run.settled || message.again || !(after_held || *runs_optimistic) {
        return Ok(());
    }
    let (sent, holder) = (m.apps.sent_at(message.msg), message.of.0);
    let waits = matches!(step.reply(), Some(Reply::Waiting { .. }));
    for no in m.live(message.of) {
        let lease = m.leases.get(&no);
        if lease.is_none_or(|l| l.secret != Some(*secret) || sent < l.claim_sent) {
            continue;
        }
        match m.stand(no) {
            Stand::Line { contested: false } if waits && !m.apps.copied.contains_key(&holder) => {
                let why = if after_held {
                    "was Held"
                } else {
                    "started without a server"
                };
                let what = format!(
                    "{holder:?} runs on ({why}) and must wait; the books have {no:?} as waiting, not as contested"
                );
                return m.broken(7, what);
            }
            Stand::Line { contested: true } => {
                seen.contested_booked += 1;
                seen.optimistic_booked += u64::from(!after_held);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The gauge is read.
pub(super) fn gauge(m: &Model, says: u64, seen: &mut Seen) -> Verdict {
    let (mut least, mut most) = (0, 0);
    let mut who = Vec::new();
    for no in &m.contested {
        let Some(lease) = m.leases.get(no) else {
            continue;
        };
        let seats: u64 = lease.items.iter().map(|i| u64::from(i.1)).sum();
        let apps = m.apps.of_claim(lease.of);
        let mut apps = apps.filter(|(_, _, app)| Some(app.secret) == lease.secret);
        let over = m.now > lease.runs_until + slack(lease.runs_until - lease.claimed) + 1000;
        let may_run = !over || apps.clone().any(|(_, _, app)| app.licensed(m.now));
        let time = m.license.max_contested.min(m.run.max_contested);
        let runs = apps.any(|(_, copy, app)| {
            copy.speaks() && app.says == Some(Says::Contested) && app.licensed(m.now + 2)
        });
        let must_run =
            runs && m.surely_alive(lease) && m.now + slack(time) < lease.contested_at + time;
        most += if may_run { seats } else { 0 };
        least += if must_run { seats } else { 0 };
        // Most telling first.
        who.push((may_run, must_run, lease.holder(), *no, seats));
    }
    seen.gauge_read += 1;
    seen.gauge_not_zero += u64::from(least > 0);
    if (least..=most).contains(&says) {
        return Ok(());
    }
    who.sort_unstable();
    who.truncate(10);
    let what = format!(
        "the gauge of overlap says {says}; it is between {least} and {most} (contested: may run, must run, holder, lease, seats): {who:?}"
    );
    m.broken(7, what)
}

#[cfg(test)]
mod tests;
