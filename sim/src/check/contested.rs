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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::super::story::*;
    use crate::history::*;

    /// 1 was held and lost its seat to 2; it makes contact, and the books have it so.
    fn contact(book: Book) -> Story {
        let mut s = Story::new(1);
        s.granted(1, 1).wait(D).says_grace(1, 1, 1000);
        s.wait(M).ended(1, 1, "expired").granted(2, 2).wait(100);
        let msg = s.sends(1, s.running(1, 1));
        s.book(1, 3, book).answer(msg, waiting(3, 1));
        s.tell(1, Says::Contested, None, Some(s.t + C), None);
        s
    }

    #[test]
    fn who_runs_on_in_line_is_contested() {
        assert_eq!(contact(Book::Contested).verdict(), None);
        assert_eq!(contact(Book::Waiting).verdict(), Some(7));
    }

    #[test]
    fn the_gauge_is_the_truth() {
        for (says, promise) in [(1, None), (0, Some(7)), (2, Some(7))] {
            let mut s = contact(Book::Contested);
            s.wait(10).see(Fact::Overlap(says));
            assert_eq!(s.verdict(), promise, "{says}");
        }
        for (says, promise) in [(0, None), (1, Some(7))] {
            let mut s = contact(Book::Contested);
            s.see(Fact::GivesBack {
                copy: CopyNo(2),
                claim: ClaimNo(0),
            })
            .says(2, Says::Released);
            s.sends(2, s.release(2, 2));
            s.ended(2, 2, "released")
                .held(1, 3)
                .see(Fact::Overlap(says));
            assert_eq!(s.verdict(), promise, "granted again; {says}");
        }
    }

    #[test]
    fn the_gauge_falls_when_the_time_is_over() {
        for (says, promise) in [(0, None), (1, Some(7))] {
            let mut s = Story::new(1);
            s.granted(1, 1).wait(D).says_grace(1, 1, 1000);
            s.wait(M).ended(1, 1, "expired").granted(2, 2).wait(100);
            let msg = s.sends(1, s.running(1, 1));
            // Read amid the step: it runs on, for as long as it had at sending.
            s.book(1, 3, Book::Contested).see(Fact::Overlap(1));
            s.answer(msg, waiting(3, 1));
            let until = s.t + C;
            s.tell(1, Says::Contested, None, Some(until), None);
            s.wait(D - 100).renews(2, 2).wait(D - 100).renews(2, 2);
            let left = until - s.t;
            s.wait(left).says(1, Says::Lost);
            for _ in 0..10 {
                s.wait(D - 100).renews(2, 2);
            }
            s.see(Fact::Overlap(says));
            assert_eq!(s.verdict(), promise, "{says}");
        }
    }
}
