//! A TPM emulator (swtpm), and a token in it.

use super::programs::{Running, library, printed};
use super::stack::PIN;
use crate::rig;
use mooring_core::license::PublicKey;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SO_PIN: &str = "567890";

pub struct Tpm {
    dir: PathBuf,
    swtpm: Option<Running>,
    pub key: PublicKey,
}

impl Tpm {
    pub fn module() -> String {
        library("libtpm2_pkcs11.so.1")
    }

    /// A TPM that is on, with a token and a key, made by the module itself.
    pub fn with_token(dir: &Path) -> Self {
        std::fs::create_dir_all(dir.join("store")).unwrap();
        let placeholder = PublicKey::Ed25519([0; 32]);
        let mut this = Self {
            dir: dir.to_owned(),
            swtpm: None,
            key: placeholder,
        };
        this.on(Path::new("state"));
        let module = Self::module();
        let tool = |args: &[&str]| {
            let all = [&["pkcs11-tool", "--module", &module], args].concat();
            printed(&all, &this.env());
        };
        let token = ["--token-label", "mooring", "--login"];
        tool(&[
            "--init-token",
            "--slot-index",
            "0",
            "--label",
            "mooring",
            "--so-pin",
            SO_PIN,
        ]);
        let so = ["--login-type", "so", "--so-pin", SO_PIN];
        tool(&[&token[..], &so, &["--init-pin", "--new-pin", PIN]].concat());
        let make = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", "01"];
        tool(&[&token[..], &["--pin", PIN], &make].concat());
        let key = rig::token::listed_key(&module, "mooring", PIN, this.env());
        this.key = key;
        this
    }

    pub fn env(&self) -> Vec<(String, String)> {
        let store = self.dir.join("store");
        vec![
            ("TPM2_PKCS11_STORE".into(), store.to_str().unwrap().into()),
            (
                "TPM2_PKCS11_TCTI".into(),
                format!("swtpm:path={}", self.socket().display()),
            ),
            ("TPM2_PKCS11_LOG_LEVEL".into(), "0".into()),
            ("TSS2_LOG".into(), "all+NONE".into()),
        ]
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("tpm")
    }

    /// Switches it on: the TPM whose secrets are in `state`, a new one if there are none.
    pub fn on(&mut self, state: &Path) {
        let state = self.dir.join(state);
        std::fs::create_dir_all(&state).unwrap();
        let (data, control) = (self.socket(), self.dir.join("tpm.ctrl"));
        let args = [
            "swtpm".to_owned(),
            "socket".into(),
            "--tpm2".into(),
            "--tpmstate".into(),
            format!("dir={}", state.display()),
            "--server".into(),
            format!("type=unixio,path={}", data.display()),
            "--ctrl".into(),
            format!("type=unixio,path={}", control.display()),
            "--flags".into(),
            "not-need-init,startup-clear".into(),
        ];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut swtpm = Running::start(&args, &self.dir.join("swtpm.log"));
        let begin = Instant::now();
        // Not the socket for commands: it serves one client after the other.
        while UnixStream::connect(&control).is_err() {
            let log = || std::fs::read_to_string(self.dir.join("swtpm.log")).unwrap_or_default();
            assert_eq!(swtpm.ended(), None, "swtpm ended: {}", log());
            assert!(
                begin.elapsed() < rig::SOON,
                "swtpm does not listen: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        self.swtpm = Some(swtpm);
    }

    pub fn off(&mut self) {
        self.swtpm = None;
        let _ = std::fs::remove_file(self.socket());
        let _ = std::fs::remove_file(self.dir.join("tpm.ctrl"));
    }

    /// Lets it hang; going on, it is switched off and on: nobody tidies up after the clients that
    /// were killed meanwhile, as the kernel does for a TPM behind /dev/tpmrm0.
    pub fn hang(&mut self, yes: bool) {
        if yes {
            self.swtpm.as_ref().unwrap().signal("STOP");
        } else {
            self.off();
            self.on(Path::new("state"));
        }
    }

    /// A copy of its store beside another TPM.
    pub fn copied(&self, dir: &Path) -> Self {
        copy(&self.dir.join("store"), &dir.join("store"));
        let mut this = Self {
            dir: dir.to_owned(),
            swtpm: None,
            key: self.key,
        };
        this.on(Path::new("state"));
        this
    }

    /// The first one's secrets in this one: as if the chip itself had been moved.
    pub fn become_the_same(&mut self, first: &mut Self) {
        self.off();
        first.off();
        std::fs::remove_dir_all(self.dir.join("state")).unwrap();
        copy(&first.dir.join("state"), &self.dir.join("state"));
        self.on(Path::new("state"));
    }
}

fn copy(from: &Path, to: &Path) {
    printed(
        &["cp", "-r", from.to_str().unwrap(), to.to_str().unwrap()],
        &[],
    );
}
