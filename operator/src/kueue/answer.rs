//! What a check says of a Workload, by how its claim stands and for how long. Pure.
//!
//! A Workload that waits for seats keeps quota from others. So it waits with quota for a moment
//! only, and is sent back then: it gives its quota back, keeps its place in line, and comes again
//! after a while. Whoever is there when seats come free has them, so one that has come to the front
//! and has been sent back for long enough stays: then it gathers seats, and is served.

use super::asks::Asked;
use crate::owners::Stand;
use std::time::Duration;

/// How long a Workload waits for its seats with quota.
const WINDOW: Duration = Duration::from_secs(10);
/// How long it may take the license server to hear that it is to rest.
const REST: Duration = Duration::from_secs(10);
/// For how long a Workload is sent back, for each place in line, and at most.
const PER_PLACE: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(600);
/// From when on the first in line is not sent back any more.
const PATIENCE: Duration = Duration::from_secs(600);
/// For how long it is sent back while the license server says nothing.
const SILENT: Duration = Duration::from_secs(60);

/// What the check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ready(String),
    /// Nothing yet: nothing has been heard.
    Asks,
    /// It waits, and keeps its quota.
    Pending(String),
    /// It is to wait, and its claim to rest first: then nothing comes to it that it would lose.
    ToRest(String),
    /// It waits without quota.
    Retry {
        after: Duration,
        why: String,
    },
    /// It can never be.
    Rejected(String),
}

/// All that bears on it, of a Workload that has quota.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnswerFacts<'a> {
    pub(super) asked: &'a Asked,
    /// How its claim stands; `None`: it was not made yet.
    pub(super) stand: Option<&'a Stand>,
    /// The license server knows that it rests.
    pub(super) rested: bool,
    /// For how long it has had quota.
    pub(super) with_quota: Duration,
    /// For how long it has stood in line.
    pub(super) in_line: Duration,
    /// It runs: the check came to its queue since.
    pub(super) runs: bool,
    /// It waits at the check of another license server, too.
    pub(super) waits_elsewhere: bool,
    /// `namespace/name` of the license server.
    pub(super) server: &'a str,
}

pub(super) fn answer(f: &AnswerFacts<'_>) -> Answer {
    let server = f.server;
    if f.runs {
        return Answer::Ready("runs already".to_owned());
    }
    match f.asked {
        Asked::Nothing => return Answer::Ready(format!("asks nothing of license server {server}")),
        Asked::Bad(why) => return Answer::Rejected(why.clone()),
        Asked::Seats(_) => {}
    }
    match f.stand {
        Some(Stand::Reserved) => {
            Answer::Ready(format!("its seats are reserved at license server {server}"))
        }
        Some(Stand::Waiting { place, why }) => {
            let why = format!("waits in line at license server {server}: place {place}, {why}");
            waits(f, *place, why)
        }
        Some(Stand::Refused(why)) => Answer::Retry {
            after: LONGEST,
            why: format!("refused by license server {server}: {why}"),
        },
        Some(Stand::Asked) | None if f.with_quota < WINDOW => Answer::Asks,
        Some(Stand::Asked) | None => Answer::Retry {
            after: SILENT,
            why: format!("license server {server} does not answer the operator"),
        },
    }
}

