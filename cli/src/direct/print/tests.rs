#![allow(clippy::unwrap_used)]
use super::*;
use mooring_core::names::{ClaimName, LeaseId};

fn lease(subject: &str, state: ViewState, place: Option<u32>) -> LeaseView {
    let subject = subject.into();
    LeaseView {
        place,
        free_in_ms: Some(1500),
        ..LeaseView::new(
            LeaseId::from_bytes([7; 16]),
            ClaimName::pod(),
            Holder::External { subject },
            request::parse("render:2").unwrap(),
            state,
            Duration::from_secs(75),
        )
    }
}

#[test]
fn holders_stand_before_the_line_and_what_is_wrong_is_said() {
    let mut all = [
        lease("c", ViewState::Waiting, Some(2)),
        lease("b", ViewState::Waiting, Some(1)),
        lease("d", ViewState::Silent, None),
        lease("a", ViewState::Held, None),
    ];
    sort(&mut all);
    let text = leases("https://x", &all);
    let first: Vec<&str> = text.lines().filter_map(|l| l.split(' ').next()).collect();
    assert_eq!(first[..5], ["HOLDER", "a", "d", "b", "c"]);
    assert!(
        text.contains("render:2   Held") && text.contains("free in 2s"),
        "{text}"
    );
    assert_eq!(leases("https://x", &[]), "No leases on https://x.\n");
}
