//! One set of lives against the real sidecar, lived by an application in Rust, in C and in Python:
//! each must be told the same.
//!
//! The applications are programs that obey lines (`mooring_testkit::languages`);
//! `client/languages/build` makes them.

use crate::lab::{Server, Sidecar, eventually, secs, vendor};
use mooring_client::HoldState;
use mooring_core::license::PublicKey;
use mooring_testkit::languages::{self, Runner};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const LANGUAGES: [&str; 3] = ["rust", "c", "python"];
/// The subject of the pod in the lab.
const POD: &str = "a";

/// A server, an agent's sidecar that holds one seat itself, and an application.
struct World {
    server: Server,
    pod: Sidecar,
    app: Runner,
}

fn key(of: &PublicKey) -> String {
    of.to_string().strip_prefix("ed25519:").unwrap().to_owned()
}

impl World {
    /// With so many seats for the application.
    fn new(language: &'static str, seats: u32) -> Self {
        Self::with(language, Server::new(seats + 1, 3), |s| s)
    }

    fn with(language: &'static str, server: Server, how: impl FnOnce(Sidecar) -> Sidecar) -> Self {
        let pod = how(Sidecar::of(&server, POD)).started();
        eventually("the socket is there", secs(10), || pod.status());
        Self {
            server,
            pod,
            app: Runner::new(language),
        }
    }

    fn held(self) -> Self {
        self.pod.is(HoldState::Held, secs(15));
        self
    }

    /// Connects as the vendor's application does.
    fn connect(&mut self) {
        connect(&mut self.app, &self.pod.socket(), "");
    }

    /// An answer that must be this one.
    fn says(&mut self, words: &[&str], expected: &[&str]) {
        says(&mut self.app, words, expected);
    }

    /// Waits until the state is this.
    fn becomes(&mut self, standing: &str, why: &str, time: Duration) {
        becomes(&mut self.app, standing, why, time);
    }
}

fn connect(app: &mut Runner, socket: &Path, unverified: &str) {
    let words = [
        "connect",
        &key(&vendor().public()),
        "2026.1",
        "2026-03-01",
        socket.to_str().unwrap(),
        "",
        unverified,
    ];
    says(app, &words, &["ok"]);
}

/// Of an error the kind and the reason are compared; words are for people.
fn says(app: &mut Runner, words: &[&str], expected: &[&str]) {
    app.send(words);
    hears(app, words, expected);
}

fn hears(app: &mut Runner, words: &[&str], expected: &[&str]) {
    let mut got = app.receive();
    if got[0] == "error" {
        assert!(
            got.len() == 3 && !got[2].is_empty(),
            "{}: {got:?}",
            app.language
        );
        if expected.len() == 2 {
            got.truncate(2);
        }
    }
    assert_eq!(got, expected, "{}: {words:?}", app.language);
}

fn state(app: &mut Runner) -> (String, String, u64) {
    let got = app.ask(&["state", "1"]);
    assert_eq!(got.len(), 3, "{}: {got:?}", app.language);
    (got[0].clone(), got[1].clone(), got[2].parse().unwrap())
}

