//! The command line; what `run`, `exec` and `agent` share is also environment variables
//! (docs/contracts.md, "The sidecar").

use crate::each::Each;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand};
use mooring_core::annotation;
use mooring_core::policy::OnLoss;
use std::ffi::OsString;
use std::path::PathBuf;

/// Holds floating licenses for the containers of one pod, or for the applications of one machine.
///
/// It claims licenses from a license server, renews them, and says how they stand on a Unix socket
/// that the application reads: curl --unix-socket "$MOORING_SOCKET" http://mooring/v1/status
///
/// In Kubernetes, Mooring's webhook adds it to pods with the annotation mooring.dev/licenses;
/// nobody needs to start it by hand. Elsewhere, "exec" runs one application with its licenses, and
/// "agent" serves a whole machine.
#[derive(Debug, Parser)]
#[command(name = "mooring-sidecar", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Hold the licenses until SIGTERM, then give them back within a second.
    Run(Box<HoldArgs>),
    /// Wait until licensed, run an application, and give the licenses back when it ends, however it
    /// ends.
    ///
    /// Signals are passed on to the application, and its exit code is this command's: 128 + N when
    /// signal N ended it. 127 and 126 say that the application was not found or cannot be run
    /// (nothing is claimed then), 125 that there was no license to be had: a wrong configuration,
    /// or the license server refuses. While it waits, what it waits for is on stderr. If this
    /// command itself is killed (SIGKILL), the application gets SIGTERM and the license lapses.
    ///
    /// Example: mooring-sidecar exec --server https://licenses.example:8443 --roots ca.crt
    /// --token-file ~/.mooring-token --licenses render:2 -- ./render scene.xml
    Exec(Box<ExecArgs>),
    /// Serve a machine: a socket for its applications, as a service.
    ///
    /// Applications claim on the socket ("PUT /v1/claims/…", "POST /v1/hold"), through the client
    /// library or by hand; with --licenses the agent holds licenses of its own, too. It tells
    /// systemd (Type=notify) when the socket listens. After a crash it goes on with every claim; on
    /// SIGTERM it gives all back within a second.
    Agent(Box<HoldArgs>),
    /// Wait until the pod is licensed, without end: exit 0 then.
    ///
    /// This is the init container behind the sidecar: the application's containers start after its
    /// success. What it waits for is on stderr, a line for each change. It outlives the sidecar's
    /// restarts; SIGTERM ends it.
    Gate(GateArgs),
    /// Print how the licenses stand: exit 0 if the pod is licensed, 1 if not.
    Status(StatusArgs),
    /// What `exec` starts: sees to it that the application does not outlive it, then becomes the
    /// application.
    #[command(hide = true, name = crate::options::APP)]
    App(AppArgs),
}

