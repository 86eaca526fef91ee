//! The card's rules: a command and what the card remembers in, an answer out.
//!
//! Two keys: slot 9A signs after the PIN, slot 9E without. The PIN has as many tries as the card
//! was made with, then it is locked for good. What counts is counted here and nowhere else.

use crate::apdu::{Command, Status, answer};
use crate::tlv;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{DerSignature, SigningKey};

/// The application's identifier (SP 800-73-4 part 1, 2.2), without its version.
const AID: [u8; 9] = [0xA0, 0, 0, 3, 8, 0, 0, 0x10, 0];
/// Its version.
const VERSION: [u8; 2] = [1, 0];
/// The PIN's reference.
const PIN: u8 = 0x80;
/// ECC with P-256, as algorithm of a key.
const P256: u8 = 0x11;

/// A key and its certificate.
pub struct Slot {
    pub key: SigningKey,
    /// The certificate, in DER.
    pub certificate: Vec<u8>,
}

/// What a card is from its making on.
pub struct Personal {
    /// The PIN: six to eight digits.
    pub pin: String,
    /// How often a wrong one may be tried.
    pub tries: u8,
    /// 16 bytes by which cards are told apart.
    pub guid: [u8; 16],
    /// Slot 9A: signs after the PIN.
    pub authentication: Slot,
    /// Slot 9E: signs without a PIN.
    pub card: Slot,
}

/// What a card remembers without power.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Memory {
    /// How often a wrong PIN may still be tried.
    pub tries_left: u8,
    /// How often a PIN was shown, right or wrong.
    pub logins: u64,
    /// How often it was wrong, or shown to a locked card.
    pub refused: u64,
    pub signatures_9a: u64,
    pub signatures_9e: u64,
}

/// How the card says that a PIN is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum WrongPin {
    /// By the tries that are left, as the standard wants.
    #[default]
    Counted,
    /// By a general error, as some cards do.
    GeneralError,
}

/// A card in a reader.
pub struct Card {
    personal: Personal,
    pub memory: Memory,
    wrong_pin: WrongPin,
    session: Session,
}

/// What a card knows as long as it has power.
#[derive(Default)]
struct Session {
    selected: bool,
    verified: bool,
    /// Data of a chain of commands that is not complete.
    chain: Vec<u8>,
    /// Data that are still to be fetched.
    out: Vec<u8>,
}

impl Memory {
    pub const fn new(tries: u8) -> Self {
        Self {
            tries_left: tries,
            logins: 0,
            refused: 0,
            signatures_9a: 0,
            signatures_9e: 0,
        }
    }
}

impl Card {
    /// Puts a card into a reader.
    pub fn new(personal: Personal, memory: Memory, wrong_pin: WrongPin) -> Self {
        Self {
            personal,
            memory,
            wrong_pin,
            session: Session::default(),
        }
    }

    /// Switched on, off, or reset: whatever is not remembered is forgotten.
    pub fn reset(&mut self) {
        self.session = Session::default();
    }

    pub fn respond(&mut self, bytes: &[u8]) -> Vec<u8> {
        let result = Command::parse(bytes).and_then(|c| self.command(&c));
        match result {
            Ok((data, le)) => self.hand_out(data, le),
            Err(status) => {
                self.session.chain.clear();
                answer(Vec::new(), status)
            }
        }
    }

    /// As much as is wanted at once; the rest is kept.
    fn hand_out(&mut self, data: Vec<u8>, le: usize) -> Vec<u8> {
        self.session.out = data;
        let n = self.session.out.len().min(if le == 0 { 256 } else { le });
        let now = self.session.out.drain(..n).collect();
        let status = match self.session.out.len() {
            0 => Status::OK,
            rest => Status::more(rest),
        };
        answer(now, status)
    }

    fn command(&mut self, c: &Command<'_>) -> Result<(Vec<u8>, usize), Status> {
        let whole;
        let data = if c.chained || !self.session.chain.is_empty() {
            self.session.chain.extend_from_slice(c.data);
            if c.chained {
                return Ok((Vec::new(), 0));
            }
            whole = std::mem::take(&mut self.session.chain);
            whole.as_slice()
        } else {
            c.data
        };
        if c.ins != 0xA4 && !self.session.selected {
            return Err(Status::NO_INSTRUCTION);
        }
        let out = match (c.ins, c.p1, c.p2) {
            (0xA4, 4, 0) => self.select(data),
            (0xA4, ..) => Err(Status::NOT_FOUND),
            // What is left of an answer.
            (0xC0, 0, 0) => Ok(std::mem::take(&mut self.session.out)),
            (0xCB, 0x3F, 0xFF) => self.object(data),
            (0x20, 0, PIN) => self.verify(data),
            (0x20, 0xFF, PIN) if data.is_empty() => {
                self.session.verified = false;
                Ok(Vec::new())
            }
            (0x20, ..) => Err(Status::NO_REFERENCE),
            (0x87, P256, slot) => self.sign(slot, data),
            (0x87 | 0xCB | 0xC0, ..) => Err(Status::WRONG_PARAMETERS),
            _ => Err(Status::NO_INSTRUCTION),
        }?;
        Ok((out, c.le))
    }

