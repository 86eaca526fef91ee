//! The anchor worker as its parent sees it: started, asked, killed when it does not answer in time.

use super::protocol::{Answer, Ask, MOST};
use super::{Lost, chatter};
use mooring_core::reason::AnchorReason;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The process, and the two pipes to it.
pub(super) struct Worker {
    child: Child,
    stdin: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    pub(super) fn start(program: Option<PathBuf>) -> Result<Self, Lost> {
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
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(chatter::pass_on(stderr));
        }
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or_else(|| failed(std::io::Error::other("no pipes")))?;
        Ok(Self {
            child,
            stdin,
            answers: BufReader::new(stdout),
        })
    }

    /// Asks for what `pick` finds in the right answer.
    pub(super) async fn get<T>(
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
    pub(super) async fn ask(&mut self, ask: &Ask, time: Duration) -> Result<Answer, Lost> {
        let broke = |what: std::io::Error| {
            let todo = "a new worker is started; if it happens again, the PKCS#11 module is faulty";
            let asked = ask.name();
            let m = format!("the anchor worker ended when asked to {asked}: {what}; {todo}");
            Lost::new(AnchorReason::ModuleFailed, m)
        };
        let exchange = async {
            self.stdin.write_all(&ask.line()?).await?;
            let mut line = Vec::new();
            let most = u64::try_from(MOST).unwrap_or(u64::MAX);
            let mut bounded = (&mut self.answers).take(most);
            bounded.read_until(b'\n', &mut line).await?;
            Answer::read(&line)
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
    pub(super) async fn end(self) {
        let Self {
            mut child,
            stdin,
            answers,
        } = self;
        drop((stdin, answers));
        let ended = tokio::time::timeout(Duration::from_millis(500), child.wait());
        if ended.await.is_err() {
            let _ = child.kill().await;
        }
    }
}
