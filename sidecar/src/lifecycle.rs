//! What `run`, `exec` and `agent` have in common: the parts put together, and taken apart in
//! bounded time.

use crate::claims::{Claims, Terms};
use crate::config::Config;
use crate::paths::Paths;
use crate::registry::Registry;
use crate::servers::Servers;
use crate::socket;
use crate::store::Folder;
use anyhow::Context as _;
use mooring_core::request;
use mooring_net::clock;
use mooring_net::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long giving back may take after SIGTERM.
const GIVE_BACK: Duration = Duration::from_millis(700);
/// How long the socket's clients have to be told, after that.
const LAST_WORDS: Duration = Duration::from_millis(50);

pub(crate) struct Holding {
    claims: Arc<Claims>,
    all_ended: mpsc::Receiver<()>,
    pub(crate) paths: Paths,
}

impl Holding {
    /// Claims what is configured and opens the socket. `stop` has everything given back;
    /// [`end`](Self::end) waits for that.
    pub(crate) fn begin(config: Config, stop: Shutdown) -> anyhow::Result<Self> {
        let paths = config.paths;
        let servers = Servers::new(config.servers, paths.prefix.as_ref())?;
        let licenses = config.items.iter().map(|i| request::print(i));
        let licenses = licenses.collect::<Vec<_>>().join(";");
        let server = servers.names().join(",");
        tracing::info!(version = env!("CARGO_PKG_VERSION"), licenses, server, socket = %paths.socket.display(), "starting");
        let folder = Folder::new(&paths.state_dir, clock::boot_id().to_string());
        let terms = Terms {
            contact: config.contact,
            project: config.project,
        };
        let users = config.users;
        let (claims, all_ended) = Claims::new(servers, folder, terms, users, stop);
        if !config.items.is_empty() {
            let pod = claims.pod(config.items, config.start);
            pod.context("MOORING_STATE_DIR")?;
        }
        let listener =
            socket::bind(&paths.socket, config.socket_group).context("MOORING_SOCKET")?;
        claims.restore().context("MOORING_STATE_DIR")?;
        let api = Arc::new(socket::Api::new(claims.clone()));
        tokio::spawn(socket::serve(listener, api, users));
        Ok(Self {
            claims,
            all_ended,
            paths,
        })
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.claims.registry
    }

    /// Waits until all claims are given back, after `stop` was asked; not longer than a service
    /// manager would like.
    pub(crate) async fn end(mut self) {
        self.claims.close();
        let ended = tokio::time::timeout(GIVE_BACK, self.all_ended.recv()).await;
        if ended.is_err() {
            tracing::warn!(
                "the license server did not take every lease back in time; what is left lapses there by itself"
            );
        }
        let _ = std::fs::remove_file(&self.paths.socket);
        tokio::time::sleep(LAST_WORDS).await;
    }
}

/// Runs on one thread; the second is for resolving a name where no address is given or answers, and
/// goes again.
pub(crate) fn on_one_thread<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_keep_alive(Duration::from_secs(1))
        .build()
        .context("starting")?;
    let done = runtime.block_on(work);
    // A name that is being resolved is not waited for.
    runtime.shutdown_background();
    done
}