fn becomes(app: &mut Runner, standing: &str, why: &str, time: Duration) {
    let (end, mut last) = (Instant::now() + time, None);
    while Instant::now() < end {
        let now = state(app);
        if (now.0.as_str(), now.1.as_str()) == (standing, why) {
            return;
        }
        last = Some(now);
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!(
        "{}: not {standing} {why} within {time:?}, but {last:?}",
        app.language
    );
}

/// On a busy machine a renewal may come late, and the lease with the next.
fn holds(server: &Server, seats: usize) {
    eventually("so many claims hold", secs(15), || {
        (server.holding() == seats).then_some(())
    });
}

/// Lives it in each language at once.
fn each(live: impl Fn(&'static str) + Sync) {
    languages::programs();
    std::thread::scope(|s| {
        let lives = LANGUAGES.map(|l| {
            s.spawn({
                let live = &live;
                move || live(l)
            })
        });
        for (life, language) in lives.into_iter().zip(LANGUAGES) {
            assert!(life.join().is_ok(), "{language}");
        }
    });
}

const HOLD: [&str; 6] = ["hold", "1", "own", "render", "1", "10000"];

#[test]
fn a_seat_is_taken_proved_and_given_back() {
    each(|language| {
        let mut w = World::new(language, 2).held();
        w.connect();
        w.says(&["hold", "1", "own", "render", "2", "10000"], &["ok"]);
        w.says(&["check", "1"], &["yes"]);
        w.becomes("licensed", "", secs(15));
        holds(&w.server, 2);
        let proof = w.app.ask(&["proof", "1"]);
        // lease, seats, run for, fresh, anchor, software, overdraft, test, emergency, license
        assert_eq!(
            (proof[0].as_str(), proof[2].as_str()),
            ("ok", "2"),
            "{language}: {proof:?}"
        );
        assert_eq!(
            proof[4..11],
            ["1", "usb", "1", "0", "1", "0", "test-1"],
            "{language}"
        );
        // Full: an error at once, and the words say what to do.
        w.says(&["hold", "2", "own", "render", "1"], &["error", "Waiting"]);
        w.says(&["threads"], &["1"]);
        w.says(&["release", "1"], &["ok"]);
        eventually("the seats are back", secs(5), || {
            (w.server.holding() == 1).then_some(())
        });
    });
}

#[test]
fn who_waits_gets_the_seat_and_who_waits_too_long_is_told() {
    each(|language| {
        let mut w = World::new(language, 1).held();
        w.connect();
        w.says(&HOLD, &["ok"]);
        let mut second = Runner::new(language);
        connect(&mut second, &w.pod.socket(), "");
        says(
            &mut second,
            &["hold", "1", "own", "render", "1", "300"],
            &["error", "Waiting"],
        );
        second.send(&["hold", "1", "own", "render", "1", "60000"]);
        eventually("it waits", secs(10), || {
            w.pod
                .status()?
                .claims
                .iter()
                .any(|c| c.state == HoldState::Waiting)
                .then_some(())
        });
        w.says(&["release", "1"], &["ok"]);
        hears(&mut second, &["hold"], &["ok"]);
        says(&mut second, &["check", "1"], &["yes"]);
    });
}

#[test]
fn what_the_license_does_not_give_is_refused_with_its_reason() {
    each(|language| {
        let mut w = World::new(language, 2).held();
        let (socket, vendor) = (w.pod.socket(), key(&vendor().public()));
        let socket = socket.to_str().unwrap();
        w.connect();
        w.says(
            &["hold", "1", "own", "sculpt", "1", "5000"],
            &["error", "unknown-product"],
        );
        w.says(
            &["hold", "1", "own", "render", "99", "5000"],
            &["error", "exceeds-seats"],
        );
        w.says(
            &["hold", "1", "own", "Two Words", "1", "5000"],
            &["error", "Argument"],
        );
        w.says(&["hold", "1", "pod", "sculpt", "1"], &["error", "Seeking"]);
        // Another vendor's key; an application that insists on hardware, of a software anchor.
        let rogue = key(&mooring_core::license::SigningKey::from_seed(&[3; 32])
            .unwrap()
            .public());
        w.says(
            &["connect", &rogue, "2026.1", "2026-03-01", socket],
            &["ok"],
        );
        w.says(&HOLD, &["error", "LicenseNotSigned"]);
        w.says(
            &["connect", &vendor, "2026.1", "2026-03-01", socket, "1"],
            &["ok"],
        );
        w.says(&HOLD, &["error", "LeaseAnchor"]);
        w.says(
            &[
                "connect",
                &vendor,
                "2026.1",
                "2026-03-01",
                "/nowhere/mooring.sock",
            ],
            &["error", "NoSidecar"],
        );
        eventually("nothing is left", secs(10), || {
            (w.server.holding() == 1).then_some(())
        });
    });
}

#[test]
fn a_lost_server_ends_it_at_the_grace_and_its_return_mends_it() {
    each(|language| {
        let server = Server::new(2, 3);
        let mut w = World::with(language, server, |s| s.with("MOORING_MAX_GRACE", "8s")).held();
        w.connect();
        w.says(&HOLD, &["ok"]);
        w.says(&["listen", "1"], &["ok"]);
        w.server.switch_off();
        w.becomes("ending", "NoServer", secs(10));
        let (_, _, left) = state(&mut w.app);
        assert!((1..=8000).contains(&left), "{language}: {left} ms left");
        w.says(&["check", "1"], &["yes"]);
        let begun = Instant::now();
        // By the library's own limit, or by the sidecar's word in the same instant.
        eventually("it ends", secs(12), || {
            let (standing, why, _) = state(&mut w.app);
            assert!(
                standing != "unlicensed" || ["Expired", "Lost"].contains(&why.as_str()),
                "{language}: {why}"
            );
            (standing == "unlicensed").then_some(())
        });
        let took = begun.elapsed().as_millis();
        assert!(
            took + 200 >= left.into(),
            "{language}: ended {took} ms after {left} ms were left"
        );
        w.says(&["check", "1"], &["no"]);
        w.server.switch_on();
        w.becomes("licensed", "", secs(30));
        let heard = w.app.ask(&["heard", "1"]).join(" ");
        let parts = ["1 2", "2NoServer ", " 0", " 1 "];
        let mut rest = heard.as_str();
        for part in parts {
            let at = rest.find(part);
            assert!(
                at.is_some(),
                "{language}: no {part:?} in its place in {heard:?}"
            );
            rest = &rest[at.unwrap()..];
        }
    });
}

#[test]
fn a_killed_sidecar_ends_nothing_and_a_hung_one_is_seen() {
    each(|language| {
        let mut w = World::new(language, 1).held();
        w.connect();
        w.says(&HOLD, &["ok"]);
        let claim = w.app.ask(&["claim", "1"]);
        for _ in 0..2 {
            w.pod.kill();
            w.says(&["check", "1"], &["yes"]);
            w.pod.start();
            eventually("the socket is there", secs(10), || w.pod.status());
            w.becomes("licensed", "", secs(10));
        }
        assert_eq!(
            w.app.ask(&["claim", "1"]),
            claim,
            "{language}: the seat is another"
        );
        let signal = |name: &str, pid: u32| {
            assert!(
                Command::new("kill")
                    .args([name, &pid.to_string()])
                    .status()
                    .unwrap()
                    .success()
            );
        };
        signal("-STOP", w.pod.pid());
        w.becomes("ending", "NoSidecar", secs(10));
        signal("-CONT", w.pod.pid());
        w.becomes("licensed", "", secs(15));
    });
}

#[test]
fn a_revoked_pod_is_told() {
    each(|language| {
        let mut w = World::new(language, 1).held();
        w.connect();
        w.says(&HOLD, &["ok"]);
        w.server.revoke(POD);
        w.becomes("unlicensed", "Lost", secs(10));
        w.says(&["check", "1"], &["no"]);
        w.says(
            &["hold", "2", "own", "render", "1", "5000"],
            &["error", "revoked"],
        );
    });
}

#[test]
fn a_forked_child_has_no_seat_and_leaves_its_parents_alone() {
    each(|language| {
        let mut w = World::new(language, 1).held();
        w.connect();
        w.says(&HOLD, &["ok"]);
        w.says(&["fork", "1"], &["unlicensed", "Forked", "0"]);
        w.says(&["check", "1"], &["yes"]);
        w.becomes("licensed", "", secs(15));
        holds(&w.server, 2);
        // With a thread, too.
        w.says(&["release", "1"], &["ok"]);
        w.says(
            &["hold", "1", "own", "render", "1", "10000", "", "1"],
            &["ok"],
        );
        w.says(&["fork", "1"], &["unlicensed", "Forked", "0"]);
        w.says(&["check", "1"], &["yes"]);
    });
}

#[test]
fn a_killed_application_gives_its_seat_back() {
    each(|language| {
        let mut w = World::new(language, 1).held();
        w.connect();
        w.says(&HOLD, &["ok"]);
        holds(&w.server, 2);
        let pid = w.app.pid().to_string();
        assert!(
            Command::new("kill")
                .args(["-KILL", &pid])
                .status()
                .unwrap()
                .success()
        );
        eventually("the seat is back", secs(5), || {
            (w.server.holding() == 1).then_some(())
        });
    });
}

#[test]
fn the_pods_claim_and_one_by_name_are_followed() {
    each(|language| {
        let mut w = World::new(language, 2).held();
        w.connect();
        w.says(&["hold", "1", "pod", "render", "1", "10000"], &["ok"]);
        let proved = w.app.ask(&["prove", "render"]);
        assert_eq!(
            (proved[0].as_str(), proved[2].as_str(), proved[4].as_str()),
            ("ok", "1", "1"),
            "{language}: {proved:?}"
        );
        w.says(&["put", "nightly", "render", "2", "10000"], &["ok"]);
        w.says(
            &["hold", "2", "named", "render", "2", "10000", "nightly"],
            &["ok"],
        );
        w.says(&["claim", "2"], &["nightly"]);
        w.says(&["put", "late", "render", "1", "100"], &["error", "Again"]);
        w.says(&["delete", "late"], &["ok"]);
        w.says(&["delete", "nightly"], &["ok"]);
        eventually("it is told", secs(5), || {
            (w.app.ask(&["check", "2"]) == ["no"]).then_some(())
        });
        w.says(&["release", "1"], &["ok"]);
        w.pod.is(HoldState::Held, secs(1));
        eventually("the pod's seat stays", secs(5), || {
            (w.server.holding() == 1).then_some(())
        });
    });
}

#[test]
fn a_start_with_no_server_in_reach_is_the_applications_choice() {
    each(|language| {
        let server = Server::switched_off(2, 3);
        let mut w = World::with(language, server, |s| {
            s.with("MOORING_CONTACT_TIMEOUT", "2s")
        });
        w.connect();
        let got = w.app.ask(&["hold", "1", "own", "render", "1", "5000"]);
        assert!(
            got[0] == "error" && ["Unproven", "Seeking"].contains(&got[1].as_str()),
            "{language}: {got:?}"
        );
        connect(&mut w.app, &w.pod.socket(), "1");
        w.says(&HOLD, &["ok"]);
        let (standing, why, _) = state(&mut w.app);
        assert_eq!(
            (standing.as_str(), why.as_str()),
            ("ending", "Unproven"),
            "{language}"
        );
        w.server.switch_on();
        w.becomes("licensed", "", secs(30));
    });
}

/// What stands between the application and the sidecar, and answers each question with the first
/// answer it heard.
struct Replay {
    dir: tempfile::TempDir,
    asked: Arc<Mutex<u32>>,
}

impl Replay {
    fn of(sidecar: PathBuf) -> Self {
        let replay = Self {
            dir: tempfile::tempdir().unwrap(),
            asked: Arc::default(),
        };
        let listener = UnixListener::bind(replay.socket()).unwrap();
        let (first, asked) = (Arc::new(Mutex::new(Vec::<u8>::new())), replay.asked.clone());
        std::thread::spawn(move || {
            for app in listener.incoming().map_while(Result::ok) {
                let (sidecar, first, asked) = (sidecar.clone(), first.clone(), asked.clone());
                std::thread::spawn(move || pass(app, &sidecar, &first, &asked));
            }
        });
        replay
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }
}

/// One connection.
fn pass(
    mut app: UnixStream,
    sidecar: &Path,
    first: &Mutex<Vec<u8>>,
    asked: &Mutex<u32>,
) -> Option<()> {
    let mut reader = BufReader::new(app.try_clone().ok()?);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).ok()? > 0 {}
    let question = request.contains("nonce=");
    if question {
        let mut first = first.lock().unwrap();
        *asked.lock().unwrap() += 1;
        if !first.is_empty() {
            app.write_all(&first).ok()?;
            return app.shutdown(Shutdown::Both).ok();
        }
        let mut there = UnixStream::connect(sidecar).ok()?;
        there
            .write_all(request.replace("keep-alive", "close").as_bytes())
            .ok()?;
        there
            .set_read_timeout(Some(Duration::from_millis(1500)))
            .ok()?;
        // Whether it closes the connection, or waits for another request.
        let _ = there.read_to_end(&mut first);
        app.write_all(&first).ok()?;
        return app.shutdown(Shutdown::Both).ok();
    }
    let mut there = UnixStream::connect(sidecar).ok()?;
    there.write_all(request.as_bytes()).ok()?;
    let (mut back, mut to) = (there.try_clone().ok()?, app.try_clone().ok()?);
    let answers = std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut reader, &mut there);
    let _ = there.shutdown(Shutdown::Both);
    answers.join().ok()
}

