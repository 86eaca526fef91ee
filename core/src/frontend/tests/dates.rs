//! A license whose pools end one after the other, lived through with a simulated clock.

use super::testing::{authority_of, license};
use super::*;
use crate::ledger::Part;
use crate::license::{License, Pool};

/// Three pools of one seat each for `render`: two end at 5 min and 10 min, one with the license at
/// 15 min, a fourth begins at 12 min.
fn three_ends() -> License {
    let after = |min: u64| now(min * 60).wall;
    let pool = |name: &str, begin: Option<u64>, end: Option<u64>| Pool {
        name: name.parse().unwrap(),
        seats: 1,
        overdraft: 0,
        not_before: begin.map(after),
        expires: end.map(after),
    };
    let mut l = license();
    l.expires = Some(after(15));
    l.pools = vec![
        pool("a", None, Some(5)),
        pool("b", None, Some(10)),
        pool("c", None, None),
        pool("d", Some(12), None),
    ];
    let from =
        serde_json::json!([[{"pool": "a"}], [{"pool": "b"}], [{"pool": "c"}], [{"pool": "d"}]]);
    l.products[0].from = serde_json::from_value(from).unwrap();
    l.check().unwrap();
    l
}

fn frontend_of(l: &License, t: Now) -> Frontend<u8> {
    let mut f = frontend(authority_of(l, NOON), 0);
    f.tick(t);
    f
}

/// What a renewal by holder `n` is answered: the pools, or the problem.
fn renews(f: &mut Frontend<u8>, n: u8, counter: u64, t: Now) -> Result<Vec<String>, &'static str> {
    let renewal = Renewal {
        lease: LeaseId::from_bytes([n; 16]),
        secret: secret(n),
        counter,
        request_id: RequestId::from_bytes([u8::try_from(counter).unwrap(); 16]),
        have: None,
    };
    let (mut each, _) = f.renew(&[renewal], |_| Ok(()), t);
    let pools = |parts: &[Part]| {
        let draws = parts.iter().flat_map(|p| &p.draws);
        draws.map(|d| d.pool.to_string()).collect()
    };
    match each.remove(0).1 {
        Ok(g) => Ok(pools(&g.parts)),
        Err(p) => Err(p.kind.name()),
    }
}

#[test]
fn a_license_of_three_ends_is_passed_through_pool_by_pool() {
    let mut f = frontend_of(&three_ends(), now(0));
    for n in [1, 2, 3] {
        claims(&mut f, n, 0, Ok(()), now(0));
        assert_eq!(answer(&mut f), Some((n, "held")));
    }
    let ok = |pool: &str| Ok(vec![pool.to_owned()]);
    let ended = Err("license-invalid");
    let (mut told, mut seats) = (Vec::new(), Vec::new());
    for (counter, secs) in (2..).zip((10..=900).step_by(10)) {
        let each: Vec<_> = [1, 2, 3]
            .iter()
            .map(|n| renews(&mut f, *n, counter, now(secs)))
            .collect();
        if told.last().is_none_or(|(_, last)| *last != each) {
            told.push((secs, each));
        }
        let there = f.ledger().products()[0].seats;
        if seats.last().is_none_or(|(_, last)| *last != there) {
            seats.push((secs, there));
        }
    }
    assert_eq!(
        told,
        [
            (10, vec![ok("a"), ok("b"), ok("c")]),
            (300, vec![ended.clone(), ok("b"), ok("c")]),
            (600, vec![ended.clone(), ended.clone(), ok("c")]),
            // One of those who have none moves to the seat that begins.
            (720, vec![ok("d"), ended.clone(), ok("c")]),
        ]
    );
    assert_eq!(seats, [(10, 3), (300, 2), (600, 1), (720, 2)]);
    let all = f.renew(&[], |_| Ok(()), now(900)).1;
    assert_eq!(
        all.unwrap_err().kind,
        ProblemType::LicenseInvalid,
        "the license itself has ended"
    );
    assert_eq!(
        f.ledger().products()[0].expires,
        Some(now(900).wall.to_string())
    );
}

#[test]
fn a_request_that_is_held_open_is_answered_the_moment_that_seats_begin() {
    let mut l = three_ends();
    l.pools.retain(|p| p.name.as_str() == "d");
    l.products[0].from.retain(|a| a[0].pool.as_str() == "d");
    let mut f = frontend_of(&l, now(700));
    claims(&mut f, 1, 60, Ok(()), now(710));
    assert_eq!(answer(&mut f), None);
    let due = f.next_deadline();
    assert_eq!(due, BootTime::from_millis(720_001));
    f.tick(now(721));
    let (_, a) = f.next_answer().unwrap();
    let Ok((Claimed::Granted(g), _)) = a else {
        panic!("{a:?}");
    };
    // Applications look at the pool's dates at issuedAt, which is not before it begins.
    assert_eq!(g.received, now(710).boot);
    assert_eq!(g.dates.begin, Some(now(720).wall));
}

#[test]
fn no_token_is_given_for_seats_that_have_ended() {
    let mut l = three_ends();
    l.pools.retain(|p| p.name.as_str() == "a");
    l.products[0].from.retain(|a| a[0].pool.as_str() == "a");
    let mut f = frontend_of(&l, now(0));
    claims(&mut f, 1, 0, Ok(()), now(0));
    let lease = LeaseId::from_bytes([1; 16]);
    assert!(f.token(lease, &secret(1), now(299)).is_ok());
    // Nobody has ticked since.
    let told = f.token(lease, &secret(1), now(300)).unwrap_err();
    assert_eq!(told.kind, ProblemType::LicenseInvalid);
}
