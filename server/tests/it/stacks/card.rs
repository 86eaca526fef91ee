//! A reader of its own (vpcd in a pcscd, in namespaces of their own) and cards that go in and out
//! of it.

use super::programs::{Running, library, printed, test_card};
use super::stack::PIN;
use mooring_core::license::PublicKey;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// pcscd's folder is compiled in, and vpcd listens on all addresses: so it gets a /run and a
/// network of its own.
const PCSCD: &str = "mount -t tmpfs none /run && mkdir /run/pcscd && mount --bind \"$1\" /run/pcscd && ip link set lo up && exec pcscd -f -c \"$2\"";

pub struct Reader {
    pcscd: Running,
    dir: PathBuf,
}

impl Reader {
    pub fn start(dir: &Path) -> Self {
        let (run, conf) = (dir.join("run"), dir.join("conf"));
        std::fs::create_dir_all(&run).unwrap();
        std::fs::create_dir_all(&conf).unwrap();
        let driver = library("pcsc/drivers/serial/libifdvpcd.so")
            .replace("/x86_64-linux-gnu", "")
            .replace("/aarch64-linux-gnu", "");
        std::fs::write(
            conf.join("vpcd"),
            format!(
                "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:0x8C7B\nLIBPATH {driver}\nCHANNELID 0x8C7B\n"
            ),
        )
        .unwrap();
        let args = [
            "unshare",
            "--mount",
            "--net",
            "bash",
            "-ec",
            PCSCD,
            "pcscd",
            run.to_str().unwrap(),
            conf.to_str().unwrap(),
        ];
        let mut pcscd = Running::start(&args, &dir.join("log"));
        let begin = Instant::now();
        while UnixStream::connect(run.join("pcscd.comm")).is_err() {
            let log = || std::fs::read_to_string(dir.join("log")).unwrap_or_default();
            assert_eq!(pcscd.ended(), None, "pcscd ended: {}", log());
            assert!(
                begin.elapsed() < crate::rig::SOON,
                "pcscd does not listen: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Self {
            pcscd,
            dir: dir.to_owned(),
        }
    }

    /// Where those who use cards find pcscd.
    pub fn env(&self) -> Vec<(String, String)> {
        let socket = self.dir.join("run/pcscd.comm");
        vec![(
            "PCSCLITE_CSOCK_NAME".into(),
            socket.to_str().unwrap().into(),
        )]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// 9A: signs after the PIN.
    Authentication,
    /// 9E: signs without.
    Card,
}

pub struct Card {
    dir: PathBuf,
    keys: [PublicKey; 2],
    more: Vec<String>,
    inserted: Option<Running>,
}

/// What the card itself has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    pub tries_left: u8,
    pub logins: u64,
    pub refused: u64,
    #[serde(rename = "signatures9a")]
    pub signatures_9a: u64,
    #[serde(rename = "signatures9e")]
    pub signatures_9e: u64,
}

impl Card {
    pub fn make(dir: &Path, more: &[&str]) -> Self {
        Self::with_pin(dir, PIN, more)
    }

    pub fn with_pin(dir: &Path, pin: &str, more: &[&str]) -> Self {
        let program = test_card().to_str().unwrap();
        let folder = dir.to_str().unwrap();
        let out = printed(
            &[
                program, "make", "--card", folder, "--name", "mooring", "--pin", pin,
            ],
            &[],
        );
        let key = |line: usize| -> PublicKey {
            let (_, point) = out.lines().nth(line).unwrap().split_once(' ').unwrap();
            format!("p256:{point}").parse().unwrap()
        };
        Self {
            dir: dir.to_owned(),
            keys: [key(0), key(1)],
            more: more.iter().map(|s| (*s).to_owned()).collect(),
            inserted: None,
        }
    }

    pub fn key(&self, slot: Slot) -> PublicKey {
        self.keys[usize::from(slot == Slot::Card)]
    }

    pub fn insert(&mut self, reader: &Reader) {
        let net = format!("--net=/proc/{}/ns/net", reader.pcscd.pid());
        let mut args = vec![
            "nsenter",
            &net,
            test_card().to_str().unwrap(),
            "insert",
            "--card",
            self.dir.to_str().unwrap(),
        ];
        args.extend(self.more.iter().map(String::as_str));
        self.inserted = Some(Running::start(&args, &self.dir.join("process.log")));
    }

    pub fn pull_out(&mut self) {
        self.inserted = None;
    }

    pub fn hang(&self, yes: bool) {
        let name = if yes { "STOP" } else { "CONT" };
        self.inserted.as_ref().unwrap().signal(name);
    }

    pub fn counted(&self) -> Counted {
        let text = std::fs::read_to_string(self.dir.join("memory.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}
