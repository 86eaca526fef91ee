//! Sockets that lie: whatever they say, the vendor's key decides.

use mooring_client::{Error, MinAnchor, Mooring, State, VendorKey, VerifyError, Why, boot};
use mooring_core::license::{Envelope, LeaseToken, SigningKey, types};
use mooring_core::secret::Secret;
use mooring_testkit::sidecar::{
    Reply, Scripted, answer, bundle, claim, edited, lease, status, token, vendor_key, with,
};
use mooring_testkit::{eventually, secs};
use std::time::Duration;

/// A way to lie about the token of this nonce and claim.
type Lie = fn(&str, &str) -> Vec<u8>;

fn good(nonce: &str, name: &str, edit: impl FnOnce(&mut LeaseToken)) -> Vec<u8> {
    answer(
        200,
        &edited(|t| {
            t.nonce = Some(nonce.into());
            t.claim = name.parse().unwrap();
            t.lease = lease(1);
            edit(t);
        }),
    )
}

const LIES: [(&str, Why, Lie); 10] = [
    ("a replayed token", Why::NotVerified, |_, _| {
        answer(200, &bundle())
    }),
    ("another's nonce", Why::NotVerified, |_, name| {
        good("AAAAAAAAAAAAAAAAAAAAAA", name, |_| {})
    }),
    ("a token signed by another", Why::NotVerified, |n, name| {
        let mut b = token(n, name);
        let (t, _) = b
            .lease
            .open::<LeaseToken>(
                types::LEASE,
                &[SigningKey::from_seed(&[5; 32]).unwrap().public()],
            )
            .unwrap();
        b.lease =
            Envelope::sign(types::LEASE, &t, &SigningKey::from_seed(&[6; 32]).unwrap()).unwrap();
        answer(200, &b)
    }),
    ("an edited token", Why::NotVerified, |n, name| {
        let mut v = serde_json::to_value(token(n, name)).unwrap();
        let payload = v["lease"]["payload"].as_str().unwrap().to_owned();
        v["lease"]["payload"] = payload.replacen('A', "B", 1).into();
        answer(200, &v)
    }),
    ("another product", Why::NotVerified, |n, name| {
        good(n, name, |t| {
            t.parts[0].items[0].product = "denoise".parse().unwrap();
        })
    }),
    ("another application's seat", Why::NotVerified, |n, name| {
        let theirs = Secret::from_bytes([9; 32]).hash();
        good(n, name, |t| t.bind = Some(theirs))
    }),
    ("another lease", Why::OtherLease, |n, name| {
        good(n, name, |t| t.lease = lease(7))
    }),
    ("another claim's", Why::OtherLease, |n, _| {
        good(n, "hold-9", |_| {})
    }),
    ("fewer seats", Why::FewerSeats, |n, name| {
        good(n, name, |t| {
            t.parts[0].items[0].seats = mooring_core::names::Seats::ONE;
        })
    }),
    ("no token at all", Why::NotVerified, |_, _| {
        answer(200, &serde_json::json!({"licensed": true}))
    }),
];

#[test]
fn a_seat_does_not_begin_with_a_lie() {
    for (what, why, lie) in LIES {
        let fake = Scripted::with_tokens(move |nonce, name| lie(nonce.unwrap(), name));
        // Not even where a start without proof would do.
        for unverified in [false, true] {
            let m = fake
                .builder()
                .allow_unverified_start(unverified)
                .connect()
                .unwrap();
            let e = m
                .claim("render")
                .seats(2)
                .wait(Duration::from_secs(20))
                .hold()
                .unwrap_err();
            match (&e, why) {
                (Error::Verify(_) | Error::Answer { .. }, Why::NotVerified) => {}
                (Error::Disbelieved { why: w, .. }, why) if *w == why => {}
                _ => panic!("{what}: {e:?}"),
            }
        }
    }
}

#[test]
fn a_lie_ends_a_seat_and_the_truth_brings_it_back() {
    for (what, why, lie) in LIES {
        let fake = Scripted::good();
        let seat = fake.mooring().claim("render").seats(2).hold().unwrap();
        let says = |tell: Lie| {
            move |request: &str| match request.split_once("nonce=") {
                None => Reply::Stream(vec![claim("hold-1", "Held")]),
                Some((_, n)) => Reply::Bytes(tell(n.split('&').next().unwrap(), "hold-1")),
            }
        };
        fake.now(says(lie));
        fake.cut(); // so that it asks again
        eventually(what, secs(10), || {
            (seat.check() == State::Unlicensed { why }).then_some(())
        });
        assert!(seat.details().message.is_some(), "{what}");
        fake.say(&with(claim("hold-1", "Held"), "untilBootMs", u64::MAX));
        fake.now(says(|n, name| answer(200, &token(n, name))));
        assert_eq!(
            seat.check(),
            State::Unlicensed { why },
            "{what}: insisting does not help"
        );
        eventually("the truth does", secs(10), || {
            matches!(seat.check(), State::Licensed { .. }).then_some(())
        });
    }
}

#[test]
fn the_sidecars_limit_is_capped_by_what_the_server_signed() {
    let fake = Scripted::new(|request| match request.split_once("nonce=") {
        None if request.starts_with("POST") => {
            let forever = with(claim("hold-1", "Held"), "untilBootMs", u64::MAX / 2);
            let forever = with(forever, "forMs", u64::MAX / 2);
            Reply::Stream(vec![with(forever, "heldUntilBootMs", u64::MAX / 2)])
        }
        None => Reply::Bytes(status(&[claim("pod", "Held")])),
        Some((_, n)) => Reply::Bytes(good(n.split('&').next().unwrap(), "hold-1", |t| {
            t.run_for = Duration::from_secs(40);
        })),
    });
    let before = boot();
    let seat = fake.mooring().claim("render").hold().unwrap();
    let State::Licensed { until, .. } = seat.check() else {
        panic!("{seat:?}")
    };
    assert!(until >= before + Duration::from_secs(40) && until <= boot() + Duration::from_secs(40));
}

#[test]
fn neither_another_vendor_nor_a_weak_anchor_nor_an_old_license_will_do() {
    let fake = Scripted::good();
    let hold = |b: mooring_client::Builder| {
        let m = b.socket(fake.socket()).connect().unwrap();
        m.claim("render")
            .wait(Duration::from_secs(20))
            .hold()
            .unwrap_err()
    };
    let e = hold(Mooring::builder(&[VendorKey::from_bytes([7; 32])]));
    assert!(matches!(e, Error::Verify(VerifyError::License(_))), "{e}");
    let e = hold(Mooring::builder(&[vendor_key()]).app_version("1999.1"));
    assert!(
        matches!(e, Error::Verify(VerifyError::Version { .. })),
        "{e}"
    );
    let e = hold(Mooring::builder(&[vendor_key()]).built_on("2999-01-01"));
    assert!(
        matches!(e, Error::Verify(VerifyError::Maintenance { .. })),
        "{e}"
    );
    let insists = Mooring::builder(&[vendor_key()]).min_anchor(MinAnchor::Hardware);
    let m = insists.socket(fake.socket()).connect().unwrap();
    assert!(
        m.claim("render").hold().unwrap().is_licensed(),
        "the vectors' anchor is hardware"
    );
}
