//! Tests of this promise, and of what it changes in others: right histories, and each way of
//! breaking them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::check::story::*;
use crate::history::*;

const NOTICE: Ms = 15_000;

/// Of pool 0: (owned, max, lend) for each namespace from 0 on.
fn policy(rights: &[(u32, Option<u32>, Option<u32>)]) -> Policy {
    let group = |(n, (owned, max, lend)): (u32, &(u32, Option<u32>, Option<u32>))| PolicyGroup {
        namespaces: vec![GroupNo(n)],
        pools: vec![(
            0,
            Rights {
                owned: *owned,
                max: *max,
                lend: *lend,
            },
        )],
        ..PolicyGroup::default()
    };
    Policy {
        notice: NOTICE,
        groups: (0..).zip(rights).map(group).collect(),
        ..Policy::default()
    }
}

/// So many seats, and a policy over them. Holders 3, 6, … are of group 0, 1, 4, … of group 1.
fn ruled(seats: u32, rights: &[(u32, Option<u32>, Option<u32>)]) -> Story {
    let mut s = Story::new(seats);
    s.see(Fact::Policy(Some(policy(rights))));
    s
}

fn asks(s: &mut Story, copy: u32, no: u32, place: u32) -> &mut Story {
    s.waits(copy, no, place).wait(10)
}

fn renews_as(s: &mut Story, copy: u32, reply: Reply) -> &mut Story {
    let what = s.renewal(copy, copy);
    let msg = s.sends(copy, what);
    // Nobody hears it: what a holder makes of it is another promise.
    s.see(Fact::Answered { msg, reply })
}

#[test]
fn no_grant_goes_beyond_the_most_of_its_group() {
    let mut s = ruled(3, &[(0, Some(1), None)]);
    s.granted(3, 3).granted(1, 1);
    assert_eq!(s.verdict(), None);
    s.waits_and_is_granted(6, 6);
    assert_eq!(s.verdict(), Some(17));
}

#[test]
fn nobody_takes_what_an_owner_keeps() {
    // One is not lent, though nobody wants it.
    let mut s = ruled(3, &[(2, None, Some(1))]);
    s.granted(1, 1).granted(4, 4);
    assert_eq!(s.verdict(), None);
    s.waits_and_is_granted(7, 7);
    assert_eq!(s.verdict(), Some(17));
    // Both are its own once it wants two.
    let mut s = ruled(3, &[(2, None, None)]);
    s.granted(1, 1).granted(4, 4);
    s.items.insert(3, vec![(0, 2)]);
    asks(&mut s, 3, 3, 1).gives_back(1, 1);
    s.held(3, 3);
    assert_eq!(s.verdict(), None);
    let mut s = ruled(3, &[(2, None, None)]);
    s.granted(1, 1).granted(4, 4);
    s.items.insert(3, vec![(0, 2)]);
    asks(&mut s, 3, 3, 1);
    s.waits_and_is_granted(7, 7);
    assert_eq!(s.verdict(), Some(17));
}

#[test]
fn a_group_takes_a_project_where_its_namespace_allows_it_and_by_no_other_word() {
    // Of two seats one is project 0's of namespace 1, and is not lent. Who comes after holder 3 has
    // it, or would have what is not its own.
    let mut by_project = policy(&[(1, None, Some(0))]);
    by_project.groups[0].namespaces.clear();
    by_project.groups[0].projects = vec![(GroupNo(1), ProjectNo(0)), (GroupNo(2), ProjectNo(0))];
    let named = |holder: u32| (HolderNo(holder).group(), HolderNo(holder).project());
    assert_eq!(named(1), (GroupNo(1), Some(ProjectNo(0))));
    assert_eq!(named(2), (GroupNo(2), Some(ProjectNo(0))));
    assert_eq!(named(4), (GroupNo(1), Some(ProjectNo(1))));
    assert_eq!(named(7), (GroupNo(1), None));
    for (who, allows, promise, not_allowed) in [
        (1, Some(GroupNo(1)), None, 0),
        (4, Some(GroupNo(1)), Some(17), 0),
        (7, Some(GroupNo(1)), Some(17), 0),
        (2, Some(GroupNo(1)), Some(17), 1),
        (2, Some(GroupNo(2)), None, 0),
        (1, None, Some(17), 1),
    ] {
        let mut s = Story::new(2);
        let allows = allows.map(|namespace| (namespace, ProjectNo(0)));
        s.see(Fact::Policy(Some(Policy {
            allows: allows.into_iter().collect(),
            ..by_project.clone()
        })));
        s.granted(3, 3).waits_and_is_granted(who, who);
        assert_eq!(s.verdict(), promise, "holder {who}, {allows:?}");
        let seen = (s.seen().by_project, s.seen().not_allowed);
        assert_eq!(seen, (u64::from(promise.is_none()), not_allowed));
    }
}

