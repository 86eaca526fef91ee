//! Claims that stand in the lines of several servers: one that yields keeps nothing from others,
//! one that rests is granted nothing, and both keep their places.

use super::*;
use crate::wire::Stance;

fn stands(n: u8, what: &str, stance: Stance) -> Claim {
    Claim {
        stance,
        ..claim(n, what)
    }
}

fn back(l: &mut Ledger, n: u8, ms: u64) {
    let id = LeaseId::from_bytes([n; 16]);
    let gone = l.release(&ClaimName::pod(), id, &secret(n), None, at(ms));
    assert_eq!(gone, Ok(true), "{n}");
}

fn held(l: &Ledger) -> Vec<String> {
    let held = states(l, at(0)).into_iter();
    let held = held.filter(|(_, state)| *state == ViewState::Held);
    held.map(|(who, _)| who).collect()
}

/// Who has the seats: the pods of these numbers.
fn pods(numbers: &[u8]) -> Vec<String> {
    numbers.iter().map(|n| pod(*n).to_string()).collect()
}

#[test]
fn who_yields_keeps_no_seat_from_those_behind_it_and_has_its_own_at_its_turn() {
    let mut l = seats(3);
    granted(l.claim(claim(1, "render:2"), at(0)));
    let first = place(l.claim(stands(2, "render:3", Stance::Yields), at(1)));
    assert_eq!(first.place, 1);
    // It fits, and the one before it does not.
    granted(l.claim(claim(3, "render"), at(2)));
    assert_eq!(
        place(l.claim(claim(4, "render:2"), at(3))).place,
        2,
        "its place is kept"
    );
    back(&mut l, 3, 4);
    assert_eq!(held(&l), pods(&[1]));
    // All that it asks for is there at its turn.
    back(&mut l, 1, 5);
    assert_eq!(held(&l), pods(&[2]));
}

#[test]
fn seats_gather_for_who_yields_no_more_and_no_longer_than_it_says_so() {
    let mut l = seats(2);
    granted(l.claim(claim(1, "render:2"), at(0)));
    place(l.claim(stands(2, "render:2", Stance::Yields), at(1)));
    place(l.claim(claim(3, "render"), at(2)));
    // Its other server has not answered: it is to gather here.
    place(l.claim(claim(2, "render:2"), at(3)));
    back(&mut l, 1, 4);
    assert_eq!(held(&l), pods(&[2]), "it stands before the other");
    back(&mut l, 2, 5);
    assert_eq!(held(&l), pods(&[3]));
    // Here one gathers, and says that it does so elsewhere now.
    place(l.claim(claim(4, "render:2"), at(6)));
    let behind = place(l.claim(claim(5, "render"), at(7)));
    assert_eq!(behind.reason, WaitReason::Behind);
    place(l.claim(stands(4, "render:2", Stance::Yields), at(8)));
    assert_eq!(held(&l), pods(&[3, 5]));
}

#[test]
fn who_yields_stands_behind_those_that_gather_before_it() {
    let mut l = seats(2);
    granted(l.claim(claim(1, "render"), at(0)));
    place(l.claim(claim(2, "render:2"), at(1)));
    let small = place(l.claim(stands(3, "render", Stance::Yields), at(2)));
    assert_eq!((small.place, small.reason), (2, WaitReason::Behind));
}

#[test]
fn who_rests_is_granted_nothing_and_keeps_its_place() {
    let mut l = seats(1);
    let alone = place(l.claim(stands(1, "render", Stance::Rests), at(0)));
    assert_eq!(alone.place, 1);
    granted(l.claim(claim(2, "render"), at(1)));
    place(l.claim(claim(3, "render"), at(2)));
    back(&mut l, 2, 3);
    assert_eq!(held(&l), pods(&[3]));
    place(l.claim(claim(4, "render"), at(4)));
    place(l.claim(claim(1, "render"), at(5)));
    back(&mut l, 3, 6);
    assert_eq!(held(&l), pods(&[1]), "it stood before the fourth");
}

