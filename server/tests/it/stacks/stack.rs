//! What all stacks have in common: a token that can be pulled out, plugged in, exchanged for
//! another, and that can hang.

use super::card::{Card, Reader, Slot};
use super::tpm::Tpm;
use crate::rig::{Anchored, Rig, Setup, Token};
use std::path::{Path, PathBuf};

/// The PIN of cards and TPMs: digits, as PIV wants.
pub const PIN: &str = "648219";

pub trait Stack {
    /// What the server is told of it.
    fn anchored(&self) -> Anchored;
    /// What its module needs in the environment.
    fn env(&self) -> Vec<(String, String)>;
    fn pin(&self) -> &'static str {
        PIN
    }
    /// Pulls out what is in.
    fn unplug(&mut self);
    fn plug(&mut self);
    /// Plugs in another token with the same label.
    fn plug_another(&mut self);
    /// Lets it hang, and go on.
    fn hang(&mut self, yes: bool);
}

/// A license server on it, not started.
pub fn prepare(stack: &dyn Stack) -> Rig {
    // Leases longer than any test.
    let setup = Setup {
        lease_secs: 300,
        ..Setup::default()
    };
    prepare_with(stack, stack.pin(), setup)
}

/// The same with another PIN.
pub fn prepare_with(stack: &dyn Stack, pin: &'static str, more: Setup) -> Rig {
    Rig::prepare(Setup {
        pin,
        anchored: Some(stack.anchored()),
        env: stack.env(),
        ..more
    })
}

fn config(module: &str, pin: bool) -> String {
    let pin = if pin { ", pinFile: $DIR/pin" } else { "" };
    format!("{{pkcs11: {{module: {module}, tokenLabel: mooring{pin}}}}}")
}

/// SoftHSM: a store in a folder. It cannot hang.
pub struct Soft {
    dir: tempfile::TempDir,
    token: Token,
    another: Token,
}

impl Soft {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let token = Token::new(dir.path(), "a");
        let another = Token::new(dir.path(), "b");
        Self {
            dir,
            token,
            another,
        }
    }

    fn away(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Stack for Soft {
    fn anchored(&self) -> Anchored {
        Anchored {
            key: self.token.key,
            config: config(crate::rig::MODULE, true),
        }
    }

    fn env(&self) -> Vec<(String, String)> {
        let conf = self.token.conf.to_str().unwrap();
        vec![("SOFTHSM2_CONF".into(), conf.into())]
    }

    fn pin(&self) -> &'static str {
        crate::rig::PIN
    }

    fn unplug(&mut self) {
        // The other one, if its place is empty.
        let whose = if self.another.store.exists() {
            self.away("away")
        } else {
            self.another.store.clone()
        };
        std::fs::rename(&self.token.store, whose).unwrap();
    }

    fn plug(&mut self) {
        std::fs::rename(self.away("away"), &self.token.store).unwrap();
    }

    fn plug_another(&mut self) {
        std::fs::rename(&self.another.store, &self.token.store).unwrap();
    }

    fn hang(&mut self, _: bool) {
        panic!("a library in the worker does not hang");
    }
}

/// A PIV card behind vpcd, pcscd and OpenSC.
pub struct Piv {
    _dir: tempfile::TempDir,
    pub reader: Reader,
    pub card: Card,
    /// Another one of the same label, and with a PIN of its own.
    pub another: Card,
    slot: Slot,
}

impl Piv {
    /// With the key in slot 9A, which wants a PIN.
    pub fn new() -> Self {
        Self::with(Slot::Authentication, &[])
    }

    /// `more` goes to the card as it is inserted.
    pub fn with(slot: Slot, more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let reader = Reader::start(&dir.path().join("reader"));
        let mut card = Card::make(&dir.path().join("card"), more);
        let another = Card::with_pin(&dir.path().join("another"), "135790", more);
        card.insert(&reader);
        Self {
            _dir: dir,
            reader,
            card,
            another,
            slot,
        }
    }
}

impl Stack for Piv {
    fn anchored(&self) -> Anchored {
        let module = super::programs::library("opensc-pkcs11.so");
        Anchored {
            key: self.card.key(self.slot),
            config: config(&module, self.slot == Slot::Authentication),
        }
    }

    fn env(&self) -> Vec<(String, String)> {
        self.reader.env()
    }

    fn unplug(&mut self) {
        self.card.pull_out();
        self.another.pull_out();
    }

    fn plug(&mut self) {
        self.card.insert(&self.reader);
    }

    fn plug_another(&mut self) {
        self.another.insert(&self.reader);
    }

    fn hang(&mut self, yes: bool) {
        self.card.hang(yes);
    }
}

/// A TPM behind tpm2-pkcs11: the store is a file, its keys are wrapped by the TPM.
pub struct TpmStack {
    _dir: tempfile::TempDir,
    pub tpm: Tpm,
}

impl TpmStack {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tpm = Tpm::with_token(dir.path());
        Self { _dir: dir, tpm }
    }

    /// The same store on another machine, with a TPM of that machine's own: what a copied disk is.
    pub fn copied(&self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tpm = self.tpm.copied(dir.path());
        Self { _dir: dir, tpm }
    }
}

impl Stack for TpmStack {
    fn anchored(&self) -> Anchored {
        Anchored {
            key: self.tpm.key,
            config: config(&Tpm::module(), true),
        }
    }

    fn env(&self) -> Vec<(String, String)> {
        self.tpm.env()
    }

    fn unplug(&mut self) {
        self.tpm.off();
    }

    fn plug(&mut self) {
        self.tpm.on(Path::new("state"));
    }

    fn plug_another(&mut self) {
        panic!("a TPM is soldered to its machine; see copied");
    }

    fn hang(&mut self, yes: bool) {
        self.tpm.hang(yes);
    }
}