/// What all that hold have in common. Each flag is also an environment variable.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct HoldArgs {
    /// What to claim, as the annotation mooring.dev/licenses writes it: product[@version][:seats],
    /// several with commas, such as "render@2026.1:2,denoise". With several license servers these are
    /// asked of all of them, unless there is an entry for each, with ';' between them: servers with
    /// the same entry are a pool, and of others all must grant theirs.
    #[arg(long, env = annotation::LICENSES.variable(), value_name = "ITEMS")]
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) licenses: Each,
    /// What the seats are used for, for the license server's metrics, audit log and reports: 1 to
    /// 63 of a-z, 0-9 and '-'.
    #[arg(long, env = annotation::PROJECT.variable(), value_name = "NAME")]
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) project: String,
    /// The license server; its certificate must be for this name. Several that have the same
    /// products, with ';' between them: a claim stands in the lines of all, and has its seats from
    /// the first that grants them. Of addresses, roots, token file, voucher, optimistic start and
    /// grace each server may then have its own, with ';' in the same order.
    #[arg(long, env = "MOORING_SERVER", value_name = "https://NAME:PORT;…")]
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) server: Each,
    /// Where to connect to, so that no DNS is needed; without it, or when none of them answers, the
    /// server's name is resolved.
    #[arg(long, env = "MOORING_ADDRESSES", value_name = "IP:PORT,…")]
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) addresses: Each,
    /// The certificates to trust: a PEM file, or PEM text itself.
    #[arg(long, env = "MOORING_ROOTS", value_name = "FILE|PEM")]
    #[arg(default_value = "", hide_default_value = true, hide_env_values = true)]
    pub(crate) roots: Each,
    /// The token that says who this is; read anew for each use. In a pod its service-account token
    /// (/var/run/secrets/mooring.dev/token), elsewhere one that "mooring client issue" made.
    #[arg(long, env = "MOORING_TOKEN_FILE", value_name = "FILE")]
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) token_file: Each,
    /// Instead of a token: a client certificate (PEM), read anew when it changes. Needs
    /// --client-key.
    #[arg(long, env = "MOORING_CLIENT_CERT", value_name = "FILE")]
    pub(crate) client_cert: Option<PathBuf>,
    /// The client certificate's key (PEM).
    #[arg(long, env = "MOORING_CLIENT_KEY", value_name = "FILE")]
    pub(crate) client_key: Option<PathBuf>,
    /// With no license server in reach: "optimistic" lets the application start under the grace,
    /// "licensed" waits.
    #[arg(long, env = annotation::START.variable())]
    #[arg(value_name = "optimistic|licensed", default_value = "optimistic")]
    pub(crate) start: String,
    /// What the license says of that start, as far as is known before the license server has
    /// answered: "voucher" allows it with a voucher of the vendor's alone, "deny" not at all.
    #[arg(long, env = "MOORING_OPTIMISTIC_START")]
    #[arg(value_name = "allow|voucher|deny", default_value = "allow")]
    pub(crate) optimistic_start: Each,
    /// The vendor's voucher, a permit to start with no license server in reach: a file, or its text
    /// itself.
    #[arg(long, env = "MOORING_VOUCHER", value_name = "FILE|TEXT")]
    #[arg(default_value = "", hide_default_value = true, hide_env_values = true)]
    pub(crate) voucher: Each,
    /// How long to try for the license server's first answer before an optimistic start, and for
    /// each answer after it.
    #[arg(long, env = "MOORING_CONTACT_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "15s")]
    pub(crate) contact_timeout: String,
    /// The longest that the application may go on without contact: it can shorten the license
    /// server's grace, never lengthen it.
    #[arg(long = "grace", env = "MOORING_MAX_GRACE", value_name = "DURATION")]
    #[arg(default_value = "8h")]
    pub(crate) max_grace: Each,
    /// Where to keep the leases across a crash. It holds secrets: nobody else may see it. In a pod
    /// /var/lib/mooring, elsewhere a private folder under $XDG_RUNTIME_DIR/mooring or /run/mooring.
    #[arg(long, env = "MOORING_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Where the application finds the socket. In a pod /run/mooring/mooring.sock, elsewhere beside
    /// the state.
    #[arg(long, env = "MOORING_SOCKET", value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// The group whose members alone may use the socket; without it every user who reaches it may.
    #[arg(long, env = "MOORING_SOCKET_GROUP", value_name = "GROUP")]
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) socket_group: String,
    /// What to log: a level (error, warn, info, debug) or a filter such as
    /// "info,mooring_sidecar=debug". "error" for exec, "info" otherwise.
    #[arg(long, env = annotation::LOG_LEVEL.variable(), value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) hold: HoldArgs,
    /// When the license is lost while the application runs: "keep" tells it on the socket and lets
    /// it run, "stop" sends it SIGTERM, and SIGKILL ten seconds later.
    #[arg(long, value_parser = on_loss(), default_value_t = OnLoss::Keep)]
    pub(crate) on_loss: OnLoss,
    /// The application, with its arguments.
    #[arg(last = true, required = true, value_name = "APP")]
    pub(crate) app: Vec<OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct AppArgs {
    /// Who must still be the parent.
    pub(crate) parent: i32,
    /// The file to run.
    pub(crate) file: PathBuf,
    /// The application as it was called, with its arguments.
    #[arg(last = true, required = true)]
    pub(crate) app: Vec<OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GateArgs {
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

/// Its words stand in the help, which clap cannot learn from `FromStr` alone.
fn on_loss() -> impl TypedValueParser<Value = OnLoss> {
    let words = OnLoss::ALL.iter().map(|o| o.as_str());
    PossibleValuesParser::new(words).try_map(|word| word.parse::<OnLoss>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn each_variable_of_the_table_of_annotations_is_a_flags_with_the_same_default() {
        let command = HoldArgs::augment_args(clap::Command::new(""));
        for a in &annotation::ALL {
            let Some(variable) = a.env else { continue };
            let mut all = command.get_arguments();
            let arg = all.find(|arg| arg.get_env().is_some_and(|env| env == variable));
            let Some(arg) = arg else {
                panic!("{a}: no flag has the variable {variable}")
            };
            if let Some(default) = a.default {
                assert_eq!(arg.get_default_values(), [default], "{a}");
            }
        }
    }
}