#[test]
fn another_license_changes_nothing_of_how_claims_stand() {
    let two = |n| license(&[("r", n)], &[("render", "r")]);
    let mut l = seats(3);
    granted(l.claim(claim(1, "render:2"), at(0)));
    place(l.claim(stands(2, "render:3", Stance::Yields), at(1)));
    place(l.claim(stands(3, "render", Stance::Rests), at(2)));
    relicense(&mut l, one(&two(3)), at(3));
    granted(l.claim(claim(4, "render"), at(4)));
    assert_eq!(held(&l), pods(&[1, 4]));
}

fn part(n: u8, stance: Stance) -> Claim {
    Claim {
        part: true,
        ..stands(n, "render", stance)
    }
}

fn state(l: &Ledger, n: u8) -> ViewState {
    let all = states(l, at(0)).into_iter();
    let mut own = all.filter(|(who, _)| *who == pod(n).to_string());
    own.next().unwrap().1
}

#[test]
fn a_part_is_reserved_until_all_are_there() {
    let mut l = seats(1);
    let rests = place(l.claim(part(1, Stance::Rests), at(0)));
    assert_eq!((rests.place, rests.reason), (1, WaitReason::Elsewhere));
    granted(l.claim(part(1, Stance::Gathers), at(1)));
    assert_eq!(state(&l, 1), ViewState::Reserved);
    assert_eq!((l.gauges().reserved, l.gauges().held), (1, 0));
    let waits = place(l.claim(claim(2, "render"), at(2)));
    assert!(waits.message.contains("is taken"), "{}", waits.message);
    granted(l.claim(claim(1, "render"), at(3)));
    assert_eq!(state(&l, 1), ViewState::Held);
    assert_eq!((l.gauges().reserved, l.gauges().held), (0, 1));
    // It is no part any more: nothing goes back by a late word.
    granted(l.claim(stands(1, "render", Stance::Rests), at(4)));
    assert_eq!(held(&l), pods(&[1]));
}

#[test]
fn of_those_that_rest_one_is_the_first_and_is_told_when_it_is() {
    let mut l = seats(2);
    let first = place(l.claim(part(1, Stance::Rests), at(0)));
    let second = place(l.claim(part(2, Stance::Rests), at(1)));
    assert_eq!((first.place, second.place), (1, 2));
    // Nobody waits for those that rest, and a claim in line stands where it would without them.
    granted(l.claim(claim(3, "render:2"), at(2)));
    assert_eq!(place(l.claim(claim(4, "render"), at(3))).place, 1);
    while l.next_event().is_some() {}
    l.tell_first_at_rest(at(4));
    assert!(l.next_event().is_none(), "that is known");
    place(l.claim(part(1, Stance::Gathers), at(5)));
    while l.next_event().is_some() {}
    l.tell_first_at_rest(at(5));
    let told = l.next_event();
    assert!(told.is_none(), "it is behind who gathers: {told:?}");
    back(&mut l, 3, 6);
    while l.next_event().is_some() {}
    l.tell_first_at_rest(at(6));
    let told = l.next_event().unwrap().view;
    assert_eq!(
        (told.lease, told.place),
        (LeaseId::from_bytes([2; 16]), Some(1))
    );
}

#[test]
fn a_part_that_waits_too_long_goes_back_to_its_place_and_others_have_the_seat() {
    let mut l = seats(1);
    place(l.claim(part(1, Stance::Rests), at(0)));
    place(l.claim(part(2, Stance::Rests), at(1)));
    granted(l.claim(part(1, Stance::Gathers), at(2)));
    place(l.claim(claim(3, "render"), at(3)));
    let back = place(l.claim(part(1, Stance::Rests), at(4)));
    assert_eq!(back.place, 1, "before who came after it");
    assert_eq!(held(&l), pods(&[3]));
    place(l.claim(part(2, Stance::Gathers), at(5)));
    place(l.claim(part(1, Stance::Gathers), at(6)));
    self::back(&mut l, 3, 7);
    assert_eq!(state(&l, 1), ViewState::Reserved);
    assert_eq!(state(&l, 2), ViewState::Waiting);
}
