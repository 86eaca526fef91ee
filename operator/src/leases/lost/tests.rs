#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use mooring_core::identity::Holder;
use serde_json::json;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + secs).unwrap()
}

/// A mirror whose annotation's claim stands so.
fn stands(state: LeaseState) -> LicenseLeaseStatus {
    let claim = json!({ "name": "pod", "lease": "0a", "products": "render", "state": state, "since": at(0) });
    let hold = json!({ "name": "hold-1", "lease": "0b", "products": "mesh", "state": "Waiting", "since": at(0) });
    let v = json!({ "products": "render,mesh", "state": "Waiting", "since": at(0), "claims": [hold, claim] });
    serde_json::from_value(v).unwrap()
}

/// What becomes of a mirror, state by state, a second each.
fn life(states: &[LeaseState]) -> LicenseLeaseStatus {
    let mut last = None;
    for (n, state) in (0..).zip(states) {
        last = Some(noted(last.as_ref(), stands(*state), at(n)));
    }
    last.unwrap()
}

fn stops() -> Holding {
    Holding {
        holder: Holder::External {
            subject: "p".into(),
        },
        products: "render".into(),
        since: None,
        max_grace: Duration::from_secs(3600),
        optimistic: false,
        app_runs: true,
        unreachable: false,
        on_loss: OnLoss::Stop,
    }
}

const D: Duration = Duration::from_secs(30);

#[test]
fn lost_is_what_its_server_has_granted_and_does_not_grant_any_more() {
    use LeaseState as S;
    for (states, lost) in [
        (&[S::Held, S::Contested, S::Waiting][..], true),
        (&[S::Held, S::Waiting], true),
        (&[S::Held, S::Silent, S::Grace, S::Waiting], true),
        (&[S::Held, S::Refused], true),
        (&[S::Held, S::Revoked, S::Revoked], true),
        (&[S::Held, S::Waiting, S::Unknown], true),
        // It waits for its first one.
        (&[S::Waiting, S::Waiting], false),
        (&[S::Waiting, S::Refused], false),
        (&[S::Reserved, S::Waiting], false),
        // It may run on.
        (&[S::Held, S::Silent], false),
        (&[S::Held, S::Grace], false),
        (&[S::Held, S::Silent, S::Contested], false),
        // The operator's guess.
        (&[S::Optimistic, S::Waiting], false),
        (&[S::Held, S::Unknown, S::Waiting], false),
        // It has one again.
        (&[S::Held, S::Waiting, S::Held], false),
    ] {
        let status = life(states);
        assert_eq!(status.lost_since.is_some(), lost, "{states:?}");
        let due = eviction(&status, &stops(), Elsewhere::Nowhere, D, at(3600));
        let expected = lost && states.last() != Some(&S::Unknown);
        assert_eq!(due == Eviction::Due, expected, "{states:?}: {due:?}");
    }
}

#[test]
fn a_loss_has_one_beginning_whatever_is_said_of_it_meanwhile() {
    use LeaseState as S;
    let status = life(&[S::Held, S::Waiting, S::Refused, S::Unknown, S::Waiting]);
    assert_eq!(status.lost_since, Some(Time(at(1))));
    let again = life(&[S::Held, S::Waiting, S::Held, S::Waiting]);
    assert_eq!(again.lost_since, Some(Time(at(3))), "another loss");
}

#[test]
fn a_hold_that_waits_or_is_refused_is_the_applications_own_business() {
    let before = stands(LeaseState::Held);
    let status = noted(Some(&before), stands(LeaseState::Held), at(1));
    assert_eq!(status.state, LeaseState::Waiting, "the hold speaks for it");
    assert_eq!(status.lost_since, None);
}

#[test]
fn it_is_evicted_once_its_kubelet_would_have_said_that_nothing_runs() {
    let status = life(&[LeaseState::Held, LeaseState::Waiting]);
    let here = Elsewhere::Nowhere;
    let due = |lease_for, now| eviction(&status, &stops(), here, lease_for, at(now));
    assert_eq!(due(D, 1), Eviction::In(Duration::from_secs(15)));
    assert_eq!(due(D, 15), Eviction::In(Duration::from_secs(1)));
    assert_eq!(due(D, 16), Eviction::Due);
    let long = Duration::from_secs(300);
    assert_eq!(due(long, 16), Eviction::In(Duration::from_secs(135)));
    assert_eq!(due(long, 151), Eviction::Due);
}

#[test]
fn a_pod_that_did_not_ask_for_it_or_does_not_run_is_left_alone() {
    let status = life(&[LeaseState::Held, LeaseState::Waiting]);
    let due = |change: fn(&mut Holding)| {
        let mut of = stops();
        change(&mut of);
        eviction(&status, &of, Elsewhere::Nowhere, D, at(3600))
    };
    assert_eq!(due(|_| ()), Eviction::Due);
    assert_eq!(due(|of| of.on_loss = OnLoss::Keep), Eviction::Nothing);
    assert_eq!(due(|of| of.app_runs = false), Eviction::Nothing);
    assert_eq!(due(|of| of.unreachable = true), Eviction::Nothing);
}

#[test]
fn who_lost_it_here_and_runs_on_by_another_server_is_left_alone() {
    let status = life(&[LeaseState::Held, LeaseState::Waiting]);
    for (elsewhere, expected) in [
        (Elsewhere::Nowhere, Eviction::Due),
        (Elsewhere::InLine, Eviction::Due),
        (Elsewhere::Contested, Eviction::Nothing),
        (Elsewhere::Licensed, Eviction::Nothing),
    ] {
        let due = eviction(&status, &stops(), elsewhere, D, at(3600));
        assert_eq!(due, expected, "{elsewhere:?}");
    }
}
