//! SIGTERM and SIGINT.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Says once, to all who listen, that the process is to end.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// One that a test or a caller triggers by sending `true`.
    pub fn channel() -> (watch::Sender<bool>, Self) {
        let (tx, rx) = watch::channel(false);
        (tx, Self(rx))
    }

    /// One that SIGTERM or SIGINT triggers. Call it inside a tokio runtime.
    pub fn on_signals() -> std::io::Result<Self> {
        let (tx, this) = Self::channel();
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            let name = tokio::select! { _ = term.recv() => "SIGTERM", _ = int.recv() => "SIGINT" };
            tracing::info!(signal = name, "ending");
            let _ = tx.send(true);
            // The sender lives on, so that `asked` stays true for who looks later.
            std::future::pending::<()>().await;
        });
        Ok(this)
    }

    /// Waits until it is to end.
    pub async fn asked(&self) {
        let mut rx = self.0.clone();
        // An error means that the sender is gone without a word: then nobody will ever ask.
        if rx.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it is to end.
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }
}