    /// SELECT: this application by its identifier, whole or cut on the right. Selected again, it
    /// keeps the PIN's state.
    fn select(&mut self, data: &[u8]) -> Result<Vec<u8>, Status> {
        let whole = [AID.as_slice(), &VERSION].concat();
        if data.len() < 5 || !whole.starts_with(data) {
            return Err(Status::NOT_FOUND);
        }
        self.session.selected = true;
        let authority = tlv::encode(&[0x79], &tlv::encode(&[0x4F], &AID[..5]));
        let pix = tlv::encode(&[0x4F], &[&AID[5..], &VERSION].concat());
        Ok(tlv::encode(&[0x61], &[pix, authority].concat()))
    }

    /// GET DATA: the objects that a reader of the card needs (SP 800-73-4 part 1, table 3).
    fn object(&self, data: &[u8]) -> Result<Vec<u8>, Status> {
        let tag = tlv::find(data, 0x5C).ok_or(Status::WRONG_DATA)?;
        let p = &self.personal;
        match tag {
            // Discovery: which application, which PINs.
            [0x7E] => {
                let application = tlv::encode(&[0x4F], &[AID.as_slice(), &VERSION].concat());
                let pins = tlv::encode(&[0x5F, 0x2F], &[0x40, 0]);
                Ok(tlv::encode(&[0x7E], &[application, pins].concat()))
            }
            // Card Holder Unique Identifier. The number of the agency means "not of the
            // government".
            [0x5F, 0xC1, 0x02] => {
                const FASC_N: [u8; 25] = [
                    0xD4, 0xE7, 0x39, 0xDA, 0x73, 0x9C, 0xED, 0x39, 0xCE, 0x73, 0x9D, 0x83, 0x68,
                    0x58, 0x21, 0x08, 0x42, 0x10, 0x84, 0x21, 0xC8, 0x42, 0x10, 0xC3, 0xEB,
                ];
                Ok(object(&[
                    tlv::encode(&[0x30], &FASC_N),
                    tlv::encode(&[0x34], &p.guid),
                    tlv::encode(&[0x35], b"20991231"),
                    tlv::encode(&[0x3E], &[]),
                    tlv::encode(&[0xFE], &[]),
                ]))
            }
            [0x5F, 0xC1, 0x05] => Ok(certificate(&p.authentication)),
            [0x5F, 0xC1, 0x01] => Ok(certificate(&p.card)),
            _ => Err(Status::NOT_FOUND),
        }
    }

    /// VERIFY: without data asks how it stands, with data shows a PIN.
    fn verify(&mut self, data: &[u8]) -> Result<Vec<u8>, Status> {
        if data.is_empty() {
            return match (self.session.verified, self.memory.tries_left) {
                (true, _) => Ok(Vec::new()),
                (false, 0) => Err(Status::BLOCKED),
                (false, n) => Err(Status::tries_left(n)),
            };
        }
        // Not a PIN at all: the card need not count it.
        if data.len() != 8 {
            return Err(Status::WRONG_DATA);
        }
        self.session.verified = false;
        self.memory.logins += 1;
        if self.memory.tries_left == 0 {
            self.memory.refused += 1;
            return Err(self.refusal(Status::BLOCKED));
        }
        let mut padded = self.personal.pin.clone().into_bytes();
        padded.resize(8, 0xFF);
        if data == padded {
            self.memory.tries_left = self.personal.tries;
            self.session.verified = true;
            return Ok(Vec::new());
        }
        self.memory.refused += 1;
        self.memory.tries_left -= 1;
        Err(self.refusal(match self.memory.tries_left {
            0 => Status::BLOCKED,
            n => Status::tries_left(n),
        }))
    }

    fn refusal(&self, honest: Status) -> Status {
        match self.wrong_pin {
            WrongPin::Counted => honest,
            WrongPin::GeneralError => Status::GENERAL,
        }
    }

    /// GENERAL AUTHENTICATE: signs the digest in the challenge.
    fn sign(&mut self, slot: u8, data: &[u8]) -> Result<Vec<u8>, Status> {
        let (made, memory) = (&self.personal, &mut self.memory);
        let (key, count) = match slot {
            0x9A if !self.session.verified => return Err(Status::SECURITY),
            0x9A => (&made.authentication.key, &mut memory.signatures_9a),
            0x9E => (&made.card.key, &mut memory.signatures_9e),
            _ => return Err(Status::NO_REFERENCE),
        };
        let template = tlv::find(data, 0x7C).ok_or(Status::WRONG_DATA)?;
        let digest = tlv::find(template, 0x81).filter(|d| d.len() == 32);
        let digest = digest.ok_or(Status::WRONG_DATA)?;
        let signature: DerSignature = key.sign_prehash(digest).map_err(|_| Status::GENERAL)?;
        *count += 1;
        let response = tlv::encode(&[0x82], signature.as_bytes());
        Ok(tlv::encode(&[0x7C], &response))
    }
}

fn object(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv::encode(&[0x53], &parts.concat())
}

/// A certificate's object: uncompressed, without a check value.
fn certificate(slot: &Slot) -> Vec<u8> {
    object(&[
        tlv::encode(&[0x70], &slot.certificate),
        tlv::encode(&[0x71], &[0]),
        tlv::encode(&[0xFE], &[]),
    ])
}

#[cfg(test)]
mod tests;
