//! The anchor `pkcs11`: a token behind a module that lives in a child process.
//!
//! The child is killed when it does not answer in time; each signature is verified here before
//! anybody uses it.

use super::pin::PinGuard;
use super::protocol::{Answer, Ask, Tries};
use super::{Anchor, Lost};
use crate::metrics::Metrics;
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

/// A token behind a PKCS#11 module.
pub(crate) struct Pkcs11Anchor {
    config: Pkcs11Config,
    pins: PinGuard,
    metrics: Arc<Metrics>,
    how: How,
    open: Option<Open>,
}

/// How the worker is started, and how long it may take.
struct How {
    /// The program; this process's own if none.
    program: Option<PathBuf>,
    /// Loading the module, logging in.
    open: Duration,
    /// Everything else.
    answer: Duration,
}

/// A worker that has opened the token.
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
    /// One that is not open yet.
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

    /// The PIN, unless it was rejected before: then nothing is opened at all.
    fn pin(&self) -> Result<Option<String>, Lost> {
        let Some(path) = &self.config.pin_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|e| {
            let todo = "check anchor.pkcs11.pinFile, or the Secret that is mounted there";
            Lost::new(
                AnchorReason::PinMissing,
                format!("PIN file {}: {e}; {todo}", path.display()),
            )
        })?;
        let pin = text.trim_end_matches(['\r', '\n']).to_owned();
        if self
            .pins
            .is_rejected(&self.pins.hide(&self.config.token_label, &pin))
        {
            return Err(self.rejected("a login with this PIN failed before"));
        }
        Ok(Some(pin))
    }

    fn rejected(&self, problem: &str) -> Lost {
        let label = &self.config.token_label;
        let todo = "no further login is made before the PIN changes, because the token would lock itself; put the right PIN into \
                    the Secret (off Kubernetes: into anchor.pkcs11.pinFile)";
        Lost::new(
            AnchorReason::PinRejected,
            format!("token {label:?}: {problem}; {todo}"),
        )
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
        Err(Lost::new(
            AnchorReason::PinRejected,
            format!("token {label:?}: no login is made: {why}"),
        ))
    }

    async fn log_in(&mut self, worker: &mut Worker, pin: String) -> Result<(), Lost> {
        let hidden = self.pins.hide(&self.config.token_label, &pin);
        self.pins.trying(&hidden).map_err(|e| {
            let todo = "without it a wrong PIN could be tried again after a restart; make stateDir writable";
            Lost::new(AnchorReason::ModuleFailed, format!("stateDir: the login cannot be noted: {e}; {todo}"))
        })?;
        tracing::info!(token = %self.config.token_label, "logging in to the token");
        let outcome = |m: &Metrics, o: &str| m.anchor_logins.with_label_values(&[o]).inc();
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
            Ok(_) => Err(Lost::new(
                AnchorReason::ModuleFailed,
                "anchor worker: an unexpected answer to the login",
            )),
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

    async fn ask(&mut self, ask: &Ask) -> Result<Answer, Lost> {
        let Some(open) = &mut self.open else {
            return Err(Lost::new(AnchorReason::TokenLost, "the token is not open"));
        };
        match open.worker.ask(ask, self.how.answer).await? {
            Answer::Failed(lost) => Err(lost),
            other => Ok(other),
        }
    }
}

