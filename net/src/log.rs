//! How a Mooring process writes its log: to stderr, as text for people on a terminal and JSON
//! elsewhere.

use std::io::IsTerminal as _;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// Starts the log. `filter` is a list such as `info` or `info,mooring_server=debug`.
pub fn start(filter: &str) {
    let (targets, bad) = match filter.parse::<Targets>() {
        Ok(t) => (t, None),
        Err(e) => (Targets::new().with_default(Level::INFO), Some(e)),
    };
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = if std::io::stderr().is_terminal() {
        layer.with_target(false).boxed()
    } else {
        let json = layer.json().flatten_event(true);
        json.with_current_span(false).with_span_list(false).boxed()
    };
    let started = tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init();
    if started.is_ok()
        && let Some(e) = bad
    {
        tracing::warn!("log filter {filter:?} is not understood, using \"info\": {e}");
    }
}
