//! Whether a process is alive, and ready: it says so on a Unix socket that its own user alone may
//! ask. No stranger reaches it, so none can make it look dead.
//!
//! The process speaks first and hangs up, so a caller that says nothing costs nothing. The answer
//! is one line: `ready`, or why not.

use crate::shutdown::Shutdown;
use std::fs::{self, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixListener;

/// The socket's name, in a folder of the process' own.
pub const SOCKET: &str = "health.sock";
const READY: &str = "ready";
/// How long the process has to answer.
const TIME: Duration = Duration::from_secs(3);
const LONGEST: u64 = 1000;

/// Opens the socket, in the place of one that an earlier run left.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    let fresh = path.with_extension("new");
    let _ = fs::remove_file(&fresh);
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    fs::rename(&fresh, path)?;
    Ok(listener)
}

/// Answers until asked to end. Where the process is not ready, `ready` says why.
pub async fn serve(
    listener: UnixListener,
    ready: impl Fn() -> Result<(), &'static str>,
    shutdown: Shutdown,
) {
    loop {
        let accepted = tokio::select! {
            a = listener.accept() => a,
            () = shutdown.asked() => return,
        };
        match accepted {
            // A line fits into what the kernel takes without waiting.
            Ok((stream, _)) => {
                let line = format!("{}\n", ready().err().unwrap_or(READY));
                let _ = stream.try_write(line.as_bytes());
            }
            Err(e) => {
                tracing::warn!(error = %e, "accepting on the health socket");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Asks the process behind a socket: `Ok(Err)` is why it is not ready, an error that it does not
/// answer.
pub fn ask(path: &Path) -> io::Result<Result<(), String>> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(TIME))?;
    let mut said = String::new();
    stream.take(LONGEST).read_to_string(&mut said)?;
    match said.trim() {
        "" => Err(io::ErrorKind::UnexpectedEof.into()),
        READY => Ok(Ok(())),
        why => Ok(Err(why.to_owned())),
    }
}

/// For a subcommand: what to print, and whether that is what was asked for. Alive is enough unless
/// it must be ready.
pub fn report(path: &Path, must_be_ready: bool) -> Result<String, String> {
    match ask(path) {
        Ok(Ok(())) => Ok("ready".into()),
        Ok(Err(why)) if must_be_ready => Err(format!("not ready: {why}")),
        Ok(Err(why)) => Ok(format!("alive, not ready: {why}")),
        Err(e) => {
            let path = path.display();
            Err(format!(
                "{path}: {e}; expected the socket of a process that runs, asked by its own user"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn asked(path: &Path, must_be_ready: bool) -> Result<String, String> {
        let path = path.to_owned();
        let report = tokio::task::spawn_blocking(move || report(&path, must_be_ready));
        report.await.unwrap()
    }

    #[tokio::test]
    async fn it_says_whether_it_is_ready_whoever_else_is_connected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET);
        let (_stop, shutdown) = Shutdown::channel();
        let up = tokio::spawn(serve(bind(&path).unwrap(), || Ok(()), shutdown.clone()));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let silent: Vec<_> = (0..200).map(|_| UnixStream::connect(&path)).collect();
        assert_eq!(asked(&path, true).await.unwrap(), "ready");
        drop(silent);
        up.abort();
        let _ = up.await;
        let gone = asked(&path, false).await.unwrap_err();
        assert!(gone.contains("health.sock"), "{gone}");
        // The next run takes the place of what was left.
        let settling = || Err("not listening");
        tokio::spawn(serve(bind(&path).unwrap(), settling, shutdown));
        let alive = asked(&path, false).await.unwrap();
        assert_eq!(alive, "alive, not ready: not listening");
        let not = asked(&path, true).await.unwrap_err();
        assert_eq!(not, "not ready: not listening");
    }
}
