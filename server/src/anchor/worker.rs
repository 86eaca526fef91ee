//! The anchor worker: a child process that talks to a PKCS#11 module, so that a module that hangs
//! or crashes can be killed.
//!
//! It keeps no state worth saving and decides nothing: it answers one question after the other and
//! ends with its parent.

use super::hints::Surroundings;
use super::protocol::{Answer, Ask, Found, OpenToken, Pin, Questions, Tries};
use super::verdict::{After, LoginOutcome, Said, judge, means_gone};
use super::{Lost, sandbox};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use mooring_core::cut::cut;
use mooring_core::license::PublicKey;
use mooring_core::reason::AnchorReason;
use rustix::process;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::Path;

/// Answers questions until there are no more.
///
/// They come and go through descriptors of their own: what a module prints to stdout, or reads from
/// stdin, is nobody's question or answer.
pub(crate) fn run() -> std::io::Result<()> {
    // A parent killed without a word ends the questions, but a module that hangs never reads them.
    process::set_parent_process_death_signal(Some(process::Signal::KILL))?;
    // No core file with the PIN in it.
    process::set_dumpable_behavior(process::DumpableBehavior::NotDumpable)?;
    mooring_net::log::start("warn");
    let mut questions = Questions::new(File::from(std::io::stdin().as_fd().try_clone_to_owned()?));
    let mut answers = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    let nowhere = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nowhere)?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    let mut token = None;
    while let Some(question) = questions.take()? {
        let answer = match serde_json::from_slice::<Ask>(&question) {
            Ok(ask) => answer(&mut token, ask),
            Err(e) => Answer::Failed(confused(format_args!("question: {}", cut(e.to_string())))),
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        answers.write_all(&line)?;
    }
    Ok(())
}

fn confused(by: std::fmt::Arguments<'_>) -> Lost {
    Lost::new(AnchorReason::ModuleFailed, format!("anchor worker: {by}"))
}

struct Token {
    // Order matters: the session closes before the module is finalized.
    session: Session,
    module: Pkcs11,
    slot: Slot,
    label: String,
    /// When it was opened.
    tries: Tries,
    keys: Vec<(PublicKey, ObjectHandle)>,
    /// It gives random bytes: what can be asked of the hardware itself, however much the module
    /// knows by heart.
    random: bool,
}

fn answer(token: &mut Option<Token>, ask: Ask) -> Answer {
    let result = match (ask, token.as_mut()) {
        (Ask::Open(how), None) => open(how).map(|(t, found)| {
            *token = Some(t);
            Answer::Found(found)
        }),
        (Ask::Login { pin }, Some(t)) => Ok(t.login(&pin)),
        (Ask::Keys, Some(t)) => t.list_keys(),
        (Ask::Sign { key, message }, Some(t)) => t.sign(key, &message),
        (Ask::Probe { key }, Some(t)) => t.probe(key),
        (ask, _) => Err(confused(format_args!("not now: {}", ask.name()))),
    };
    result.unwrap_or_else(Answer::Failed)
}

