//! `run`: puts the parts together, and takes them apart within a second of SIGTERM.

use crate::args::RunArgs;
use crate::claims::{Claims, Terms};
use crate::config::Config;
use crate::link::Link;
use crate::socket;
use crate::store::Folder;
use anyhow::Context as _;
use mooring_core::request;
use mooring_net::shutdown::Shutdown;
use mooring_net::{clock, log};
use std::sync::Arc;
use std::time::Duration;

/// How long giving back may take after SIGTERM.
const GIVE_BACK: Duration = Duration::from_millis(700);
/// How long the socket's clients have to be told, after that.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Runs until SIGTERM or SIGINT.
pub(crate) fn main(args: &RunArgs) -> anyhow::Result<()> {
    let config = Config::from_args(args)?;
    log::start(&args.log);
    // One thread is enough; the second is for resolving a name where no address is given, and goes again.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_keep_alive(Duration::from_secs(1))
        .build()
        .context("starting")?;
    runtime.block_on(run(config))?;
    // A name that is being resolved is not waited for.
    runtime.shutdown_background();
    Ok(())
}

async fn run(config: Config) -> anyhow::Result<()> {
    let stop = Shutdown::on_signals().context("listening for SIGTERM")?;
    let link = Link::new(config.client, config.token_file, None);
    let (licenses, server) = (request::print(&config.items), link.server());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), licenses, server, socket = %config.socket.display(), "starting");
    let folder = Folder::new(&config.state_dir, clock::boot_id());
    let terms = Terms {
        contact: config.contact,
        max_grace: config.max_grace,
    };
    let (claims, mut all_ended) = Claims::new(link.clone(), folder, terms, stop.clone());
    claims
        .pod(config.items, config.start)
        .context("MOORING_STATE_DIR")?;
    let listener = socket::bind(&config.socket).context("MOORING_SOCKET")?;
    claims.restore().context("MOORING_STATE_DIR")?;
    let api = Arc::new(socket::Api::new(claims.clone(), link));
    tokio::spawn(socket::serve(listener, api));

    stop.asked().await;
    claims.close();
    if tokio::time::timeout(GIVE_BACK, all_ended.recv())
        .await
        .is_err()
    {
        tracing::warn!(
            "the license server did not take every lease back in time; what is left lapses there by itself"
        );
    }
    let _ = std::fs::remove_file(&config.socket);
    tokio::time::sleep(LAST_WORDS).await;
    Ok(())
}
