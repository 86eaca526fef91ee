//! The anchor `pkcs11`: a token behind a module that lives in a child process.
//!
//! The child is killed when it does not answer in time; each signature is verified here before
//! anybody uses it.

use super::pin::PinGuard;
use super::protocol::{Answer, Ask, OpenToken, Tries};
use super::{Anchor, Lost};
use crate::metrics::{Metrics, count};
use mooring_config::Pkcs11Config;
use mooring_core::license::{AnchorKey, AnchorKind, PublicKey};
use mooring_core::reason::AnchorReason;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long loading the module and logging in may take; slow cards need seconds.
const OPEN: Duration = Duration::from_secs(15);
/// How long a signature or a probe may take.
const ANSWER: Duration = Duration::from_secs(4);

pub(crate) struct Pkcs11Anchor {
    config: Pkcs11Config,
    pins: PinGuard,
    metrics: Arc<Metrics>,
    how: How,
    open: Option<Open>,
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

struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Pkcs11Anchor {
    pub(crate) fn new(config: Pkcs11Config, pins: PinGuard, metrics: Arc<Metrics>) -> Self {
        Self {
            config,
            pins,
            metrics,
            how: How {
                program: None,
                open: OPEN,
                answer: ANSWER,
            },
            open: None,
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

    /// The PIN, unless it was rejected before: then nothing is opened at all.
    fn pin(&self) -> Result<Option<String>, Lost> {
        let Some(path) = &self.config.pin_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|e| {
            let todo = "check anchor.pkcs11.pinFile, or the Secret that is mounted there";
            let m = format!("PIN file {}: {e}; {todo}", path.display());
            Lost::new(AnchorReason::PinMissing, m)
        })?;
        let pin = text.trim_end_matches(['\r', '\n']).to_owned();
        let hidden = self.pins.hide(&self.config.token_label, &pin);
        if self.pins.is_rejected(&hidden) {
            return Err(self.rejected("a login with this PIN failed before"));
        }
        Ok(Some(pin))
    }

    fn rejected(&self, problem: &str) -> Lost {
        let label = &self.config.token_label;
        let todo = "no further login is made before the PIN changes, because the token would lock itself; put the right PIN into \
                    the Secret (off Kubernetes: into anchor.pkcs11.pinFile)";
        let m = format!("token {label:?}: {problem}; {todo}");
        Lost::new(AnchorReason::PinRejected, m)
    }

    /// A locked token is not asked, and its last try is not spent on a PIN that has never worked
    /// here: a pod that is made anew remembers no rejection. Nothing is noted, so that all goes on
    /// by itself once the token has its tries back.
    fn spare(&self, tries: Tries, pin: &str) -> Result<(), Lost> {
        let label = &self.config.token_label;
        let worked = self.pins.has_worked(&self.pins.hide(label, pin));
        let why = match tries {
            Tries::Several => return Ok(()),
            Tries::Last if worked => return Ok(()),
            Tries::Last => {
                "one try is left before it locks itself, and this PIN has never worked here; put the right PIN into the Secret (off \
                 Kubernetes: into anchor.pkcs11.pinFile) and log in once by hand (pkcs11-tool --login), which gives all tries back"
            }
            Tries::Locked => {
                "it has locked itself after wrong PINs; unlock it with its PUK (ykman piv access unblock-pin, pkcs11-tool --unlock-pin, \
                 or its vendor's tool)"
            }
        };
        let m = format!("token {label:?}: no login is made: {why}");
        Err(Lost::new(AnchorReason::PinRejected, m))
    }

    async fn log_in(&mut self, worker: &mut Worker, pin: String) -> Result<(), Lost> {
        let hidden = self.pins.hide(&self.config.token_label, &pin);
        self.pins.trying(&hidden).map_err(|e| {
            let todo = "without it a wrong PIN could be tried again after a restart; make stateDir writable";
            Lost::new(AnchorReason::ModuleFailed, format!("stateDir: the login cannot be noted: {e}; {todo}"))
        })?;
        tracing::info!(token = %self.config.token_label, "logging in to the token");
        let outcome = |m: &Metrics, o: &str| count(&m.anchor_logins, &[o]);
        match worker.ask(&Ask::Login { pin }, self.how.open).await {
            Ok(Answer::Done) => {
                self.pins.accepted(&hidden);
                outcome(&self.metrics, "accepted");
                Ok(())
            }
            Ok(Answer::Rejected { problem }) => {
                self.pins.rejected(&hidden);
                outcome(&self.metrics, "rejected");
                Err(self.rejected(&format!("the login failed: {problem}")))
            }
            Ok(Answer::Failed(lost)) => {
                self.pins.unseen();
                outcome(&self.metrics, "unseen");
                Err(lost)
            }
            Ok(_) => {
                let m = "anchor worker: an unexpected answer to the login";
                Err(Lost::new(AnchorReason::ModuleFailed, m))
            }
            // It hung or died in the login. A PIN that has worked is not to blame; another may be.
            Err(lost) if self.pins.has_worked(&hidden) => {
                self.pins.accepted(&hidden);
                outcome(&self.metrics, "unanswered");
                Err(lost)
            }
            Err(lost) => {
                self.pins.rejected(&hidden);
                outcome(&self.metrics, "rejected");
                Err(self.rejected(&format!("the login was not answered: {lost}")))
            }
        }
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
        let pin = self.pin()?;
        let mut worker = Worker::start(self.how.program.clone())?;
        let (module, token_label) = (self.config.module.clone(), self.config.token_label.clone());
        let ask = Ask::Open(OpenToken {
            module,
            token_label,
            wanted: wanted.to_vec(),
        });
        let found = |answer| match answer {
            Answer::Found(found) => Some(found),
            _ => None,
        };
        let found = worker.get(&ask, self.how.open, found).await?;
        // Another token than the license's, whose PIN is another, too: it is not shown ours. Its
        // keys say whose it is.
        let foreign = !wanted.is_empty() && !found.shown.is_empty();
        if foreign && !found.shown.iter().any(|k| wanted.contains(k)) {
            return Ok(self.opened(worker, found.shown));
        }
        let logged_in = pin.is_some();
        if let Some(pin) = pin {
            self.spare(found.tries, &pin)?;
            self.log_in(&mut worker, pin).await?;
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
        self.ask(&Ask::Probe { key }, done).await
    }

    async fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.worker.end().await;
        }
    }
}

impl Worker {
    fn start(program: Option<PathBuf>) -> Result<Self, Lost> {
        let failed = |e: std::io::Error| {
            let m =
                format!("the anchor worker cannot be started: {e}; is the process limit reached?");
            Lost::new(AnchorReason::ModuleFailed, m)
        };
        let program = match program {
            Some(p) => p,
            None => std::env::current_exe().map_err(failed)?,
        };
        let mut command = Command::new(program);
        command
            .arg("anchor-worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or_else(|| failed(std::io::Error::other("no pipes")))?;
        Ok(Self {
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// Asks for what `pick` finds in the right answer.
    async fn get<T>(
        &mut self,
        ask: &Ask,
        time: Duration,
        pick: fn(Answer) -> Option<T>,
    ) -> Result<T, Lost> {
        let answer = match self.ask(ask, time).await? {
            Answer::Failed(lost) => return Err(lost),
            other => pick(other),
        };
        answer.ok_or_else(|| {
            let asked = ask.name();
            let m = format!("anchor worker: an unexpected answer when asked to {asked}");
            Lost::new(AnchorReason::ModuleFailed, m)
        })
    }

    /// Asks, and waits at most `time`. After an error the worker is of no more use.
    async fn ask(&mut self, ask: &Ask, time: Duration) -> Result<Answer, Lost> {
        let broke = |what: std::io::Error| {
            let todo = "a new worker is started; if it happens again, the PKCS#11 module is faulty";
            let asked = ask.name();
            let m = format!("the anchor worker ended when asked to {asked}: {what}; {todo}");
            Lost::new(AnchorReason::ModuleFailed, m)
        };
        let exchange = async {
            let mut line = serde_json::to_vec(ask)?;
            line.push(b'\n');
            self.stdin.write_all(&line).await?;
            let answer = self.lines.next_line().await?;
            let answer = answer.ok_or_else(|| std::io::Error::other("end of its output"))?;
            Ok(serde_json::from_str(&answer)?)
        };
        let exchange = async { exchange.await.map_err(broke) };
        let answered = tokio::time::timeout(time, exchange).await;
        let result = answered.unwrap_or_else(|_| {
            let todo = "its worker is killed and started anew; if it goes on, replug the token or restart pcscd";
            let m = format!("the token did not {} within {} s; {todo}", ask.name(), time.as_secs());
            Err(Lost::new(AnchorReason::Hung, m))
        });
        if result.is_err() {
            let _ = self.child.start_kill();
        }
        result
    }

    /// Ends it in good order, so that the module is finalized; kills it if that takes long.
    async fn end(self) {
        let Self {
            mut child,
            stdin,
            lines,
        } = self;
        drop((stdin, lines));
        let ended = tokio::time::timeout(Duration::from_millis(500), child.wait());
        if ended.await.is_err() {
            let _ = child.kill().await;
        }
    }
}

#[cfg(test)]
mod tests;