/// An error in the standard's own words, by which people find help: `C_Sign: CKR_DEVICE_ERROR`.
fn words(e: &Error) -> String {
    let Error::Pkcs11(rv, function) = e else {
        return e.to_string();
    };
    let mut name = String::new();
    // The variants are the standard's names in another case; one may carry a vendor's number.
    for c in format!("{rv:?}").chars() {
        if c.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    format!("C_{function:?}: CKR{name}")
}

fn module_failed(path: &std::path::Path, e: &Error) -> Lost {
    let todo = "check that the device and its middleware (pcscd, udev rules) are available to this process";
    let todo = hint(path).unwrap_or_else(|| todo.into());
    let m = format!("PKCS#11 module {}: {}; {todo}", path.display(), words(e));
    Lost::new(AnchorReason::ModuleFailed, m)
}

/// What is plainly wrong around this module.
fn hint(module: &Path) -> Option<String> {
    let here = Surroundings {
        uid: process::getuid().as_raw(),
        variable: &|name| std::env::var(name).ok(),
    };
    here.hint(module)
}

fn load(path: &Path) -> Result<Pkcs11, Lost> {
    let module = Pkcs11::new(path).map_err(|e| {
        let todo = "check anchor.pkcs11.module, and that the image or a host path brings this file";
        let path = path.display();
        let m = format!("PKCS#11 module {path} cannot be loaded: {e}; {todo}");
        Lost::new(AnchorReason::ModuleNotFound, m)
    })?;
    let flags = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    let ready = module.initialize(flags);
    ready.map_err(|e| module_failed(path, &e))?;
    Ok(module)
}

fn open(how: OpenToken) -> Result<(Token, Found), Lost> {
    let (path, label) = (&how.module, how.token_label);
    if let Err(e) = sandbox::hide(&how.secrets) {
        // A kernel without it is no reason not to serve: it is one more wall, not the only one.
        tracing::warn!(error = %e, "the PKCS#11 module can read the server's secrets");
    }
    let failed = |e: Error| module_failed(path, &e);
    let module = load(path)?;
    let slots = module.get_slots_with_token().map_err(failed)?;
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for slot in slots {
        // One broken reader must not hide the others.
        let Ok(info) = module.get_token_info(slot) else {
            continue;
        };
        if info.label() == label {
            found.push((slot, info));
        } else if info.token_initialized() {
            seen.push(format!("{:?}", info.label()));
        }
    }
    if found.len() > 1 {
        // Alike by label: the key decides. Public keys are told without a login, so no token sees a
        // PIN that is not its own.
        let has = |key: &PublicKey, slot: Slot| public_keys(&module, slot).contains(key);
        let mut wanted = how.wanted.iter();
        let one = wanted.find_map(|k| found.iter().position(|(slot, _)| has(k, *slot)));
        if let Some(one) = one {
            found = vec![found.swap_remove(one)];
        }
    }
    if found.is_empty()
        && let Some(todo) = hint(path)
    {
        return Err(not_found(&label, &seen, &todo));
    }
    let (slot, info) = the_one(&label, found, &seen)?;
    let tries = tries(&info);
    let found = Found {
        login_required: info.login_required(),
        shown: public_keys(&module, slot),
        tries,
        serial: info.serial_number().to_owned(),
    };
    let token = Token {
        session: module.open_ro_session(slot).map_err(failed)?,
        module,
        slot,
        label,
        tries,
        keys: Vec::new(),
        random: false,
    };
    Ok((token, found))
}

fn tries(info: &TokenInfo) -> Tries {
    if info.user_pin_locked() {
        Tries::Locked
    } else if info.user_pin_final_try() {
        Tries::Last
    } else if info.user_pin_count_low() {
        Tries::SomeUsed
    } else {
        Tries::Several
    }
}

/// A token of the label: its slot, and what it says of itself.
type Labelled = (Slot, TokenInfo);

/// The one token that is left of those with the label; `seen` are the other tokens' labels.
fn the_one(label: &str, mut found: Vec<Labelled>, seen: &[String]) -> Result<Labelled, Lost> {
    let n = found.len();
    match found.pop() {
        Some(one) if n == 1 => Ok(one),
        None => {
            let todo = "plug the token in, or correct anchor.pkcs11.tokenLabel";
            Err(not_found(label, seen, todo))
        }
        Some(_) => {
            let todo = "none of them shows the license's key before the login; unplug all but one, or give them different labels";
            let m = format!("{n} tokens have label {label:?}; {todo}");
            Err(Lost::new(AnchorReason::TokenAmbiguous, m))
        }
    }
}

fn not_found(label: &str, seen: &[String], todo: &str) -> Lost {
    let seen = if seen.is_empty() {
        "no token at all".into()
    } else {
        seen.join(", ")
    };
    let m = format!("no token with label {label:?}; the module sees {seen}; {todo}");
    Lost::new(AnchorReason::TokenNotFound, m)
}

const OF_PUBLIC_KEYS: [AttributeType; 3] = [
    AttributeType::KeyType,
    AttributeType::EcParams,
    AttributeType::EcPoint,
];

/// The public keys that a token shows without a login.
fn public_keys(module: &Pkcs11, slot: Slot) -> Vec<PublicKey> {
    let read = || {
        let session = module.open_ro_session(slot)?;
        let wanted = [Attribute::Class(ObjectClass::PUBLIC_KEY)];
        let mut keys = Vec::new();
        for k in session.find_objects(&wanted)? {
            keys.extend(public_key(&session.get_attributes(k, &OF_PUBLIC_KEYS)?));
        }
        Ok::<_, Error>(keys)
    };
    // One broken token must not hide the others.
    read().unwrap_or_default()
}

impl Token {
    #[expect(clippy::needless_pass_by_value)] // so that `map_err` takes it as it is
    fn lost(e: Error) -> Lost {
        let todo = "it was pulled out or broke; plug it in again, the server goes on by itself";
        let m = format!("the token does not answer ({}); {todo}", words(&e));
        Lost::new(AnchorReason::TokenLost, m)
    }

    fn login(&self, pin: &Pin) -> Answer {
        let pin = AuthPin::from(pin.as_str());
        let Err(e) = self.session.login(UserType::User, Some(&pin)) else {
            return Answer::Done;
        };
        let code = match &e {
            Error::Pkcs11(code, _) => Some(*code),
            _ => None,
        };
        let problem = words(&e);
        match judge(code, self.tries, || self.after_login()) {
            LoginOutcome::Rejected => Answer::Rejected { problem },
            LoginOutcome::Counted => Answer::Rejected {
                problem: format!("{problem}, and the token has counted a wrong PIN"),
            },
            LoginOutcome::LoggedIn => Answer::LoggedIn,
            LoginOutcome::NoUserPin => {
                let todo = "initialise its user PIN with the one in the Secret (off Kubernetes: in anchor.pkcs11.pinFile), by \
                            pkcs11-tool --init-pin or its vendor's tool; the server goes on by itself";
                let m = format!(
                    "token {:?} has no user PIN yet ({problem}); {todo}",
                    self.label
                );
                Answer::Failed(Lost::new(AnchorReason::PinNotInitialized, m))
            }
            LoginOutcome::Gone => {
                let m = format!("the token went away during the login ({problem}); plug it in");
                Answer::Failed(Lost::new(AnchorReason::TokenLost, m))
            }
            LoginOutcome::Unclear => Answer::Unclear { problem },
        }
    }

    /// What token and session say after a login that failed.
    fn after_login(&self) -> After {
        let slot = self.module.get_slot_info(self.slot);
        let token = match self.module.get_token_info(self.slot) {
            _ if slot.is_ok_and(|s| !s.token_present()) => Said::Gone,
            Ok(info) => Said::Info {
                tries: tries(&info),
                user_pin: info.user_pin_initialized(),
            },
            Err(Error::Pkcs11(code, _)) if means_gone(code) => Said::Gone,
            Err(_) => Said::Nothing,
        };
        let session = self.session.get_session_info();
        let logged_in = session.is_ok_and(|s| {
            let state = s.session_state();
            matches!(state, SessionState::RoUser | SessionState::RwUser)
        });
        After { token, logged_in }
    }

    fn list_keys(&mut self) -> Result<Answer, Lost> {
        self.keys = self.find_keys().map_err(Self::lost)?;
        self.random = self.random_bytes().is_ok();
        Ok(Answer::Keys {
            keys: self.keys.iter().map(|(k, _)| *k).collect(),
        })
    }

    /// Private keys whose public halves are on the token, too, joined by CKA_ID.
    fn find_keys(&self) -> Result<Vec<(PublicKey, ObjectHandle)>, Error> {
        let s = &self.session;
        let mut keys = Vec::new();
        let private = s.find_objects(&[
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Sign(true),
        ])?;
        for handle in private {
            let of_both = [AttributeType::Id, AttributeType::KeyType];
            let mut template = s.get_attributes(handle, &of_both)?;
            template.push(Attribute::Class(ObjectClass::PUBLIC_KEY));
            for public in s.find_objects(&template)? {
                let key = public_key(&s.get_attributes(public, &OF_PUBLIC_KEYS)?);
                keys.extend(key.map(|k| (k, handle)));
            }
        }
        Ok(keys)
    }

    fn handle(&self, key: PublicKey) -> Result<ObjectHandle, Lost> {
        let found = self.keys.iter().find(|(k, _)| *k == key).map(|(_, h)| *h);
        found.ok_or_else(|| {
            let m = format!("the token has no key {}", key.id());
            Lost::new(AnchorReason::KeyNotFound, m)
        })
    }

    fn sign(&self, key: PublicKey, message: &str) -> Result<Answer, Lost> {
        let failed = |e: &dyn std::fmt::Display| {
            let todo =
                "check that the key may sign without a touch, and that the token is not damaged";
            let m = format!("the token does not sign: {e}; {todo}");
            Lost::new(AnchorReason::SignFailed, m)
        };
        let message = hex::decode(message).map_err(|e| failed(&e))?;
        let handle = self.handle(key)?;
        let (mechanism, signed) = match key {
            // The digest is made here: not every token can do CKM_ECDSA_SHA256.
            PublicKey::P256(_) => {
                let digest = ring::digest::digest(&ring::digest::SHA256, &message);
                (Mechanism::Ecdsa, digest.as_ref().to_vec())
            }
            PublicKey::Ed25519(_) => {
                let scheme = EddsaParams::new(EddsaSignatureScheme::Ed25519);
                (Mechanism::Eddsa(scheme), message)
            }
        };
        let signature = self.session.sign(&mechanism, handle, &signed);
        let signature = signature.map_err(|e| failed(&words(&e)))?;
        Ok(Answer::Signed {
            signature: hex::encode(signature),
        })
    }

    fn random_bytes(&self) -> Result<(), Error> {
        self.session.generate_random_slice(&mut [0; 8])
    }

    /// Asks the slot, the token and the key: some modules answer one of them from memory after the
    /// token is gone. One for TPMs answers all of them so; then random bytes show that the hardware
    /// is there.
    fn probe(&self, key: Option<PublicKey>) -> Result<Answer, Lost> {
        let (module, session) = (&self.module, &self.session);
        let info = module.get_slot_info(self.slot).map_err(Self::lost)?;
        let token = module.get_token_info(self.slot).map_err(Self::lost)?;
        if !info.token_present() || token.label() != self.label {
            let todo = "plug it in again, the server goes on by itself";
            let m = format!("the token {:?} was pulled out; {todo}", self.label);
            return Err(Lost::new(AnchorReason::TokenLost, m));
        }
        session.get_session_info().map_err(Self::lost)?;
        if self.random {
            self.random_bytes().map_err(Self::lost)?;
        }
        if let Some(key) = key {
            let handle = self.handle(key)?;
            let id = session.get_attributes(handle, &[AttributeType::Id]);
            let mut template = id.map_err(Self::lost)?;
            template.push(Attribute::Class(ObjectClass::PRIVATE_KEY));
            let there = session.find_objects(&template).map_err(Self::lost)?;
            if !there.contains(&handle) {
                let m = format!("the key {} is no longer on the token", key.id());
                return Err(Lost::new(AnchorReason::KeyNotFound, m));
            }
        }
        Ok(Answer::Done)
    }
}

/// OBJECT IDENTIFIER prime256v1, 1.2.840.10045.3.1.7 (RFC 5480).
const P256_OID: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// OBJECT IDENTIFIER id-Ed25519, 1.3.101.112 (RFC 8410).
const ED25519_OID: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// PrintableString "edwards25519", the other name for it (PKCS#11 3.0, 2.3.5).
const ED25519_NAME: &[u8] = b"\x13\x0cedwards25519";

/// A public key out of a token's attributes; none for kinds that are not used here.
fn public_key(attributes: &[Attribute]) -> Option<PublicKey> {
    let (mut kind, mut params, mut point) = (None, None, None);
    for a in attributes {
        match a {
            Attribute::KeyType(k) => kind = Some(*k),
            Attribute::EcParams(p) => params = Some(p.as_slice()),
            Attribute::EcPoint(p) => point = Some(p.as_slice()),
            _ => {}
        }
    }
    let (kind, params, point) = (kind?, params?, point?);
    if kind == KeyType::EC && params == P256_OID {
        let p = unwrap_point(point, 65);
        p.first().filter(|b| **b == 4)?;
        p.try_into().ok().map(PublicKey::P256)
    } else if kind == KeyType::EC_EDWARDS && (params == ED25519_OID || params == ED25519_NAME) {
        let p = unwrap_point(point, 32);
        let bytes = p.try_into().ok()?;
        PublicKey::ed25519(bytes).ok()
    } else {
        None
    }
}

/// A point of `len` bytes, in the OCTET STRING (or BIT STRING) that the standard wants around it
/// or, as some tokens give it, bare.
fn unwrap_point(point: &[u8], len: usize) -> &[u8] {
    match point {
        [0x04, l, rest @ ..] if usize::from(*l) == len && rest.len() == len => rest,
        [0x03, l, 0x00, rest @ ..] if usize::from(*l) == len + 1 && rest.len() == len => rest,
        bare => bare,
    }
}

#[cfg(test)]
mod tests;
