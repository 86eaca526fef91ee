//! A pod in the lines of several license servers: where another has it, this one has nothing to
//! say.

use super::*;

/// A running pod that this server does not know, and how it stands elsewhere.
fn unknown<'a>(
    server: &'a ServerRef,
    existing: Option<&'a LicenseLease>,
    elsewhere: Elsewhere,
) -> LeaseFacts<'a> {
    LeaseFacts {
        pod: running(3600),
        elsewhere,
        ..facts(server, &[], existing)
    }
}

fn broken(trouble: Trouble) -> Service {
    Service {
        trouble: Some(trouble),
        stopped: Some(now()),
        connected: false,
        ..WELL
    }
}

fn away() -> Service {
    broken(Trouble {
        reason: "NodeNotReady".into(),
        message: "its node is silent".into(),
        since: now(),
    })
}

fn later() -> Timestamp {
    "2026-03-01T12:05:00Z".parse().unwrap()
}

#[test]
fn who_holds_at_another_server_is_not_missed_by_this_one_and_who_holds_nowhere_is() {
    let (server, waits) = (server(), written(vec![view("pod", "Waiting", json!({}))]));
    let of = |elsewhere, existing| plan(&unknown(&server, existing, elsewhere));
    assert_eq!(of(Elsewhere::Licensed, None), Step::Nothing);
    assert_eq!(of(Elsewhere::Licensed, Some(&waits)), Step::Delete);
    for missed in [Elsewhere::Nowhere, Elsewhere::InLine] {
        let (lease, note) = applied(of(missed, None));
        let status = lease.status.unwrap();
        assert_eq!(status.reason.as_deref(), Some("NotHeard"), "{missed:?}");
        assert_eq!(note.unwrap().reason, "LicenseUnknown");
    }
}

#[test]
fn while_it_settles_a_mirror_is_the_rosters_memory_though_another_has_the_pod() {
    let (server, held) = (server(), written(vec![view("pod", "Held", json!({}))]));
    let mut f = unknown(&server, Some(&held), Elsewhere::Licensed);
    f.settled = false;
    assert_eq!(plan(&f), Step::Nothing);
}

#[test]
fn who_is_revoked_here_is_shown_so_though_another_has_it() {
    let server = server();
    let revoked = mooring_core::wire::RevokedHolder {
        holder: HolderKey(UID.into()),
        reason: Some("lent by mistake".into()),
        until: None,
        lease: None,
        at: now(),
    };
    let mut f = unknown(&server, None, Elsewhere::Licensed);
    f.listed = Listed::Yes(&revoked);
    let (lease, _) = applied(plan(&f));
    assert_eq!(lease.status.unwrap().state, LeaseState::Revoked);
}

#[test]
fn a_server_that_is_down_says_nothing_of_who_holds_at_another() {
    let (server, service) = (server(), away());
    let waits = || vec![view("pod", "Waiting", json!({}))];
    let (lease, told) = (written(waits()), claims(waits()));
    for claims in [&told[..], &[]] {
        for (elsewhere, existing, step) in [
            (Elsewhere::Licensed, Some(&lease), Step::Delete),
            (Elsewhere::Licensed, None, Step::Nothing),
        ] {
            let mut f = unknown(&server, existing, elsewhere);
            (f.service, f.settled, f.now, f.claims) = (&service, false, later(), claims);
            assert_eq!(plan(&f), step, "{} claims, {existing:?}", claims.len());
        }
        // Who holds nowhere is told that it stands in a line that does not move.
        let mut f = unknown(&server, Some(&lease), Elsewhere::InLine);
        (f.service, f.settled, f.now, f.claims) = (&service, false, later(), claims);
        let (shown, note) = applied(plan(&f));
        assert_eq!(shown.status.unwrap().state, LeaseState::Waiting);
        assert_eq!(note.unwrap().reason, "LicenseServerNotReady");
    }
}

#[test]
fn a_deleted_servers_line_goes_with_it_where_another_goes_on_and_its_seats_are_told_to_the_end() {
    let (server, service) = (server(), broken(Trouble::deleted(now())));
    let of = |state: &str, elsewhere| {
        let views = vec![view("pod", state, json!({}))];
        let (lease, claims) = (written(views.clone()), claims(views));
        let mut f = unknown(&server, Some(&lease), elsewhere);
        (f.service, f.settled, f.now, f.claims) = (&service, false, later(), &claims);
        plan(&f)
    };
    assert_eq!(of("Waiting", Elsewhere::InLine), Step::Delete);
    assert_eq!(of("Waiting", Elsewhere::Licensed), Step::Delete);
    assert!(matches!(of("Waiting", Elsewhere::Nowhere), Step::Apply(..)));
    for elsewhere in [Elsewhere::Nowhere, Elsewhere::InLine] {
        let (lease, _) = applied(of("Held", elsewhere));
        assert_eq!(lease.status.unwrap().state, LeaseState::Grace);
    }
}
