//! How a Mooring process writes its log: to stderr, as text for people on a terminal and JSON elsewhere.

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts the log. `filter` is a `tracing` filter such as `info` or `mooring_server=debug`.
pub fn start(filter: &str) {
    let (filter, bad) = match EnvFilter::try_new(filter) {
        Ok(f) => (f, None),
        Err(e) => (EnvFilter::new("info"), Some(e)),
    };
    let b = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        b.with_target(false).try_init()
    } else {
        b.json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
    };
    if started.is_ok()
        && let Some(e) = bad
    {
        tracing::warn!("log filter is not understood, using \"info\": {e}");
    }
}
