//! Questions that wait for their answer: status, events, tokens, [`Mooring::verify`].

use crate::lab::{answer, bundle, bundle_for, problem, vendor};
use mooring_client::{Error, HoldState, Mooring, Sidecar, VendorKey, VerifyError, boot};
use mooring_core::license::{LeaseToken, SigningKey, types};
use mooring_core::wire::ProblemType;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

fn status(state: &str, licensed: bool) -> Value {
    let now = boot().as_millis();
    json!({
        "state": state, "licensed": licensed, "bootMs": now, "seq": 1, "server": "main:8443",
        "forMs": licensed.then_some(60_000), "untilBootMs": licensed.then_some(now + 60_000), "unknownField": true,
        "claims": [{"name": "pod", "state": state, "licensed": licensed, "items": [{"product": "render", "seats": 2}]}],
    })
}

/// A socket behind which `f` writes what it likes for the path asked; `None` goes to the ordinary answers.
struct Fake {
    _dir: tempfile::TempDir,
    socket: PathBuf,
}

impl Fake {
    fn new(f: impl Fn(&str, &mut UnixStream) -> bool + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("mooring.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n")
                    && stream.read(&mut byte).is_ok_and(|n| n == 1)
                {
                    request.push(byte[0]);
                }
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                if !f(&path, &mut stream) && path == "/v1/status" {
                    let _ = stream.write_all(&answer(200, &status("Held", true)));
                }
            }
        });
        Self { _dir: dir, socket }
    }

    /// Answers tokens with what `f` makes of the nonce.
    fn tokens(f: impl Fn(Option<&str>) -> Vec<u8> + Send + 'static) -> Self {
        Self::new(move |path, s| {
            let Some(query) = path.strip_prefix("/v1/token") else {
                return false;
            };
            s.write_all(&f(query.strip_prefix("?nonce="))).is_ok()
        })
    }

    fn mooring(&self) -> Mooring {
        Mooring::builder(&[vendor()])
            .app_version("2026.1")
            .built_on("2026-03-01")
            .socket(&self.socket)
            .connect()
            .unwrap()
    }
}

#[test]
fn a_fresh_token_is_licensed_from_the_asking_on() {
    let fake = Fake::tokens(|nonce| answer(200, &bundle_for(nonce.unwrap())));
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
    let fake = Fake::tokens(|_| answer(200, &bundle()));
    let e = fake.mooring().verify("render").unwrap_err();
    assert!(matches!(e, Error::Verify(VerifyError::Nonce)), "{e}");
}

#[test]
fn another_vendors_license_is_an_error() {
    let fake = Fake::tokens(|nonce| answer(200, &bundle_for(nonce.unwrap())));
    let other = Mooring::builder(&[VendorKey::from_bytes([7; 32])])
        .socket(&fake.socket)
        .connect()
        .unwrap();
    assert!(matches!(
        other.verify("render").unwrap_err(),
        Error::Verify(VerifyError::License(_))
    ));
}

#[test]
fn without_contact_the_last_token_is_verified_and_said_to_be_unfresh() {
    let fake = Fake::tokens(|nonce| match nonce {
        Some(_) => problem(ProblemType::Overloaded, "out of reach"),
        None => answer(200, &bundle()),
    });
    let licensed = fake.mooring().verify("render").unwrap();
    assert!(!licensed.fresh);
    assert!(
        licensed.remaining() <= Duration::from_secs(60),
        "no longer than the sidecar says"
    );
    let e = fake.mooring().verify("Render").unwrap_err().to_string();
    assert!(e.starts_with("product \"Render\": expected"), "{e}");
}

#[test]
fn without_a_token_the_application_decides() {
    let fake = Fake::tokens(|_| problem(ProblemType::UnknownLease, "no lease yet"));
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
    let fake = Fake::new(|path, s| match path {
        "/v1/status" => s.write_all(&answer(200, &status("Waiting", false))).is_ok(),
        _ => s
            .write_all(&problem(ProblemType::UnknownLease, "in line"))
            .is_ok(),
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
        let fake = Fake::new(move |_, s| {
            let _ = s.write_all(&owned);
            true
        });
        let e = Sidecar::at(&fake.socket).status().unwrap_err().to_string();
        assert!(
            e.contains(expected),
            "{}: {e}",
            String::from_utf8_lossy(bytes)
        );
    }
    let endless = Fake::new(|_, s| {
        let _ = s.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while s.write_all(&[b' '; 4096]).is_ok() {}
        true
    });
    let e = Sidecar::at(&endless.socket)
        .status()
        .unwrap_err()
        .to_string();
    assert!(e.contains("longer than"), "{e}");
}

#[test]
fn a_sidecar_that_does_not_answer_is_not_waited_for_without_end() {
    let fake = Fake::new(|_, _| {
        std::thread::sleep(Duration::from_secs(60));
        true
    });
    let begun = boot();
    let e = Sidecar::at(&fake.socket).status().unwrap_err();
    assert!(matches!(e, Error::Timeout { .. }), "{e}");
    let took = begun.until(boot());
    assert!(
        took >= Duration::from_secs(5) && took < Duration::from_secs(8),
        "{took:?}"
    );
}

#[test]
fn events_come_as_they_happen_and_end_with_an_error() {
    let fake = Fake::new(|path, s| {
        if path != "/v1/events" {
            return false;
        }
        let event = |state: &str, licensed| {
            format!(
                ": alive\n\nid: 1\nevent: status\ndata: {}\n\n",
                status(state, licensed)
            )
        };
        let _ = s.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let mut send = |t: &str| {
            s.write_all(format!("{:x}\r\n{t}\r\n", t.len()).as_bytes())
                .is_ok()
        };
        let _ = send(&event("Waiting", false));
        std::thread::sleep(Duration::from_millis(100));
        send(&event("Held", true))
    });
    let mut events = Sidecar::at(&fake.socket).events().unwrap();
    assert_eq!(events.next().unwrap().unwrap().state, HoldState::Waiting);
    assert!(
        events
            .next_before(boot() + Duration::from_millis(10))
            .unwrap()
            .is_none(),
        "nothing yet"
    );
    assert_eq!(events.next().unwrap().unwrap().state, HoldState::Held);
    assert!(events.next().unwrap().is_err(), "the sidecar was killed");
    assert!(events.next().is_none());
}

#[test]
fn a_nonce_that_no_server_takes_is_not_sent() {
    let fake = Fake::new(|_, _| panic!("nothing is asked"));
    for bad in [
        "short",
        "with space and more",
        "a\r\nHost: evil\r\n\r\n.....",
    ] {
        assert!(matches!(
            Sidecar::at(&fake.socket).token(None, Some(bad)),
            Err(Error::Argument { field: "nonce", .. })
        ));
    }
}