#[test]
fn what_several_own_is_one_limit_for_all() {
    for (has, promise) in [(1, None), (2, Some(17))] {
        let mut s = ruled(5, &[(2, None, Some(0)), (2, None, Some(0))]);
        s.items.insert(2, vec![(0, has)]);
        s.waits_and_is_granted(2, 2);
        assert_eq!(s.verdict(), promise);
    }
}

#[test]
fn who_is_at_the_most_of_its_group_stands_in_nobody_elses_way() {
    let waits = || {
        let mut s = ruled(2, &[(0, Some(1), None)]);
        s.granted(3, 3);
        asks(&mut s, 6, 6, 1);
        s
    };
    let mut s = waits();
    s.waits_and_is_granted(1, 1);
    assert_eq!(s.verdict(), None);
    assert!(s.seen().passed_held_back > 0);
    let mut s = waits();
    asks(&mut s, 1, 1, 2);
    assert_eq!(s.verdict(), Some(5), "a seat is free for it");
    // When its group has less it is its turn.
    let mut s = waits();
    s.gives_back(3, 3);
    assert_eq!(s.verdict(), Some(5));
}

#[test]
fn who_waits_for_what_is_kept_stands_before_others_who_would_borrow_and_in_no_owners_way() {
    let waits = || {
        let mut s = ruled(4, &[(2, None, Some(0))]);
        s.granted(1, 1);
        s.items.insert(2, vec![(0, 2)]);
        asks(&mut s, 2, 2, 1);
        s
    };
    let mut s = waits();
    s.waits_and_is_granted(3, 3);
    assert_eq!(s.verdict(), None, "its owner");
    let mut s = waits();
    s.waits_and_is_granted(4, 4);
    assert_eq!(s.verdict(), Some(5), "who would borrow what it waits for");
}

#[test]
fn without_a_policy_nothing_is_held_back_and_nobody_told_so() {
    for (is_ruled, promise) in [(false, Some(17)), (true, None)] {
        let mut s = Story::new(1);
        if is_ruled {
            s.see(Fact::Policy(Some(policy(&[(0, Some(1), None)]))));
        }
        s.granted(3, 3).begin(6);
        let msg = s.sends(6, s.claim(6, None, None));
        let mut reply = waiting(6, 1);
        if let Reply::Waiting { held_back, .. } = &mut reply {
            *held_back = true;
        }
        s.book(6, 6, Book::Waiting).answer(msg, reply);
        assert_eq!(s.verdict(), promise);
    }
}

/// 1 has borrowed the only seat, which group 0 owns and wants.
fn lent() -> Story {
    let mut s = ruled(1, &[(1, None, None)]);
    s.granted(1, 1).wait(100);
    asks(&mut s, 3, 3, 1);
    s
}

#[test]
fn a_loan_is_called_back_where_its_owner_waits() {
    let mut s = lent();
    renews_as(&mut s, 1, called_back(1, NOTICE));
    assert_eq!((s.verdict(), s.seen().loans_called_back), (None, 1));
    // Nobody waits, or nobody who owns it.
    for owner in [None, Some(2)] {
        let mut s = ruled(1, &[(1, None, None)]);
        s.granted(1, 1).wait(100);
        if let Some(other) = owner {
            asks(&mut s, other, other, 1);
        }
        renews_as(&mut s, 1, called_back(1, NOTICE));
        assert_eq!(s.verdict(), Some(17));
    }
    // Its group has no more than it owns.
    let mut s = ruled(2, &[(1, None, None), (1, None, None)]);
    s.granted(1, 1).granted(2, 2).wait(100);
    asks(&mut s, 3, 3, 1);
    renews_as(&mut s, 1, called_back(1, NOTICE));
    assert_eq!(s.verdict(), Some(17));
}

#[test]
fn it_has_its_notice_which_no_answer_moves() {
    let mut s = lent();
    renews_as(&mut s, 1, called_back(1, NOTICE));
    renews_as(s.wait(5_000), 1, called_back(1, NOTICE - 5_000));
    s.asks_again(3, 3, 1);
    renews_as(s.wait(9_000), 1, called_back(1, NOTICE - 14_000));
    renews_as(s.wait(1_100), 1, Reply::Problem("called-back"));
    assert_eq!((s.verdict(), s.seen().loans_over), (None, 1));
    let mut s = lent();
    renews_as(&mut s, 1, called_back(1, NOTICE));
    renews_as(s.wait(5_000), 1, called_back(1, NOTICE));
    assert_eq!(s.verdict(), Some(4), "it begins anew");
    let mut s = lent();
    renews_as(&mut s, 1, Reply::Problem("called-back"));
    assert_eq!(s.verdict(), Some(17), "at once");
}

