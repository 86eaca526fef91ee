//! How a Mooring process writes its log: to stderr, as text for people on a terminal and JSON
//! elsewhere. The lines of an audit log go to stdout as they are, behind a word that marks them,
//! whatever the filter says.

use mooring_core::audit::MARKER;
use std::io::IsTerminal as _;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// The target of events whose field `line` is a line of an audit log.
pub const AUDIT: &str = "audit";

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
    let targets = targets.with_target(AUDIT, LevelFilter::OFF);
    let audit = fmt::layer().with_writer(std::io::stdout);
    let audit = audit.event_format(MarkedLine);
    let started = tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .with(audit.with_filter(filter_fn(|m| m.target() == AUDIT)))
        .try_init();
    if started.is_ok()
        && let Some(e) = bad
    {
        tracing::warn!("log filter {filter:?} is not understood, using \"info\": {e}");
    }
}

/// Writes an event's field `line` behind the marker, and nothing else.
struct MarkedLine;

impl<S, N> FormatEvent<S, N> for MarkedLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut line = Line(String::new());
        event.record(&mut line);
        writeln!(writer, "{MARKER}{}", line.0)
    }
}

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "line" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