/// What stands between several applications and the sidecar. It takes one hold, and shows it to
/// each that asks for one.
struct Share {
    dir: tempfile::TempDir,
}

impl Share {
    fn of(sidecar: PathBuf) -> Self {
        let share = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let listener = UnixListener::bind(share.socket()).unwrap();
        let first = Arc::new(Mutex::new(Vec::<u8>::new()));
        std::thread::spawn(move || {
            for app in listener.incoming().map_while(Result::ok) {
                let (sidecar, first) = (sidecar.clone(), first.clone());
                std::thread::spawn(move || shared(app, &sidecar, &first));
            }
        });
        share
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }
}

/// One connection: what the first hold was told, to each; all else as it is.
fn shared(mut app: UnixStream, sidecar: &Path, first: &Mutex<Vec<u8>>) -> Option<()> {
    let mut reader = BufReader::new(app.try_clone().ok()?);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).ok()? > 0 {}
    let mut there = UnixStream::connect(sidecar).ok()?;
    if !request.starts_with("POST /v1/hold") {
        there.write_all(request.as_bytes()).ok()?;
        std::io::copy(&mut there, &mut app).ok()?;
        return app.shutdown(Shutdown::Both).ok();
    }
    let mut told = first.lock().unwrap();
    if told.is_empty() {
        there.write_all(request.as_bytes()).ok()?;
        let mut piece = [0; 4096];
        while !String::from_utf8_lossy(&told).contains("\"Held\"") {
            let n = there.read(&mut piece).ok()?;
            told.extend_from_slice(&piece[..n]);
        }
        // It lives as long as its connection.
        std::mem::forget(there);
    }
    let answer = told.clone();
    drop(told);
    app.write_all(&answer).ok()?;
    // Until the application goes.
    std::io::copy(&mut reader, &mut std::io::sink())
        .ok()
        .map(drop)
}

