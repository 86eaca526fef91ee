//! Pulled at random moments.

use super::bench::{Bench, clock, two};
use mooring_core::frontend::{Authority, Clock, Denied, InForce};
use mooring_core::license::Policy;
use mooring_core::time::Now;
use std::sync::Arc;
use std::time::Duration;

const HALF_AN_HOUR: u64 = 30 * 60 * 1000;
const GRACE: u64 = 600_000;

/// A small generator, seeded: runs must be the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % n
    }
}

type Rule = fn(&Authority, Now, Clock) -> Result<Arc<InForce>, Denied>;

/// What became of half an hour.
#[derive(Debug, Default)]
struct Seen {
    given: usize,
    signed: usize,
    refused: usize,
    losses: usize,
    /// Renewals went on to the end of the grace, and ended.
    graces_ended: usize,
}

/// Half an hour with a dongle that comes and goes; an error is a promise that was broken.
async fn half_an_hour(seed: u64, grace: u64, rule: Rule) -> Result<Seen, String> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut license = two(0);
    license.policy = Policy {
        max_anchor_grace: Some(Duration::from_millis(grace)),
        ..Policy::default()
    };
    let mut b = Bench::new(&license);
    let mut seen = Seen::default();
    // When it was last pulled, and since when the server has missed it: one that came back for a
    // moment may not have been seen.
    let mut pulled: Option<u64> = None;
    let mut away: Option<u64> = None;
    let mut turn = dice.below(400_000);
    let mut look = 0;
    b.world.set_sign_ms(dice.below(400));
    while b.world.ms() < HALF_AN_HOUR {
        let t = b.world.ms();
        if t >= turn {
            pulled = if pulled.is_none() { Some(t) } else { None };
            b.world.plug(0, pulled.is_none());
            seen.losses += usize::from(pulled.is_some());
            away = away.or(pulled);
            // Short hiccups, and longer than the grace.
            let longest = [3_000, 60_000, grace + 120_000][usize::try_from(dice.below(3)).unwrap()];
            turn = t + 1 + dice.below(longest);
        }
        if dice.below(500) == 0 {
            // Somebody moves the wall clock, by seconds.
            let off = i64::try_from(dice.below(20_000)).unwrap() - 10_000;
            b.world.set_wall_off(off);
        }
        if t >= look {
            b.step().await;
            look = b.world.ms() + 1000;
            if pulled.is_none() && b.authority.lost_since.is_none() {
                away = None;
            }
        }
        let state = b.authority.clone();
        match rule(&state, b.world.now(), clock()) {
            Ok(f) => {
                seen.given += 1;
                // Every token that is signed is verified; what the rule allows in between is judged
                // by the time alone.
                if dice.below(if pulled.is_some() { 24 } else { 200 }) == 0 {
                    seen.signed += 1;
                    b.verified(&b.sign(&f)).map_err(|e| format!("{t}: {e}"))?;
                }
                // A loss is seen within a second; then renewals go on for the grace.
                if let Some(p) = pulled.filter(|p| b.world.ms() - p > grace + 1000 + 400) {
                    return Err(format!("{t}: renewed {} ms after the loss", t - p));
                }
            }
            Err(bad) => {
                seen.refused += 1;
                let since = away.map(|p| t - p);
                let early = since.is_none_or(|s| s + 1 < grace);
                // Else only before its first word, or when the wall clock was moved.
                let never_spoke = state.in_force.is_none();
                let moved = matches!(bad, Denied::Stale(_)) || moved_out(&state, b.world.now());
                if early && !never_spoke && !moved {
                    return Err(format!("{t}: refused {since:?} ms after the loss: {bad:?}"));
                }
                if since.is_some_and(|s| s >= grace) && !never_spoke {
                    seen.graces_ended += 1;
                }
            }
        }
        b.world.pass(100 + dice.below(200));
    }
    Ok(seen)
}

/// The wall clock was moved out of the delegation while the anchor is away: nothing could be signed
/// that verifies.
fn moved_out(state: &Authority, now: Now) -> bool {
    let covered = state
        .in_force
        .as_ref()
        .is_some_and(|f| f.delegation.covers(now.wall));
    state.lost_since.is_some() && !covered
}

#[tokio::test]
async fn no_token_outlives_its_delegation_and_renewals_end_with_the_grace() {
    let mut all = Seen::default();
    for seed in 0..6 {
        for grace in [GRACE, 120_000] {
            let seen = half_an_hour(seed, grace, Authority::may_sign).await;
            let seen = seen.unwrap_or_else(|e| panic!("seed {seed}, grace {grace}: {e}"));
            all.given += seen.given;
            all.signed += seen.signed;
            all.refused += seen.refused;
            all.losses += seen.losses;
            all.graces_ended += seen.graces_ended;
        }
    }
    println!("{all:?}");
    // The runs were about something.
    assert!(
        all.given > 50_000 && all.signed > 500 && all.losses > 50 && all.graces_ended > 500,
        "{all:?}"
    );
}

/// Some seed finds each broken rule.
async fn found(grace: u64, rule: Rule) -> Vec<String> {
    let mut errors = Vec::new();
    for seed in 0..3 {
        errors.extend(half_an_hour(seed, grace, rule).await.err());
    }
    errors
}

#[tokio::test]
async fn a_server_that_renews_past_its_delegation_is_found() {
    let always: Rule = |s, _, _| s.in_force.clone().ok_or_else(|| Denied::Final(nothing()));
    // By the tokens themselves, since no grace ends it here.
    let errors = found(HALF_AN_HOUR, always).await;
    assert!(errors.iter().any(|e| e.contains("issuedAt")), "{errors:?}");
    assert!(!found(GRACE, always).await.is_empty());
}

#[tokio::test]
async fn a_server_that_renews_two_seconds_too_long_or_too_short_is_found() {
    let late: Rule = |s, now, c| {
        let mut s = s.clone();
        s.lost_since = s.lost_since.map(|t| t + Duration::from_secs(2));
        s.may_sign(now, c)
    };
    let errors = found(GRACE, late).await;
    assert!(
        errors.iter().any(|e| e.contains("after the loss")),
        "{errors:?}"
    );
    let early: Rule = |s, now, c| {
        let ago = Duration::from_secs(3);
        let earlier = Now {
            boot: now.boot + ago,
            ..now
        };
        s.may_sign(earlier, c)
    };
    let errors = found(GRACE, early).await;
    assert!(errors.iter().any(|e| e.contains("refused")), "{errors:?}");
}

fn nothing() -> mooring_core::wire::Problem {
    mooring_core::wire::Problem::new(mooring_core::wire::ProblemType::AnchorLost, "nothing")
}

#[tokio::test]
async fn the_grace_ends_to_the_millisecond_after_the_loss_was_seen() {
    for grace in [5_000, 120_000, GRACE] {
        let mut license = two(0);
        license.policy.max_anchor_grace = Some(Duration::from_millis(grace));
        let mut b = Bench::new(&license);
        b.run(100).await;
        b.world.plug(0, false);
        b.step().await;
        b.world.pass(grace - 1);
        b.step().await;
        assert!(b.renew().is_ok(), "{grace}");
        b.world.pass(1);
        let p = b.renew().unwrap_err();
        assert!(p.detail.starts_with("TokenLost"), "{p}");
    }
}
