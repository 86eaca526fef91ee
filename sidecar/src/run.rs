//! `run`: puts the parts together, and takes them apart within a second of SIGTERM.

use crate::alarm::Alarm;
use crate::args::RunArgs;
use crate::board::Board;
use crate::config::Config;
use crate::driver::Driver;
use crate::link::Link;
use crate::socket;
use crate::store::Store;
use anyhow::Context as _;
use mooring_core::holder::{Holder, Spec};
use mooring_core::names::ClaimName;
use mooring_core::request;
use mooring_net::shutdown::Shutdown;
use mooring_net::{clock, log, random};
use std::sync::Arc;
use std::time::Duration;

/// How long giving back may take after SIGTERM.
const GIVE_BACK: Duration = Duration::from_millis(700);
/// The pause before a claim's task is started again.
const AFTER_A_DEFECT: Duration = Duration::from_secs(1);
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
    let claim = ClaimName::pod();
    let store = Store::new(&config.state_dir, &claim, clock::boot_id());
    let now = clock::boot();
    let spec = Spec {
        contact: config.contact,
        ..Spec::new(claim.clone(), config.items.clone(), config.start)
    };
    let holder = match store.load().context("MOORING_STATE_DIR")? {
        Some(saved) => {
            tracing::info!(%claim, "going on with the lease of before the restart");
            Holder::restore(spec.clone(), saved, now)
        }
        None => Holder::new(spec.clone(), random::secret(), now),
    };
    // Said now rather than at the first renewal: a state directory that cannot be written is a wrong configuration.
    store.save(holder.saved()).context("MOORING_STATE_DIR")?;

    let link = Link::new(config.client, config.token_file);
    let (licenses, server) = (request::print(&config.items), link.server());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), licenses, server, socket = %config.socket.display(), "starting");
    let (board, claims) = Board::new(server.to_owned(), vec![holder]);
    let listener = socket::bind(&config.socket).context("MOORING_SOCKET")?;
    let api = Arc::new(socket::Api::new(board.clone(), link.clone()));
    tokio::spawn(socket::serve(listener, api));

    let Some(at) = claims.first().copied() else {
        return Ok(());
    };
    let driver = Driver {
        at,
        claim,
        board,
        link,
        store,
        alarm: Arc::new(Alarm::new().context("a timer on the boot clock")?),
    };
    let mut driving = tokio::spawn(driver.clone().run(stop.clone()));
    loop {
        tokio::select! {
            // First, since giving back ends the task, too.
            biased;
            () = stop.asked() => break,
            // Only a defect ends it. To exit would not help: under some restart policies that hangs the pod.
            ended = &mut driving => {
                let error = ended.err().map(|e| e.to_string());
                tracing::error!(error, "the claim's task ended; going on from what was saved");
                tokio::time::sleep(AFTER_A_DEFECT).await;
                driver.begin_again(&spec);
                driving = tokio::spawn(driver.clone().run(stop.clone()));
            }
        }
    }
    if tokio::time::timeout(GIVE_BACK, driving).await.is_err() {
        tracing::warn!(
            "the license server did not take the lease back in time; it lapses there by itself"
        );
    }
    let _ = std::fs::remove_file(&config.socket);
    tokio::time::sleep(LAST_WORDS).await;
    Ok(())
}
