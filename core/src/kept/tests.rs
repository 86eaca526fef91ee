#![allow(clippy::unwrap_used)]
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(secs).unwrap()
}

/// What may happen to a document.
#[derive(Clone, Debug)]
enum Event {
    Spend(u8, i64),
    Supersede(u8, u8, i64),
    List(u64),
    See(u8),
    Try(u8),
    Accept(u8, u8),
    Reject(u8),
    Unseen(u8),
    Damage,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..3u8, 0..50i64).prop_map(|(s, t)| Event::Spend(s, t)),
        (0..4u8, 0..3u8, 0..5i64).prop_map(|(i, b, t)| Event::Supersede(i, b, t)),
        (1..5u64).prop_map(Event::List),
        (0..3u8).prop_map(Event::See),
        (0..3u8).prop_map(Event::Try),
        (0..3u8, 0..3u8).prop_map(|(p, t)| Event::Accept(p, t)),
        (0..3u8).prop_map(Event::Reject),
        (0..3u8).prop_map(Event::Unseen),
        Just(Event::Damage),
    ]
}

const BUDGET: Duration = Duration::from_secs(1000);

fn happens(k: &mut Kept, e: &Event) {
    let role = AnchorRole::Anchor;
    let pin = |k: &mut Kept, p: u8, f: &dyn Fn(&mut PinLogin)| f(k.login(role, &p.to_string()));
    match *e {
        Event::Spend(s, t) => {
            let _ = k.spend(&s.to_string(), Duration::from_secs(270), BUDGET, at(t));
        }
        Event::Supersede(id, by, t) => {
            let by = by.to_string();
            k.supersede(&id.to_string(), Superseded { by, issued: at(t) });
        }
        Event::List(n) => k.know_list(n, &format!("list {n}")),
        Event::See(p) => pin(k, p, &|_| ()),
        Event::Try(p) => pin(k, p, &PinLogin::trying),
        Event::Accept(p, t) => pin(k, p, &|l| l.accepted(Some(&t.to_string()))),
        Event::Reject(p) => pin(k, p, &PinLogin::rejected),
        Event::Unseen(p) => pin(k, p, &PinLogin::unseen),
        Event::Damage => k.damaged = true,
    }
}

fn kept() -> impl Strategy<Value = Kept> {
    vec(event(), 0..12).prop_map(|events| {
        let mut k = Kept::default();
        for e in &events {
            happens(&mut k, e);
        }
        k
    })
}

/// One that holds so many of everything that the oldest go.
fn full() -> impl Strategy<Value = Kept> {
    vec((0..300u32, 0..9i64), 0..400).prop_map(|all| {
        let mut k = Kept::default();
        for (n, t) in all {
            let (name, issued) = (n.to_string(), at(t));
            let by = name.clone();
            k.supersede(&name, Superseded { by, issued });
            let _ = k.spend(&name, Duration::from_secs(1), BUDGET, issued);
            let pin = k.login(AnchorRole::Standby, &(n % 20).to_string());
            pin.trying();
            pin.accepted(Some(&name));
        }
        k
    })
}

fn any() -> impl Strategy<Value = Kept> {
    prop_oneof![3 => kept(), 1 => full()]
}

/// Whether `all` bars whatever `one` bars. A later turn of a PIN is somebody's wish.
fn bars_all_of(all: &Kept, one: &Kept) -> bool {
    let standbys = one.standbys.iter().all(|(name, s)| {
        let a = all.standbys.get(name);
        a.is_some_and(|a| a.served_secs >= s.served_secs && a.first <= s.first)
    });
    let superseded = one.superseded.keys().all(|id| all.superseded(id).is_some());
    let list = |k: &Kept| k.revocations.as_ref().map(|l| l.number);
    let logins = one.logins.iter().all(|(role, logins)| {
        logins.0.iter().all(|(content, l)| {
            let a = all.logins.get(role).and_then(|a| a.0.get(content));
            a.is_some_and(|a| {
                let same = a.tried >= l.tried && a.verdict >= l.verdict;
                a.turn > l.turn || (a.turn == l.turn && same)
            })
        })
    });
    let damaged = all.damaged || !one.damaged;
    standbys && superseded && list(all) >= list(one) && logins && damaged
}

