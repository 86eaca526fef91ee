//! The card as a process, in a reader that is this test: vpcd's protocol, a length of two bytes
//! before each message.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const CARD: &str = env!("CARGO_BIN_EXE_mooring-test-card");

fn make(dir: &Path, more: &[&str]) -> std::process::Output {
    let mut c = Command::new(CARD);
    c.args(["make", "--card"]).arg(dir).args(more);
    c.output().unwrap()
}

/// A reader with a card in it.
struct Reader {
    card: Child,
    socket: TcpStream,
}

impl Reader {
    fn insert(dir: &Path) -> Self {
        let vpcd = TcpListener::bind("127.0.0.1:0").unwrap();
        let card = Command::new(CARD)
            .args(["insert", "--card"])
            .arg(dir)
            .args([
                "--until-eof",
                "--vpcd",
                &vpcd.local_addr().unwrap().to_string(),
            ])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let (socket, _) = vpcd.accept().unwrap();
        let mut this = Self { card, socket };
        this.send(&[1]);
        this
    }

    fn send(&mut self, message: &[u8]) {
        let n = u16::try_from(message.len()).unwrap().to_be_bytes();
        self.socket.write_all(&[&n, message].concat()).unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut n = [0; 2];
        self.socket.read_exact(&mut n).unwrap();
        let mut message = vec![0; usize::from(u16::from_be_bytes(n))];
        self.socket.read_exact(&mut message).unwrap();
        message
    }

    fn ask(&mut self, message: &[u8]) -> Vec<u8> {
        self.send(message);
        self.receive()
    }

    fn select(&mut self) {
        let a = self.ask(&[0, 0xA4, 4, 0, 5, 0xA0, 0, 0, 3, 8, 0]);
        assert!(a.ends_with(&[0x90, 0]), "{a:02x?}");
    }

    fn verify(&mut self, pin: [u8; 8]) -> Vec<u8> {
        self.ask(&[&[0, 0x20, 0, 0x80, 8], pin.as_slice()].concat())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.card.kill();
        let _ = self.card.wait();
    }
}

#[test]
fn a_card_keeps_its_count_of_logins_when_it_is_pulled_out() {
    let dir = tempfile::tempdir().unwrap();
    let card = dir.path().join("card");
    let made = make(&card, &["--pin", "648219"]);
    assert!(made.status.success());
    let printed = String::from_utf8(made.stdout).unwrap();
    assert!(
        printed.starts_with("9a 04") && printed.contains("\n9e 04"),
        "{printed}"
    );

    let mut r = Reader::insert(&card);
    assert_eq!(r.ask(&[4])[0], 0x3B, "an ATR");
    r.select();
    assert_eq!(r.verify(*b"111111\xFF\xFF"), [0x63, 0xC2]);
    drop(r);
    let mut r = Reader::insert(&card);
    r.select();
    assert_eq!(r.verify(*b"111111\xFF\xFF"), [0x63, 0xC1]);
    let memory = std::fs::read_to_string(card.join("memory.json")).unwrap();
    assert!(
        memory.contains("\"logins\": 2") && memory.contains("\"triesLeft\": 1"),
        "{memory}"
    );
    let log = std::fs::read_to_string(card.join("log")).unwrap();
    assert_eq!(log.matches("login: refused").count(), 2, "{log}");
    assert_eq!(log.matches("inserted").count(), 2, "{log}");

    // Without power it forgets that it was selected, and nothing else.
    assert_eq!(r.verify(*b"648219\xFF\xFF"), [0x90, 0]);
    r.send(&[2]);
    assert_eq!(r.ask(&[0, 0x20, 0, 0x80]), [0x6D, 0]);
    r.select();
    assert_eq!(r.ask(&[0, 0x20, 0, 0x80]), [0x63, 0xC3]);
}

#[test]
fn a_card_goes_with_whoever_holds_its_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let card = dir.path().join("card");
    assert!(make(&card, &[]).status.success());
    let mut r = Reader::insert(&card);
    r.select();
    drop(r.card.stdin.take());
    assert!(r.card.wait().unwrap().success());
    assert_eq!(r.socket.read(&mut [0]).unwrap(), 0, "the reader sees it go");
}

#[test]
fn what_cannot_be_done_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let card = dir.path().join("card");
    let said = |o: &std::process::Output| String::from_utf8_lossy(&o.stderr).into_owned();
    let bad = make(&card, &["--pin", "heron"]);
    assert!(!bad.status.success() && said(&bad).contains("six to eight digits"));
    assert!(make(&card, &[]).status.success());
    let again = make(&card, &[]);
    assert!(!again.status.success() && said(&again).contains("there is a card already"));

    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let alone = Command::new(CARD)
        .args(["insert", "--patience", "0", "--card"])
        .arg(&card)
        .args(["--vpcd", &nobody.to_string()])
        .stdout(Stdio::null())
        .output()
        .unwrap();
    assert!(
        !alone.status.success() && said(&alone).contains("is pcscd running"),
        "{alone:?}"
    );
}
