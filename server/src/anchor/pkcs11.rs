//! The anchor `pkcs11`: a token behind a module that lives in a child process.
//!
//! The child is killed when it does not answer in time; each signature is verified here before
//! anybody uses it.

use super::child::Worker;
use super::pin::{Barred, HiddenPin, PinGuard};
use super::protocol::{Answer, Ask, OpenToken, Pin, Tries};
use super::{Anchor, Lost};
use crate::keeper::NotCommitted;
use crate::metrics::{Metrics, count};
use mooring_config::Pkcs11Config;
use mooring_core::license::{AnchorKey, AnchorKind, PublicKey};
use mooring_core::reason::AnchorReason;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long loading the module and logging in may take; slow cards need seconds.
const OPEN: Duration = Duration::from_secs(15);
/// How long a signature or a probe may take.
const ANSWER: Duration = Duration::from_secs(4);

pub(crate) struct Pkcs11Anchor {
    config: Pkcs11Config,
    /// What the module may not read.
    secrets: Vec<PathBuf>,
    pins: PinGuard,
    metrics: Arc<Metrics>,
    how: How,
    open: Option<Open>,
    /// What is wrong with the PIN's file while all is well.
    note: Option<Lost>,
}

struct How {
    /// The program; this process's own if none.
    program: Option<PathBuf>,
    open: Duration,
    answer: Duration,
}

struct Open {
    worker: Worker,
    keys: Vec<PublicKey>,
    last_used: Option<PublicKey>,
}