/// The attack: one seat, and ten applications that each ask for their own.
#[test]
fn a_seat_shown_to_ten_applications_is_one_ones() {
    each(|language| {
        let w = World::new(language, 1).held();
        let share = Share::of(w.pod.socket());
        let mut apps: Vec<_> = (0..10).map(|_| Runner::new(language)).collect();
        let mut licensed = 0;
        for app in &mut apps {
            connect(app, &share.socket(), "");
            let said = app.ask(&["hold", "1", "own", "render", "1", "3000", "", "1"]);
            if said == ["ok"] {
                licensed += 1;
            } else {
                assert_eq!(said[..2], ["error", "LeaseBind"], "{language}: {said:?}");
            }
        }
        assert_eq!(licensed, 1, "{language}");
        holds(&w.server, 2);
    });
}

/// The honest twin: through the same kind of way, each with a seat of its own; and the pod's claim,
/// which covers whoever reaches the socket.
#[test]
fn each_application_with_a_seat_of_its_own_is_licensed_and_all_are_by_the_pods() {
    each(|language| {
        let mut w = World::new(language, 3).held();
        let mut apps: Vec<_> = (0..3).map(|_| Runner::new(language)).collect();
        for app in &mut apps {
            connect(app, &w.pod.socket(), "");
            says(
                app,
                &["hold", "1", "own", "render", "1", "10000", "", "1"],
                &["ok"],
            );
        }
        holds(&w.server, 4);
        let mut others: Vec<_> = (0..7).map(|_| Runner::new(language)).collect();
        for app in &mut others {
            connect(app, &w.pod.socket(), "");
        }
        // A restarted sidecar gives each its own back.
        w.pod.kill();
        w.pod.start();
        for app in &mut apps {
            becomes(app, "licensed", "", secs(15));
        }
        apps.extend(others);
        for app in &mut apps {
            let pod = ["hold", "2", "pod", "render", "1", "10000", "", "1"];
            says(app, &pod, &["ok"]);
        }
        holds(&w.server, 4);
    });
}

#[test]
fn a_replayed_answer_ends_it() {
    each(|language| {
        let mut w = World::new(language, 1).held();
        let replay = Replay::of(w.pod.socket());
        connect(&mut w.app, &replay.socket(), "");
        // The first answer is genuine, and proves the seat.
        w.says(&HOLD, &["ok"]);
        w.becomes("licensed", "", secs(15));
        // A restarted sidecar is asked anew, and the answer of before is none.
        w.pod.kill();
        w.pod.start();
        w.becomes("unlicensed", "NotVerified", secs(15));
        assert!(*replay.asked.lock().unwrap() >= 2);
        w.says(
            &["hold", "2", "pod", "render", "1", "10000"],
            &["error", "LeaseNonce"],
        );
        w.says(&["prove", "render"], &["error", "LeaseNonce"]);
    });
}
