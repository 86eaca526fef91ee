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
use super::measure::{broken, slack};
use super::model::{Model, Stand, Step};
use crate::history::{Broken, Msg, Reply, Says};

/// At the end of a step: a claim whose application runs and that has to wait is contested.
pub(super) fn step_end(m: &Model, step: &Step, seen: &mut Seen) -> Result<(), Broken> {
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
    let sent = m.apps.sent_at(message.msg);
    for no in m.live(message.holder, message.claim) {
        let Some(lease) = m.leases.get(&no) else {
            continue;
        };
        if lease.secret != Some(*secret) || sent < lease.claim_sent {
            continue;
        }
        match m.stand(no) {
            Stand::Line { contested: false }
                if matches!(step.reply(), Some(Reply::Waiting { .. }))
                    && !m.apps.copied.contains_key(&message.holder) =>
            {
                return broken(
                    7,
                    m.now,
                    format!(
                        "{:?} runs on ({}) and must wait; the books have {no:?} as waiting, not as contested",
                        message.holder,
                        if after_held {
                            "was Held"
                        } else {
                            "started without a server"
                        }
                    ),
                );
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
pub(super) fn gauge(m: &Model, says: u64, seen: &mut Seen) -> Result<(), Broken> {
    let (mut least, mut most) = (0, 0);
    let mut who = Vec::new();
    for no in &m.contested {
        let Some(lease) = m.leases.get(no) else {
            continue;
        };
        let seats: u64 = lease.items.iter().map(|i| u64::from(i.1)).sum();
        let apps = || {
            m.apps
                .of_claim(lease.holder, lease.claim)
                .filter(|(_, _, app)| Some(app.secret) == lease.secret)
        };
        let over = m.now > lease.runs_until + slack(lease.runs_until - lease.claimed) + 1000;
        let may_run = !over || apps().any(|(_, _, app)| app.licensed(m.now));
        if may_run {
            most += seats;
        }
        let time = m.license.max_contested.min(m.run.max_contested);
        let runs = apps().any(|(_, copy, app)| {
            copy.speaks() && app.says == Some(Says::Contested) && app.licensed(m.now + 2)
        });
        let must_run =
            runs && m.surely_alive(lease) && m.now + slack(time) < lease.contested_at + time;
        if must_run {
            least += seats;
        }
        // Most telling first.
        who.push((may_run, must_run, lease.holder, *no, seats));
    }
    seen.gauge_read += 1;
    seen.gauge_not_zero += u64::from(least > 0);
    if (least..=most).contains(&says) {
        return Ok(());
    }
    who.sort_unstable();
    who.truncate(10);
    broken(
        7,
        m.now,
        format!(
            "the gauge of overlap says {says}; it is between {least} and {most} (contested: may run, must run, holder, lease, seats): {who:?}"
        ),
    )
}

#[cfg(test)]
mod tests;