impl Pkcs11Anchor {
    pub(crate) fn new(
        config: Pkcs11Config,
        secrets: Vec<PathBuf>,
        pins: PinGuard,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            config,
            secrets,
            pins,
            metrics,
            how: How {
                program: None,
                open: OPEN,
                answer: ANSWER,
            },
            open: None,
            note: None,
        }
    }

    fn opened(&mut self, worker: Worker, keys: Vec<PublicKey>) -> Vec<PublicKey> {
        self.open = Some(Open {
            worker,
            keys: keys.clone(),
            last_used: None,
        });
        keys
    }

    fn hidden(&self, content: &[u8]) -> HiddenPin {
        self.pins.hide(&self.config.token_label, content)
    }

    /// The PIN, unless it is barred: then nothing is opened at all.
    async fn pin(&mut self) -> Result<Option<Pin>, Lost> {
        let Some(path) = &self.config.pin_file else {
            return Ok(None);
        };
        let content = read_pin(path)?;
        let hidden = self.hidden(&content);
        let pin = Pin::in_file(&content).map_err(|e| pin_missing(path, &e));
        self.pins.see(&hidden).await.map_err(|e| self.unnoted(&e))?;
        let pin = pin?;
        self.spare(Tries::Several)?;
        Ok(Some(pin))
    }

    fn rejected(&self, problem: &str) -> Lost {
        let label = &self.config.token_label;
        let todo = "no further login is made before the PIN changes, because the token would lock itself; put the right PIN into \
                    the Secret (off Kubernetes: into anchor.pkcs11.pinFile). If it is the right one, add a newline at its end, \
                    or take it away: any change is worth one try";
        let m = format!("token {label:?}: {problem}; {todo}");
        Lost::new(AnchorReason::PinRejected, m)
    }

    /// A PIN that was refused is not shown again, a locked token is not asked, and its last try is
    /// not spent on a PIN that is not known to be right. Nothing is noted of what the token says of
    /// itself, so that all goes on by itself once it has its tries back.
    fn spare(&self, tries: Tries) -> Result<(), Lost> {
        self.pins.may_log_in(tries).map_err(|b| self.barred(b))
    }

    fn barred(&self, barred: Barred) -> Lost {
        let label = &self.config.token_label;
        let why = match barred {
            Barred::Rejected => return self.rejected("a login with this PIN failed before"),
            Barred::LastTry => {
                "one try is left before it locks itself, and this PIN is not known to be right; put the right PIN into the Secret \
                 (off Kubernetes: into anchor.pkcs11.pinFile) and log in once by hand (pkcs11-tool --login), which gives all tries back"
            }
            Barred::Locked => {
                "it has locked itself after wrong PINs; unlock it with its PUK (ykman piv access unblock-pin, pkcs11-tool --unlock-pin, \
                 or its vendor's tool)"
            }
        };
        let m = format!("token {label:?}: no login is made: {why}");
        Lost::new(AnchorReason::PinRejected, m)
    }

    /// What became of earlier logins cannot be read, or this one not be noted.
    fn unnoted(&self, problem: &str) -> Lost {
        let label = &self.config.token_label;
        let why = "each is noted before it is made, so that a wrong PIN costs the token one try and not one for each start or pod";
        let m = format!("token {label:?}: no login is made: {why}; {problem}");
        Lost::new(AnchorReason::LoginUnnoted, m)
    }

    async fn log_in(&mut self, worker: &mut Worker, tries: Tries, pin: Pin) -> Result<(), Lost> {
        match self.pins.trying(tries).await {
            Ok(()) => {}
            Err(NotCommitted::Refused(barred)) => return Err(self.barred(barred)),
            Err(NotCommitted::Unkept(e)) => return Err(self.unnoted(&e)),
        }
        tracing::info!(token = %self.config.token_label, "logging in to the token");
        let answer = worker.ask(&Ask::Login { pin }, self.how.open).await;
        let outcome = |m: &Metrics, o: &str| count(&m.anchor_logins, &[o]);
        match answer {
            Ok(Answer::Done) => {
                self.pins.accepted().await;
                outcome(&self.metrics, "accepted");
                Ok(())
            }
            // Not by this PIN: whether that is right nobody knows.
            Ok(Answer::LoggedIn) => {
                self.pins.unseen().await;
                outcome(&self.metrics, "unseen");
                Ok(())
            }
            Ok(Answer::Rejected { problem }) => {
                self.pins.rejected().await;
                outcome(&self.metrics, "rejected");
                Err(self.rejected(&format!("the login failed: {problem}")))
            }
            Ok(Answer::Failed(lost)) => {
                self.pins.unseen().await;
                outcome(&self.metrics, "unseen");
                Err(lost)
            }
            Ok(Answer::Unclear { problem }) => {
                self.pins.unclear().await;
                outcome(&self.metrics, "unclear");
                Err(self.unclear(&format!("the login failed: {problem}")))
            }
            // It hung or died in the login. A PIN that has worked is not to blame, as long as the
            // token says that nobody has shown it a wrong one since.
            Err(lost) if self.pins.has_worked() && tries == Tries::Several => {
                self.pins.unseen().await;
                outcome(&self.metrics, "unanswered");
                Err(lost)
            }
            Err(lost) => {
                self.pins.unclear().await;
                outcome(&self.metrics, "unanswered");
                Err(self.unclear(&format!("the login was not answered: {lost}")))
            }
            Ok(_) => {
                self.pins.unclear().await;
                let m = "anchor worker: an unexpected answer to the login";
                Err(Lost::new(AnchorReason::ModuleFailed, m))
            }
        }
    }

    /// After an answer that may mean a wrong PIN, or anything else.
    fn unclear(&self, problem: &str) -> Lost {
        if self.pins.may_log_in(Tries::Several).is_err() {
            return self.rejected(&format!("{problem}, for the second time"));
        }
        let label = &self.config.token_label;
        let todo = "which does not say whether the PIN is wrong; it is tried once more, if the token does not say that this would \
                    be its last try, and then not before the PIN changes";
        let m = format!("token {label:?}: {problem}, {todo}");
        Lost::new(AnchorReason::LoginUnclear, m)
    }

    /// Whether the next login would be made with another PIN than the last.
    fn look_at_pin(&mut self) {
        let Some(path) = &self.config.pin_file else {
            return;
        };
        let sound = |content: Zeroizing<Vec<u8>>| match Pin::in_file(&content) {
            Ok(_) => Ok(content),
            Err(e) => Err(pin_missing(path, &e)),
        };
        let note = match read_pin(path).and_then(sound) {
            Ok(content) if self.pins.knows(&self.hidden(&content)) => None,
            Ok(_) => Some(Lost::new(
                AnchorReason::PinChanged,
                "the PIN's Secret was changed since the login: the new PIN is tried at the next one, after a restart or once the \
                 token was away, and not before, since a wrong one costs the token a try. To try it now, delete the server's pod \
                 (off Kubernetes: restart the server)",
            )),
            Err(lost) => Some(lost),
        };
        if let Some(lost) = note.as_ref().filter(|_| note != self.note) {
            tracing::warn!(token = %self.config.token_label, reason = %lost.reason, "{lost}");
        }
        self.note = note;
    }

    async fn ask<T>(&mut self, ask: &Ask, pick: fn(Answer) -> Option<T>) -> Result<T, Lost> {
        let Some(open) = &mut self.open else {
            return Err(Lost::new(AnchorReason::TokenLost, "the token is not open"));
        };
        open.worker.get(ask, self.how.answer, pick).await
    }
}

