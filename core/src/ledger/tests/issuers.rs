//! Issuers of client tokens: their subjects have so many claims in all.

use super::*;
use crate::client_token::{Issuer, Issuers};
use crate::license::SigningKey;

fn issuers(claims: u32) -> Issuers {
    let one = Issuer {
        name: "a".into(),
        keys: vec![SigningKey::from_seed(&[1; 32]).unwrap().public()],
        subjects: "pod:a/".into(),
        claims,
    };
    Issuers::new(vec![one], &[], &[]).unwrap()
}

fn of(subject: &str, n: u8) -> Claim {
    let holder = Holder::External {
        subject: subject.into(),
    };
    Claim {
        holder,
        ..claim(n, "render")
    }
}

fn books(claims: u32, settle: Duration, instance: u8) -> Ledger {
    let license = license(&[("r", 2)], &[("render", "r")]);
    let mut l = Ledger::new(settings(instance, settle), one(&license), at(0));
    l.set_issuers(&issuers(claims));
    l
}

#[test]
fn an_issuers_subjects_have_so_many_claims_in_all_and_nobody_else_is_harmed() {
    let mut l = books(3, Duration::ZERO, 1);
    let a = granted(l.claim(of("pod:a/ns/1", 1), at(0)));
    granted(l.claim(of("pod:a/ns/2", 2), at(0)));
    place(l.claim(of("pod:a/ns/3", 3), at(0)));
    let full = |r: Result<Claimed, Refusal>| refused(r).0 == ProblemType::TooManyClaims;
    let e = l.claim(of("pod:a/ns/4", 4), at(1)).unwrap_err();
    assert_eq!(
        e,
        Refusal::IssuerFull {
            issuer: "a".into(),
            most: 3
        }
    );
    // One that is there already asks again; others are not of this issuer.
    granted(l.claim(of("pod:a/ns/1", 1), at(1)));
    place(l.claim(of("pod:b/ns/1", 5), at(1)));
    place(l.claim(of("pod:a", 6), at(1)));
    place(l.claim(claim(7, "render"), at(1)));
    // One less is room for one more, in line as in the seats.
    l.release(&ClaimName::pod(), a.lease, &secret(1), None, at(2))
        .unwrap();
    place(l.claim(of("pod:a/ns/4", 4), at(2)));
    assert!(full(l.claim(of("pod:a/ns/8", 8), at(2))));
}

#[test]
fn a_smaller_bound_throws_nobody_out_and_a_larger_one_lets_in_at_once() {
    let mut l = books(3, Duration::ZERO, 1);
    for (subject, n) in [("pod:a/1", 1), ("pod:a/2", 2)] {
        granted(l.claim(of(subject, n), at(0)));
    }
    place(l.claim(of("pod:a/3", 3), at(0)));
    l.set_issuers(&issuers(1));
    let lease = LeaseId::from_bytes([2; 16]);
    l.renew(&renewal(2, lease, 2, 1), at(1)).unwrap();
    place(l.claim(of("pod:a/3", 3), at(1)));
    let r = refused(l.claim(of("pod:a/4", 4), at(1)));
    assert_eq!(r.0, ProblemType::TooManyClaims);
    l.set_issuers(&issuers(4));
    place(l.claim(of("pod:a/4", 4), at(1)));
    l.set_issuers(&Issuers::default());
    place(l.claim(of("pod:a/5", 5), at(1)));
}

#[test]
fn after_a_restart_a_lease_comes_in_though_others_of_its_issuer_were_quicker() {
    let mut before = books(2, Duration::ZERO, 1);
    let a = granted(before.claim(of("pod:a/1", 1), at(0)));
    let mut l = books(2, D, 2);
    for (subject, n) in [("pod:a/2", 2), ("pod:a/3", 3)] {
        place(l.claim(of(subject, n), at(1)));
    }
    let mut back = of("pod:a/1", 1);
    back.held = Some(shown(&a, 1));
    assert_eq!(granted(l.claim(back, at(2))).lease, a.lease);
    assert_eq!(
        refused(l.claim(of("pod:a/4", 4), at(3))).0,
        ProblemType::TooManyClaims
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Whatever comes and goes: what is counted is what is there, and who is refused is refused for
    /// that alone.
    #[test]
    fn the_count_is_that_of_the_claims_in_the_books(
        steps in proptest::collection::vec((0u8..6, 0u8..12, 0u64..20_000), 1..60),
        most in 1u32..5,
    ) {
        let mut l = books(most, Duration::ZERO, 1);
        let (mut now, mut bound) = (0, most);
        // A claim that was given back needs another secret.
        let mut lives = [0u8; 12];
        for (what, n, later) in steps {
            let subject = format!("pod:{}/{n}", if n < 8 { "a" } else { "b" });
            let no = n + 12 * lives[usize::from(n)];
            let id = LeaseId::from_bytes([no; 16]);
            match what {
                0..=2 => {
                    let there = l.holder_of(id).is_some();
                    let before = of_issuer(&l, at(now));
                    let r = l.claim(of(&subject, no), at(now));
                    let full = matches!(r, Err(Refusal::IssuerFull { .. }));
                    let at_bound = n < 8 && !there && before >= bound as usize;
                    prop_assert_eq!(full, at_bound, "{} of {}, {:?}", before, bound, r);
                }
                3 => {
                    let gone = l.release(&ClaimName::pod(), id, &secret(no), None, at(now));
                    if gone.is_ok_and(|was| was) {
                        lives[usize::from(n)] = (lives[usize::from(n)] + 1) % 20;
                    }
                }
                4 => {
                    now += later;
                    l.tick(at(now));
                }
                _ => {
                    bound = u32::from(n % 4) + 1;
                    l.set_issuers(&issuers(bound));
                }
            }
        }
    }
}

/// How many claims the issuer's subjects have, by what the books show.
fn of_issuer(l: &Ledger, now: BootTime) -> usize {
    let views = l.views(now);
    let ours = |v: &&crate::wire::LeaseView| v.holder.to_string().starts_with("pod:a/");
    views.iter().filter(ours).count()
}
