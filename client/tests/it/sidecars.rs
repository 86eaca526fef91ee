//! Questions that wait for their answer: status, events, tokens, [`Mooring::verify`].

use mooring_client::{Error, HoldState, Mooring, Sidecar, VendorKey, VerifyError, boot};
use mooring_core::license::{LeaseToken, SigningKey, types};
use mooring_core::wire::ProblemType;
use mooring_testkit::sidecar::{
    Reply, Scripted, answer, bundle, bundle_for, claim, problem, status,
};
use std::time::Duration;

#[test]
fn a_fresh_token_is_licensed_from_the_asking_on() {
    let fake = Scripted::with_tokens(|nonce, _| answer(200, &bundle_for(nonce.unwrap())));
    let before = boot();
    let licensed = fake.mooring().verify("render").unwrap();
    assert!(licensed.fresh);
    let token = bundle().lease.open::<LeaseToken>(
        types::LEASE,
        &[SigningKey::from_seed(&[5; 32]).unwrap().public()],
    );
    let run_for = token.unwrap().0.run_for;
    assert!(licensed.until >= before + run_for && licensed.until <= boot() + run_for);
}

#[test]
fn a_replayed_token_is_an_error_and_no_reason_to_fall_back() {
    let fake = Scripted::with_tokens(|_, _| answer(200, &bundle()));
    let e = fake.mooring().verify("render").unwrap_err();
    assert!(matches!(e, Error::Verify(VerifyError::Nonce)), "{e}");
}

#[test]
fn another_vendors_license_is_an_error() {
    let fake = Scripted::with_tokens(|nonce, _| answer(200, &bundle_for(nonce.unwrap())));
    let other = Mooring::builder(&[VendorKey::from_bytes([7; 32])])
        .socket(fake.socket())
        .connect()
        .unwrap();
    assert!(matches!(
        other.verify("render").unwrap_err(),
        Error::Verify(VerifyError::License(_))
    ));
}

#[test]
fn without_contact_the_last_token_is_verified_and_said_to_be_unfresh() {
    let fake = Scripted::with_tokens(|nonce, _| match nonce {
        Some(_) => problem(ProblemType::Overloaded, "out of reach"),
        None => answer(200, &bundle()),
    });
    let licensed = fake.mooring().verify("render").unwrap();
    assert!(!licensed.fresh);
    assert!(
        licensed.remaining() <= Duration::from_secs(60),
        "no longer than the sidecar says"
    );
    let e = fake.mooring().verify("Ren der").unwrap_err().to_string();
    assert!(e.starts_with("product \"Ren der\": expected"), "{e}");
}

#[test]
fn without_a_token_the_application_decides() {
    let fake = Scripted::with_tokens(|_, _| problem(ProblemType::UnknownLease, "no lease yet"));
    match fake.mooring().verify("render").unwrap_err() {
        Error::Unproven {
            state: HoldState::Held,
            why,
            ..
        } => assert_eq!(why, "no lease yet"),
        e => panic!("{e}"),
    }
}

#[test]
fn who_waits_is_not_licensed() {
    let fake = Scripted::new(|request| {
        Reply::Bytes(match request {
            "GET /v1/status" => status(&[claim("pod", "Waiting")]),
            _ => problem(ProblemType::UnknownLease, "in line"),
        })
    });
    let e = fake.mooring().verify("render").unwrap_err();
    assert!(
        matches!(
            e,
            Error::NotLicensed {
                state: HoldState::Waiting,
                ..
            }
        ),
        "{e}"
    );
}

#[test]
fn malformed_answers_are_errors_that_say_so() {
    let cases: [(&[u8], &str); 8] = [
        (b"", "ended before it answered"),
        (b"nonsense\r\n\r\n", "no HTTP/1.1 status line"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
            "in the middle of an answer",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "missing field",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
            "cannot be read",
        ),
        (
            b"HTTP/1.1 500 OK\r\nContent-Length: 4\r\n\r\noops",
            "status 500 without a problem",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "chunk size",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\nContent-Length: 0\r\n\r\n",
            "status 302",
        ),
    ];
    for (bytes, expected) in cases {
        let owned = bytes.to_vec();
        let fake = Scripted::new(move |_| Reply::Bytes(owned.clone()));
        let e = Sidecar::at(fake.socket()).status().unwrap_err().to_string();
        assert!(
            e.contains(expected),
            "{}: {e}",
            String::from_utf8_lossy(bytes)
        );
    }
    // More than any answer may be; who reads it closes before its end.
    let endless = Scripted::new(|_| {
        Reply::Bytes([&b"HTTP/1.1 200 OK\r\n\r\n"[..], &vec![b' '; 1 << 24]].concat())
    });
    let e = Sidecar::at(endless.socket())
        .status()
        .unwrap_err()
        .to_string();
    assert!(e.contains("longer than"), "{e}");
}

#[test]
fn a_sidecar_that_does_not_answer_is_not_waited_for_without_end() {
    let fake = Scripted::new(|_| Reply::Hang);
    let begun = boot();
    let e = Sidecar::at(fake.socket()).status().unwrap_err();
    assert!(matches!(e, Error::Timeout { .. }), "{e}");
    let took = begun.until(boot());
    assert!(
        took >= Duration::from_secs(5) && took < Duration::from_secs(8),
        "{took:?}"
    );
}

#[test]
fn events_come_as_they_happen_and_end_with_an_error() {
    let fake = Scripted::new(|_| Reply::Stream(vec![claim("pod", "Waiting")]));
    let mut events = Sidecar::at(fake.socket()).events().unwrap();
    assert_eq!(events.next().unwrap().unwrap().state, HoldState::Waiting);
    assert!(
        events
            .next_before(boot() + Duration::from_millis(10))
            .unwrap()
            .is_none(),
        "nothing yet"
    );
    fake.say(&claim("pod", "Held"));
    assert_eq!(events.next().unwrap().unwrap().state, HoldState::Held);
    fake.cut();
    assert!(events.next().unwrap().is_err(), "the sidecar was killed");
    assert!(events.next().is_none());
}

#[test]
fn a_nonce_that_no_server_takes_is_not_sent() {
    let fake = Scripted::good();
    for bad in [
        "short",
        "with space and more",
        "a\r\nHost: evil\r\n\r\n.....",
    ] {
        assert!(matches!(
            Sidecar::at(fake.socket()).token(None, None, Some(bad)),
            Err(Error::Argument { field: "nonce", .. })
        ));
    }
    assert_eq!(fake.asked(), [""; 0], "nothing is asked");
}