impl Anchor for Pkcs11Anchor {
    fn kind(&self) -> AnchorKind {
        AnchorKind::Pkcs11
    }

    async fn open(&mut self, wanted: &[PublicKey]) -> Result<Vec<PublicKey>, Lost> {
        if let Some(open) = &self.open {
            return Ok(open.keys.clone());
        }
        let pin = self.pin().await?;
        let mut worker = Worker::start(self.how.program.clone())?;
        let (module, token_label) = (self.config.module.clone(), self.config.token_label.clone());
        let ask = Ask::Open(OpenToken {
            module,
            token_label,
            wanted: wanted.to_vec(),
            secrets: self.secrets.clone(),
        });
        let found = |answer| match answer {
            Answer::Found(found) => Some(found),
            _ => None,
        };
        let found = worker.get(&ask, self.how.open, found).await?;
        self.pins.meet(&found.serial);
        // Another token than the license's, whose PIN is another, too: it is not shown ours. Its
        // keys say whose it is.
        let foreign = !wanted.is_empty() && !found.shown.is_empty();
        if foreign && !found.shown.iter().any(|k| wanted.contains(k)) {
            return Ok(self.opened(worker, found.shown));
        }
        let logged_in = pin.is_some();
        if let Some(pin) = pin {
            self.spare(found.tries)?;
            self.log_in(&mut worker, found.tries, pin).await?;
        }
        let keys = |answer| match answer {
            Answer::Keys { keys } => Some(keys),
            _ => None,
        };
        let keys = worker.get(&Ask::Keys, self.how.open, keys).await?;
        if !keys.is_empty() {
            return Ok(self.opened(worker, keys));
        }
        let label = &self.config.token_label;
        // A token that wants a login may have a key that does not, as PIV's slot 9E.
        if found.login_required && !logged_in {
            let todo = "set anchor.pkcs11.pinFile";
            let m = format!(
                "token {label:?} wants a PIN before it shows a key that may sign, and none is configured; {todo}"
            );
            return Err(Lost::new(AnchorReason::PinMissing, m));
        }
        let todo = "make one (pkcs11-tool --keypairgen --key-type EC:prime256v1) and have the license issued for it";
        let m = format!("token {label:?} has no P-256 or Ed25519 key pair that may sign; {todo}");
        Err(Lost::new(AnchorReason::KeyNotFound, m))
    }

    async fn sign(&mut self, entry: &AnchorKey, message: &[u8]) -> Result<Vec<u8>, Lost> {
        let key = entry.key;
        let ask = Ask::Sign {
            key,
            message: hex::encode(message),
        };
        let signed = |answer| match answer {
            Answer::Signed { signature } => Some(signature),
            _ => None,
        };
        let signature = hex::decode(self.ask(&ask, signed).await?).unwrap_or_default();
        if !key.verifies(message, &signature) {
            let id = key.id();
            let todo = "the token or its module is faulty; do not trust it";
            let m = format!(
                "the token's signature does not verify with its own public key {id}; {todo}"
            );
            return Err(Lost::new(AnchorReason::SignFailed, m));
        }
        if let Some(open) = &mut self.open {
            open.last_used = Some(key);
        }
        Ok(signature)
    }

    async fn present(&mut self, _entry: Option<&AnchorKey>) -> Result<(), Lost> {
        let key = self.open.as_ref().and_then(|o| o.last_used);
        let done = |answer| matches!(answer, Answer::Done).then_some(());
        self.ask(&Ask::Probe { key }, done).await?;
        self.look_at_pin();
        Ok(())
    }

    fn note(&self) -> Option<&Lost> {
        self.note.as_ref()
    }

    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.worker.end().await;
        }
    }
}

/// The content of the PIN's file.
fn read_pin(path: &Path) -> Result<Zeroizing<Vec<u8>>, Lost> {
    let content = std::fs::read(path).map(Zeroizing::new);
    content.map_err(|e| pin_missing(path, &e))
}

fn pin_missing(path: &Path, e: &dyn std::fmt::Display) -> Lost {
    let todo = "check anchor.pkcs11.pinFile, or the Secret that is mounted there";
    let m = format!("PIN file {}: {e}; {todo}", path.display());
    Lost::new(AnchorReason::PinMissing, m)
}

#[cfg(test)]
mod tests;
