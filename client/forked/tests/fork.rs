//! Real forks, of processes that have a seat.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::undocumented_unsafe_blocks
)]

use mooring_client::{Mooring, Seat, State, VendorKey, Why, boot};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Sends an end of a hold's connection when it comes.
fn sidecar(socket: &Path) -> Receiver<()> {
    let listener = UnixListener::bind(socket).unwrap();
    let (ended, ends) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, ended) = (stream.unwrap(), ended.clone());
            std::thread::spawn(move || {
                if answer(&mut stream) {
                    while stream.read(&mut [0; 64]).is_ok_and(|n| n > 0) {}
                    let _ = ended.send(());
                }
            });
        }
    });
    ends
}

/// True for a hold.
fn answer(stream: &mut UnixStream) -> bool {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        request.push(byte[0]);
    }
    let claim = serde_json::json!({
        "name": "hold-1", "state": "Optimistic", "licensed": true, "items": [{"product": "render"}],
        "forMs": 60_000, "untilBootMs": boot().as_millis() + 60_000,
    });
    let hold = request.starts_with(b"POST");
    let text = if hold {
        format!("HTTP/1.1 200 OK\r\n\r\nevent: claim\ndata: {claim}\n\n")
    } else {
        let status = serde_json::json!({
            "state": "Released", "licensed": false, "bootMs": 0, "seq": 1, "server": "x", "claims": [],
        })
        .to_string();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{status}",
            status.len()
        )
    };
    stream.write_all(text.as_bytes()).unwrap();
    hold
}

fn seat(socket: &Path) -> Seat {
    let mooring = Mooring::builder(&[VendorKey::from_bytes([1; 32])])
        .allow_unverified_start(true)
        .socket(socket)
        .connect()
        .unwrap();
    mooring.claim("render").hold().unwrap()
}

/// Forks, and ends the child with what `f` gives.
fn child(f: impl FnOnce() -> i32) -> i32 {
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let code = f();
        unsafe { libc::_exit(code) };
    }
    pid
}

fn code(pid: i32) -> i32 {
    let mut status = 0;
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    libc::WEXITSTATUS(status)
}

#[test]
fn a_child_has_no_seat_and_leaves_its_parents_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ends = sidecar(&dir.path().join("s"));
    let seat = seat(&dir.path().join("s"));
    assert!(seat.is_licensed());
    let mut seat = Some(seat);
    let pid = child(|| {
        let forked = State::Unlicensed { why: Why::Forked };
        let told = seat
            .as_ref()
            .map(|s| (s.check(), s.poll(), s.details().proof));
        drop(seat.take());
        i32::from(told != Some((forked, forked, None)))
    });
    assert_eq!(code(pid), 0);
    assert!(
        ends.recv_timeout(Duration::from_millis(200)).is_err(),
        "the child gave the parent's seat back"
    );
    assert!(seat.as_ref().is_some_and(Seat::is_licensed));
    drop(seat);
    ends.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_child_takes_a_seat_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s");
    let ends = sidecar(&socket);
    let parents = seat(&socket);
    let pid = child(|| {
        let own = seat(&socket);
        i32::from(!own.is_licensed() || parents.is_licensed())
    });
    assert_eq!(code(pid), 0);
    let own = ends.recv_timeout(Duration::from_secs(10));
    own.expect("the child's seat is back when the child ends");
    assert!(ends.try_recv().is_err() && parents.is_licensed());
}

#[test]
fn a_child_that_outlives_a_killed_parent_keeps_no_seat() {
    let dir = tempfile::tempdir().unwrap();
    let ends = sidecar(&dir.path().join("s"));
    let mut app = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "as_an_application", "--ignored", "--nocapture"])
        .env("MOORING_SOCKET", dir.path().join("s"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(app.stdout.take().unwrap()).lines();
    let child = lines.find_map(|l| l.unwrap().split_once("child ")?.1.parse::<i32>().ok());
    let child = child.unwrap();
    assert!(ends.try_recv().is_err());
    app.kill().unwrap();
    app.wait().unwrap();
    let ended = ends.recv_timeout(Duration::from_secs(10));
    assert_eq!(unsafe { libc::kill(child, libc::SIGKILL) }, 0, "it lives");
    ended.expect("the child keeps the connection");
}

/// Run by the test above, in a process of its own.
#[test]
#[ignore = "a program for another test"]
fn as_an_application() {
    let seat = seat(Path::new(&std::env::var("MOORING_SOCKET").unwrap()));
    let pid = child(|| {
        std::thread::sleep(Duration::from_secs(120));
        0
    });
    println!("child {pid}");
    while seat.is_licensed() {
        std::thread::sleep(Duration::from_millis(10));
    }
}
