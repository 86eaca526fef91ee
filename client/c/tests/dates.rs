//! A server whose clock is not the application's, or that has kept what the anchor signed once:
//! each language's library is told the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

use mooring_client::Timestamp;
use mooring_core::wire::ProblemType;
use mooring_testkit::languages::{LANGUAGES, Runner};
use mooring_testkit::sidecar::{Scripted, VECTORS, answer, dated, lease, problem};
use mooring_testkit::{eventually, secs};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A sidecar whose server signs each answer with a date so many seconds from now: as one does that
/// has a delegation of then, and no anchor.
struct World {
    fake: Scripted,
    ahead: Arc<AtomicI64>,
}

fn signed(ahead: i64, nonce: Option<&str>, name: &str) -> Vec<u8> {
    let now = Timestamp::from_second(Timestamp::now().as_second() + ahead).unwrap();
    let bundle = dated(now, |t| {
        t.nonce = nonce.map(str::to_owned);
        t.claim = name.parse().unwrap();
        t.lease = lease(1);
        t.run_for = secs(14 * 24 * 3600);
    });
    answer(200, &bundle)
}

impl World {
    fn new(ahead: i64) -> Self {
        let ahead = Arc::new(AtomicI64::new(ahead));
        let mine = ahead.clone();
        let fake = Scripted::with_tokens(move |nonce, name| {
            signed(mine.load(Ordering::Relaxed), nonce, name)
        });
        Self { fake, ahead }
    }

    fn connected(&self, language: &'static str, unverified: &str) -> Runner {
        connected(&self.fake, language, unverified)
    }

    /// The next answer is dated so.
    fn then(&self, ahead: i64) {
        self.ahead.store(ahead, Ordering::Relaxed);
        self.fake.cut(); // so that it asks again
    }
}

fn connected(fake: &Scripted, language: &'static str, unverified: &str) -> Runner {
    let key = VECTORS["keys"]["vendor"]["public"].as_str().unwrap();
    let key = key.strip_prefix("ed25519:").unwrap();
    let socket = fake.socket().to_str().unwrap().to_owned();
    let mut r = Runner::new(language);
    let words = [
        "connect",
        key,
        "2026.1",
        "2026-03-01",
        &socket,
        "",
        unverified,
    ];
    assert_eq!(r.ask(&words), ["ok"]);
    r
}

fn becomes(r: &mut Runner, standing: &str, why: &str) {
    let language = r.language;
    eventually(&format!("{language}: {standing} {why}"), secs(15), || {
        let s = r.ask(&["state", "1"]);
        (s[0] == standing && s[1] == why).then_some(())
    });
}

/// The attack: what the dongle signed once, in a later year, or before its day has come.
#[test]
fn a_delegation_signed_in_advance_proves_nothing_beyond_a_day() {
    for language in LANGUAGES {
        for (ahead, good) in [
            (-3 * DAY, false),
            (2 * DAY, false),
            (-23 * HOUR, true),
            (23 * HOUR, true),
        ] {
            let world = World::new(ahead);
            let mut r = world.connected(language, "");
            let said = r.ask(&["hold", "1", "own", "render", "2", "1500", "", "1"]);
            if good {
                assert_eq!(said, ["ok"], "{language} {ahead}");
                assert_eq!(r.ask(&["prove", "render"])[4], "1", "fresh");
                continue;
            }
            assert_eq!(
                said[..2],
                ["error", "ClockOrStale"],
                "{language} {ahead}: {said:?}"
            );
            let now = Timestamp::now().to_string();
            assert!(said[2].contains(&now[..10]), "both times: {said:?}");
        }
    }
}

/// The attack: one delegation, and the machine's wall clock turned to match.
#[test]
fn the_proofs_of_a_process_do_not_stand_still() {
    for language in LANGUAGES {
        // Honest: NTP steps back an hour.
        let world = World::new(HOUR);
        let mut r = world.connected(language, "");
        let hold = ["hold", "1", "own", "render", "2", "5000", "", "1"];
        assert_eq!(r.ask(&hold), ["ok"], "{language}");
        let asked = world.fake.count("GET /v1/token");
        world.then(0);
        eventually("it asks again", secs(15), || {
            (world.fake.count("GET /v1/token") > asked).then_some(())
        });
        becomes(&mut r, "licensed", "");

        // Each date is within a day of the clock; together they have gone back by more than one.
        let world = World::new(23 * HOUR);
        let mut r = world.connected(language, "");
        assert_eq!(r.ask(&hold), ["ok"], "{language}");
        world.then(-2 * HOUR);
        becomes(&mut r, "ending", "ClockOrStale");
        world.then(0);
        becomes(&mut r, "licensed", "");
    }
}

/// Honest: an application that is started again on the third day of a grace of fourteen.
#[test]
fn a_kept_token_is_good_for_its_grace() {
    for language in LANGUAGES {
        for (ahead, good) in [(-3 * DAY, true), (-16 * DAY, false)] {
            let fake = Scripted::with_tokens(move |nonce, name| match nonce {
                Some(_) => problem(ProblemType::Overloaded, "the server is away"),
                None => signed(ahead, None, name),
            });
            let mut r = connected(&fake, language, "1");
            let said = r.ask(&["prove", "render"]);
            if good {
                assert_eq!(
                    (said[0].as_str(), said[4].as_str()),
                    ("ok", "0"),
                    "{said:?}"
                );
            } else {
                assert_eq!(said[..2], ["error", "ClockOrStale"], "{language}: {said:?}");
            }
        }
    }
}
