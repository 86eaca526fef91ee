//! The command line; each flag of `run` is also an environment variable (docs/contracts.md, "The sidecar").

use clap::{Args as ClapArgs, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Holds floating licenses for the containers of one pod.
///
/// Mooring's webhook adds it to pods with the annotation mooring.dev/licenses; nobody needs to start it by hand.
/// It claims the licenses from a license server, renews them, and says how they stand on a Unix socket that the
/// application reads: curl --unix-socket /run/mooring/mooring.sock http://mooring/v1/status
#[derive(Debug, Parser)]
#[command(name = "mooring-sidecar", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hold the licenses until SIGTERM, then give them back within a second.
    Run(Box<RunArgs>),
    /// Wait until the pod is licensed: exit 0 then, 1 when the time is over, saying why.
    ///
    /// This is the startup probe of the sidecar's container: the application's containers start after its success.
    /// It ends by itself, since a probe that times out makes the kubelet restart the sidecar.
    Probe(ProbeArgs),
    /// Print how the licenses stand: exit 0 if the pod is licensed, 1 if not.
    Status(StatusArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    /// What to claim, as the annotation mooring.dev/licenses writes it: product[@version][:seats], several with commas,
    /// such as "render@2026.1:2,denoise".
    #[arg(
        long,
        env = "MOORING_LICENSES",
        default_value = "",
        hide_default_value = true,
        value_name = "ITEMS"
    )]
    pub(crate) licenses: String,
    /// The license server; its certificate must be for this name.
    #[arg(
        long,
        env = "MOORING_SERVER",
        default_value = "",
        hide_default_value = true,
        value_name = "https://NAME:PORT"
    )]
    pub(crate) server: String,
    /// Where to connect to, so that no DNS is needed; without it the server's name is resolved.
    #[arg(
        long,
        env = "MOORING_ADDRESSES",
        value_name = "IP:PORT,…",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) addresses: String,
    /// The certificates to trust, as PEM text (not a path).
    #[arg(
        long,
        env = "MOORING_ROOTS",
        default_value = "",
        hide_default_value = true,
        value_name = "PEM",
        hide_env_values = true
    )]
    pub(crate) roots: String,
    /// The service-account token that says which pod this is; read anew for each use.
    #[arg(
        long,
        env = "MOORING_TOKEN_FILE",
        value_name = "FILE",
        default_value = "/var/run/secrets/mooring.dev/token"
    )]
    pub(crate) token_file: PathBuf,
    /// With no license server in reach: "optimistic" lets the application start under the grace, "licensed" waits.
    #[arg(
        long,
        env = "MOORING_START",
        value_name = "optimistic|licensed",
        default_value = "optimistic"
    )]
    pub(crate) start: String,
    /// How long to try for the license server's first answer before an optimistic start, and for each answer after it.
    #[arg(
        long,
        env = "MOORING_CONTACT_TIMEOUT",
        value_name = "DURATION",
        default_value = "15s"
    )]
    pub(crate) contact_timeout: String,
    /// The longest that the application may go on without contact, whatever the license server allows: it can shorten
    /// the server's grace, never lengthen it.
    #[arg(
        long = "grace",
        env = "MOORING_MAX_GRACE",
        value_name = "DURATION",
        default_value = "8h"
    )]
    pub(crate) max_grace: String,
    /// Where to keep the lease across a crash. It holds secrets: no other container may see it.
    #[arg(
        long,
        env = "MOORING_STATE_DIR",
        value_name = "DIR",
        default_value = "/var/lib/mooring"
    )]
    pub(crate) state_dir: PathBuf,
    /// Where the application finds the socket.
    #[arg(long, env = "MOORING_SOCKET", value_name = "PATH", default_value = mooring_client::DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
    /// What to log: a level (error, warn, info, debug) or a filter such as "info,mooring_sidecar=debug".
    #[arg(
        long,
        env = "MOORING_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    pub(crate) log: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ProbeArgs {
    /// How long to wait, such as "590s" or "5m". Keep it below the probe's timeoutSeconds.
    #[arg(long, value_name = "DURATION", default_value = "590s", value_parser = span)]
    pub(crate) timeout: Duration,
    /// The sidecar's socket.
    #[arg(long, env = "MOORING_SOCKET", value_name = "PATH", default_value = mooring_client::DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    /// Print what the socket says, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The sidecar's socket.
    #[arg(long, env = "MOORING_SOCKET", value_name = "PATH", default_value = mooring_client::DEFAULT_SOCKET)]
    pub(crate) socket: PathBuf,
}

fn span(s: &str) -> Result<Duration, String> {
    mooring_core::time::parse_span(s).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