fn waits(f: &AnswerFacts<'_>, place: u32, why: String) -> Answer {
    // Two that each have what the other waits for would wait for ever.
    let stays = place <= 1 && f.in_line >= PATIENCE && !f.waits_elsewhere;
    if f.with_quota < WINDOW || stays {
        return Answer::Pending(why);
    }
    if !f.rested && f.with_quota < WINDOW + REST {
        return Answer::ToRest(why);
    }
    let after = PER_PLACE.saturating_mul(place.max(1)).min(LONGEST);
    let why = format!("{why}. Its quota is free meanwhile, its place is kept");
    Answer::Retry { after, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kueue::asks::{AskingSet, Asks};
    use crate::owners::WorkloadClaim;

    fn seats() -> Asked {
        let claim = WorkloadClaim {
            namespace: "apps".into(),
            name: "job-j".into(),
            uid: "j".into(),
            is_group: false,
            service_account: "default".into(),
            project: None,
            items: Vec::new(),
            rests: false,
        };
        let sets = vec![AskingSet {
            name: "main".into(),
            is_named: false,
            is_marked: false,
        }];
        Asked::Seats(Asks {
            claim,
            sets,
            makes_pods: true,
        })
    }

    fn facts(asked: &Asked) -> AnswerFacts<'_> {
        AnswerFacts {
            asked,
            stand: None,
            rested: true,
            with_quota: Duration::from_secs(30),
            in_line: Duration::from_secs(30),
            runs: false,
            waits_elsewhere: false,
            server: "licensing/main",
        }
    }

    fn of(stand: Option<&Stand>, with_quota: u64, in_line: u64, rested: bool) -> Answer {
        answer(&AnswerFacts {
            stand,
            rested,
            with_quota: Duration::from_secs(with_quota),
            in_line: Duration::from_secs(in_line),
            ..facts(&seats())
        })
    }

    fn at(place: u32) -> Stand {
        let why = "full".into();
        Stand::Waiting { place, why }
    }

    fn retry(answer: &Answer) -> Option<u64> {
        match answer {
            Answer::Retry { after, .. } => Some(after.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn a_workload_is_ready_once_its_seats_are_reserved() {
        assert!(matches!(
            of(Some(&Stand::Reserved), 0, 0, false),
            Answer::Ready(_)
        ));
        assert_eq!(of(None, 9, 9, false), Answer::Asks);
        assert_eq!(of(Some(&Stand::Asked), 9, 9, false), Answer::Asks);
    }

    #[test]
    fn one_that_waits_gives_its_quota_back_after_a_moment_and_rests_before_that() {
        assert!(matches!(of(Some(&at(1)), 9, 9, false), Answer::Pending(_)));
        assert!(matches!(of(Some(&at(1)), 10, 10, false), Answer::ToRest(_)));
        assert_eq!(retry(&of(Some(&at(1)), 11, 11, true)), Some(30));
        assert_eq!(retry(&of(Some(&at(4)), 11, 11, true)), Some(120));
        assert_eq!(retry(&of(Some(&at(400)), 11, 11, true)), Some(600));
        let unheard = of(Some(&at(1)), 20, 20, false);
        assert_eq!(retry(&unheard), Some(30), "the license server is away");
    }

    #[test]
    fn the_first_in_line_is_not_sent_back_for_ever() {
        assert!(matches!(
            of(Some(&at(1)), 30, 600, true),
            Answer::Pending(_)
        ));
        assert_eq!(
            retry(&of(Some(&at(2)), 30, 6000, true)),
            Some(60),
            "another is before it"
        );
    }

    #[test]
    fn one_that_waits_at_two_license_servers_holds_what_it_has_from_nobody() {
        let (asked, stand) = (seats(), at(1));
        let says = answer(&AnswerFacts {
            stand: Some(&stand),
            in_line: Duration::from_secs(6000),
            waits_elsewhere: true,
            ..facts(&asked)
        });
        assert_eq!(retry(&says), Some(30));
    }

    #[test]
    fn what_runs_already_is_never_sent_back() {
        let refused = Stand::Refused("exceeds-seats".into());
        for asked in [seats(), Asked::Bad("x".into())] {
            for stand in [None, Some(&refused)] {
                let says = answer(&AnswerFacts {
                    stand,
                    runs: true,
                    ..facts(&asked)
                });
                assert!(matches!(says, Answer::Ready(_)), "{says:?}");
            }
        }
    }

    #[test]
    fn refusals_and_silence_hold_no_quota() {
        let refused = of(Some(&Stand::Refused("exceeds-seats".into())), 0, 0, false);
        assert_eq!(retry(&refused), Some(600));
        assert_eq!(retry(&of(None, 10, 10, false)), Some(60));
    }
}