proptest! {
    #[test]
    fn merging_is_the_same_in_any_order_and_as_often_as_it_is_done(a in any(), b in any()) {
        let ab = a.clone().merged(b.clone());
        prop_assert_eq!(&ab, &b.clone().merged(a.clone()));
        prop_assert_eq!(&ab, &ab.clone().merged(b));
        prop_assert_eq!(&a, &a.clone().merged(a.clone()));
    }

    #[test]
    fn of_three_any_two_may_be_merged_first(a in kept(), b in kept(), c in kept()) {
        let ab = a.clone().merged(b.clone());
        let bc = b.merged(c.clone());
        prop_assert_eq!(ab.merged(c), a.merged(bc));
    }

    #[test]
    fn merging_loses_nothing_that_either_bars(a in kept(), b in kept()) {
        let both = a.clone().merged(b.clone());
        prop_assert!(bars_all_of(&both, &a), "{both:?}\nforgets of {a:?}");
        prop_assert!(bars_all_of(&both, &b), "{both:?}\nforgets of {b:?}");
    }

    #[test]
    fn what_happens_takes_nothing_back(mut k in kept(), e in event()) {
        let before = k.clone();
        happens(&mut k, &e);
        prop_assert!(bars_all_of(&k, &before), "{e:?}: {before:?}\nbecame {k:?}");
        prop_assert_eq!(before.merged(k.clone()), k);
    }

    #[test]
    fn it_is_read_as_it_was_written(k in any()) {
        let text = serde_json::to_string(&k).unwrap();
        prop_assert_eq!(serde_json::from_str::<Kept>(&text).unwrap(), k);
    }
}

#[test]
fn it_is_bounded_and_the_oldest_go() {
    let mut k = Kept::default();
    let id = |n: i64| format!("{n:0>256}");
    for n in 0..1000 {
        let (by, issued) = (id(n + 1), at(n));
        k.supersede(&id(n), Superseded { by, issued });
        k.spend(&id(n), BUDGET, BUDGET, issued).unwrap();
        let token = format!("{n:0>64}");
        for role in [AnchorRole::Anchor, AnchorRole::Standby] {
            for pin in [&token, &"a".repeat(64)] {
                let pin = k.login(role, pin);
                pin.trying();
                pin.accepted(Some(&token));
            }
        }
    }
    k.know_list(7, &"\n".repeat(256 << 10));
    let bytes = serde_json::to_vec(&k).unwrap().len();
    assert!(bytes < 900 << 10, "{bytes} bytes: a Secret holds 1 MiB");
    assert_eq!(
        (k.superseded.len(), k.standbys.len()),
        (MOST_KEPT, MOST_KEPT)
    );
    assert!(k.superseded(&id(999)).is_some() && k.superseded(&id(0)).is_none());
    assert!(k.standby(&id(999)).is_some() && k.standby(&id(0)).is_none());
    assert_eq!(k.logins(AnchorRole::Anchor).unwrap().0.len(), 8);
}

#[test]
fn a_standbys_time_ends_with_its_budget_and_begins_on_the_day_of_its_first_use() {
    let mut k = Kept::default();
    let (hour, budget) = (Duration::from_secs(3600), Duration::from_secs(7000));
    assert_eq!(k.spend("s", hour, budget, at(100)), Ok(()));
    assert_eq!(k.spend("s", hour, budget, at(50)), Ok(()));
    assert_eq!(k.spend("s", hour, budget, at(200)), Err(AllSpent));
    let used = k.standby("s").unwrap();
    assert_eq!((used.first, used.last), (at(100), at(100)));
    assert_eq!(used.served_secs, 7200);
    assert_eq!(k.spend("other", hour, budget, at(200)), Ok(()));
}

#[test]
fn a_pin_that_was_put_back_has_a_new_turn_and_one_that_was_only_shown_by_another_server_has_not() {
    let mut k = Kept::default();
    k.login(AnchorRole::Anchor, "a").rejected();
    let other = k.clone();
    k.login(AnchorRole::Anchor, "b");
    assert!(!k.login(AnchorRole::Anchor, "a").is_rejected());
    // Who has not seen the change has an older turn.
    let mut merged = other.merged(k);
    assert!(!merged.login(AnchorRole::Anchor, "a").is_rejected());
    merged.login(AnchorRole::Anchor, "a").rejected();
    assert!(merged.login(AnchorRole::Anchor, "a").is_rejected());
}

#[test]
fn after_a_damaged_document_the_first_pin_of_each_anchor_counts_as_tried_once() {
    let mut k = Kept::damaged();
    for role in [AnchorRole::Anchor, AnchorRole::Standby] {
        assert_eq!(k.login(role, "a").unclear(), 1);
        assert_eq!(k.login(role, "b").unclear(), 0);
    }
}