fn unexpected(ask: &Ask) -> Lost {
    Lost::new(
        AnchorReason::ModuleFailed,
        format!(
            "anchor worker: an unexpected answer when asked to {}",
            ask.name()
        ),
    )
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
        let module = self.config.module.clone();
        let ask = Ask::Open {
            module,
            token_label: self.config.token_label.clone(),
            wanted: wanted.to_vec(),
        };
        let (login_required, shown, tries) = match worker.ask(&ask, self.how.open).await? {
            Answer::Found {
                login_required,
                shown,
                tries,
            } => (login_required, shown, tries),
            Answer::Failed(lost) => return Err(lost),
            _ => return Err(unexpected(&ask)),
        };
        // Another token than the license's, whose PIN is another, too: it is not shown ours. Its
        // keys say whose it is.
        let foreign = !wanted.is_empty() && !shown.is_empty();
        if foreign && !shown.iter().any(|k| wanted.contains(k)) {
            self.open = Some(Open {
                worker,
                keys: shown.clone(),
                last_used: None,
            });
            return Ok(shown);
        }
        let logged_in = pin.is_some();
        if let Some(pin) = pin {
            self.spare(tries, &pin)?;
            self.log_in(&mut worker, pin).await?;
        }
        let keys = match worker.ask(&Ask::Keys, self.how.open).await? {
            Answer::Keys { keys } => keys,
            Answer::Failed(lost) => return Err(lost),
            _ => return Err(unexpected(&Ask::Keys)),
        };
        // A token that wants a login may have a key that does not, as PIV's slot 9E.
        if keys.is_empty() && login_required && !logged_in {
            let todo = "set anchor.pkcs11.pinFile";
            let m = format!(
                "token {:?} wants a PIN before it shows a key that may sign, and none is configured; {todo}",
                self.config.token_label
            );
            return Err(Lost::new(AnchorReason::PinMissing, m));
        }
        if keys.is_empty() {
            let todo = "make one (pkcs11-tool --keypairgen --key-type EC:prime256v1) and have the license issued for it";
            let m = format!(
                "token {:?} has no P-256 or Ed25519 key pair that may sign; {todo}",
                self.config.token_label
            );
            return Err(Lost::new(AnchorReason::KeyNotFound, m));
        }
        self.open = Some(Open {
            worker,
            keys: keys.clone(),
            last_used: None,
        });
        Ok(keys)
    }

    async fn sign(&mut self, entry: &AnchorKey, message: &[u8]) -> Result<Vec<u8>, Lost> {
        let key = entry.key;
        let ask = Ask::Sign {
            key,
            message: hex::encode(message),
        };
        let Answer::Signed { signature } = self.ask(&ask).await? else {
            return Err(unexpected(&ask));
        };
        let signature = hex::decode(signature).unwrap_or_default();
        if !key.verifies(message, &signature) {
            let todo = "the token or its module is faulty; do not trust it";
            let m = format!(
                "the token's signature does not verify with its own public key {}; {todo}",
                key.id()
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
        let ask = Ask::Probe { key };
        match self.ask(&ask).await? {
            Answer::Done => Ok(()),
            _ => Err(unexpected(&ask)),
        }
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
            Lost::new(
                AnchorReason::ModuleFailed,
                format!("the anchor worker cannot be started: {e}; is the process limit reached?"),
            )
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

    /// Asks, and waits at most `time`. After an error the worker is of no more use.
    async fn ask(&mut self, ask: &Ask, time: Duration) -> Result<Answer, Lost> {
        let broke = |what: String| {
            let todo = "a new worker is started; if it happens again, the PKCS#11 module is faulty";
            Lost::new(
                AnchorReason::ModuleFailed,
                format!(
                    "the anchor worker ended when asked to {}: {what}; {todo}",
                    ask.name()
                ),
            )
        };
        let exchange = async {
            let mut line = serde_json::to_vec(ask).map_err(|e| broke(e.to_string()))?;
            line.push(b'\n');
            self.stdin
                .write_all(&line)
                .await
                .map_err(|e| broke(e.to_string()))?;
            match self
                .lines
                .next_line()
                .await
                .map_err(|e| broke(e.to_string()))?
            {
                Some(l) => serde_json::from_str(&l).map_err(|e| broke(e.to_string())),
                None => Err(broke("end of its output".into())),
            }
        };
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
        if tokio::time::timeout(Duration::from_millis(500), child.wait())
            .await
            .is_err()
        {
            let _ = child.kill().await;
        }
    }
}

#[cfg(test)]
mod tests;