/// The same, called back, and its holder asks on.
fn asks_on() -> Story {
    let mut s = lent();
    renews_as(&mut s, 1, called_back(1, NOTICE));
    for n in 1..=4 {
        s.wait(3_000).asks_again(3, 3, 1);
        renews_as(&mut s, 1, called_back(1, NOTICE - n * 3_000));
    }
    s
}

#[test]
fn it_is_free_when_its_notice_is_over_everywhere_and_not_before() {
    let margin = 1_000 + NOTICE / 1_000;
    let mut s = asks_on();
    s.wait(3_000).asks_again(3, 3, 1);
    renews_as(s.wait(100), 1, Reply::Problem("called-back"));
    s.wait(margin + 20).ended(1, 1, "expired").held(3, 3);
    assert_eq!((s.verdict(), s.seen().loans_expired), (None, 1));
    let mut s = asks_on();
    s.wait(3_000).ended(1, 1, "expired").held(3, 3);
    assert_eq!(s.verdict(), Some(2), "too early");
    let mut s = asks_on();
    s.wait(3_000).asks_again(3, 3, 1).wait(margin + 1_100);
    s.asks_again(3, 3, 1);
    assert_eq!(s.verdict(), Some(2), "too late");
}

#[test]
fn its_holder_begins_anew_with_another_secret_when_its_notice_is_over() {
    for (wait, promise) in [(3_100, None), (1_000, Some(2))] {
        let mut s = asks_on();
        s.wait(wait).asks_again(3, 3, 1);
        s.begin_as(1, 9, false);
        let msg = s.sends(1, s.claim(1, None, None));
        s.ended(1, 1, "released").held(3, 3);
        s.book(1, 7, Book::Waiting).answer(msg, waiting(7, 1));
        assert_eq!(s.verdict(), promise);
    }
}

#[test]
fn it_is_lifted_when_its_owner_goes_away() {
    let mut s = lent();
    renews_as(&mut s, 1, called_back(1, NOTICE));
    s.gives_back(3, 3).wait(10);
    renews_as(&mut s, 1, got(1));
    assert_eq!((s.verdict(), s.seen().loans_lifted), (None, 1));
    let mut s = lent();
    renews_as(&mut s, 1, called_back(1, NOTICE));
    s.gives_back(3, 3).wait(10);
    renews_as(&mut s, 1, called_back(1, NOTICE - 10));
    assert_eq!(s.verdict(), Some(17));
}

#[test]
fn an_owner_waits_no_longer_than_its_bound() {
    let mut s = lent();
    // Nobody tells the borrower.
    for _ in 0..8 {
        renews_as(s.wait(4_000), 1, got(1));
        s.asks_again(3, 3, 1);
    }
    assert_eq!(s.verdict(), Some(17));
    // Not where something else could be in the way.
    let mut s = lent();
    for _ in 0..8 {
        renews_as(s.wait(4_000), 1, got(1));
        s.see(Fact::Policy(Some(policy(&[(1, None, None)]))));
        s.asks_again(3, 3, 1);
    }
    assert_eq!(s.verdict(), None);
}

#[test]
fn a_policy_that_comes_ranks_everybody_anew() {
    let mut s = Story::new(1);
    s.granted(1, 1);
    asks(&mut s, 2, 2, 1);
    asks(&mut s, 3, 3, 2);
    let mut first = policy(&[(0, None, None)]);
    first.groups[0].priority = 1;
    s.see(Fact::Policy(Some(first)));
    s.priority.insert(3, 1);
    s.asks_again(3, 3, 1).asks_again(2, 2, 2);
    assert_eq!(s.verdict(), None);
    s.asks_again(3, 3, 2);
    assert_eq!(s.verdict(), Some(6));
}

#[test]
fn who_has_fewer_for_its_weight_stands_before_who_comes_later() {
    let weighed = || {
        let mut by_weight = policy(&[(0, None, None), (0, None, None)]);
        for group in &mut by_weight.groups {
            group.weight = Some(1);
        }
        let mut s = Story::new(2);
        s.see(Fact::Policy(Some(by_weight)));
        s.granted(3, 3).granted(6, 6);
        asks(&mut s, 1, 1, 1);
        asks(&mut s, 9, 9, 2);
        s
    };
    let mut s = weighed();
    s.gives_back(6, 6).held(1, 1);
    assert_eq!(s.verdict(), None);
    let mut s = weighed();
    s.gives_back(6, 6).held(9, 9);
    assert_eq!(s.verdict(), Some(5));
}
