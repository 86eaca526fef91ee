//! What `run`, `exec` and `agent` were told, checked once: a bad value names its variable and what
//! was expected.

use crate::args::HoldArgs;
use crate::credentials::Credentials;
use crate::options::Mode;
use crate::paths::{Paths, PathsError};
use crate::users::Users;
use crate::voucher::{OfflineStart, VoucherSource, read_at_most};
use clap::Args as _;
use mooring_core::names::ProjectName;
use mooring_core::policy::{OptimisticStart, Start};
use mooring_core::request::{self, Item};
use mooring_core::time::parse_span;
use mooring_net::client::{Client, ClientError};
use mooring_net::tls::{self, ClientFiles};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Where the service-account token lies in a pod.
const POD_TOKEN: &str = "/var/run/secrets/mooring.dev/token";
const MAX_ROOTS: u64 = 1024 * 1024;

#[derive(Debug, thiserror::Error)]
#[error("{}{variable}: {problem}", if *flag { flag_of(variable) } else { String::new() })]
pub(crate) struct ConfigError {
    variable: &'static str,
    problem: String,
    /// Whether people give flags here rather than variables.
    flag: bool,
}

/// The flag that a variable stands for, as an error names it.
fn flag_of(variable: &str) -> String {
    let command = HoldArgs::augment_args(clap::Command::new(""));
    let mut all = command.get_arguments();
    let arg = all.find(|a| a.get_env().is_some_and(|env| env == variable));
    let flag = arg.and_then(clap::Arg::get_long);
    flag.map(|f| format!("--{f}, ")).unwrap_or_default()
}

fn bad(variable: &'static str, problem: impl std::fmt::Display) -> ConfigError {
    ConfigError {
        variable,
        problem: problem.to_string(),
        flag: false,
    }
}

#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) items: Vec<Item>,
    pub(crate) client: Client,
    pub(crate) credentials: Credentials,
    /// What its seats are used for.
    pub(crate) project: Option<ProjectName>,
    pub(crate) start: Start,
    pub(crate) contact: Duration,
    pub(crate) max_grace: Duration,
    pub(crate) offline_start: OfflineStart,
    pub(crate) paths: Paths,
    pub(crate) users: Users,
    /// Whose members alone may use the socket.
    pub(crate) socket_group: Option<u32>,
}

impl Config {
    /// Checks every value. Nothing is connected to; folders are made outside of a pod.
    pub(crate) fn from_args(args: &HoldArgs, mode: Mode) -> Result<Self, ConfigError> {
        Self::checked(args, mode).map_err(|e| ConfigError {
            flag: mode != Mode::Run,
            ..e
        })
    }

    fn checked(args: &HoldArgs, mode: Mode) -> Result<Self, ConfigError> {
        let unlicensed = args.licenses.is_empty();
        let needed = [
            ("MOORING_LICENSES", unlicensed && mode != Mode::Agent),
            ("MOORING_SERVER", args.server.is_empty()),
            ("MOORING_ROOTS", args.roots.is_empty()),
        ];
        if let Some((variable, _)) = needed.into_iter().find(|(_, missing)| *missing) {
            let name = mode.name();
            let problem = format!("is not set; mooring-sidecar {name} --help says what it is");
            return Err(bad(variable, problem));
        }
        let items = match args.licenses.as_str() {
            "" => vec![],
            text => request::parse(text)
                .map_err(|e| bad("MOORING_LICENSES", format!("{text:?}: {e}")))?,
        };
        let project = match args.project.as_str() {
            "" => None,
            name => Some(ProjectName::new(name).map_err(|e| bad("MOORING_PROJECT", e))?),
        };
        let start: Start = args.start.parse().map_err(|e| bad("MOORING_START", e))?;
        let offline_start = offline_start(args, mode)?;
        let (variable, given) = ("MOORING_CONTACT_TIMEOUT", &args.contact_timeout);
        let contact = parse_span(given).map_err(|e| bad(variable, e))?;
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&contact) {
            return Err(bad(variable, format!("{given:?}: expected 1s to 60s")));
        }
        let (variable, given) = ("MOORING_MAX_GRACE", &args.max_grace);
        let max_grace = parse_span(given).map_err(|e| bad(variable, e))?;
        if max_grace.is_zero() {
            let expected = "expected 1s or more, such as \"20s\" or \"8h\"";
            return Err(bad(variable, format!("{given:?}: {expected}")));
        }
        let credentials = credentials(args, mode)?;
        let client = client(args, &credentials)?;
        let state_dir = path(args.state_dir.as_deref());
        let socket = path(args.socket.as_deref());
        let paths = Paths::find(mode, state_dir, socket).map_err(|e| match e {
            PathsError::Socket(p) => bad("MOORING_SOCKET", p),
            PathsError::StateDir(p) => bad("MOORING_STATE_DIR", p),
        })?;
        Ok(Self {
            items,
            client,
            credentials,
            project,
            start,
            contact,
            max_grace,
            offline_start,
            paths,
            users: match mode {
                Mode::Agent => Users::apart(),
                Mode::Run | Mode::Exec => Users::Together,
            },
            socket_group: group(&args.socket_group)?,
        })
    }
}

/// What is known of starts without a server. A voucher that is given as text must be one; a file
/// may come later. In a pod, where another wrote it for all, a bad one is only told: it must not
/// keep pods from starting with the license server.
fn offline_start(args: &HoldArgs, mode: Mode) -> Result<OfflineStart, ConfigError> {
    const VARIABLE: &str = "MOORING_OPTIMISTIC_START";
    let license = match args.optimistic_start.as_str() {
        "" => OptimisticStart::Allow,
        word => word.parse().map_err(|e| bad(VARIABLE, e))?,
    };
    let voucher = VoucherSource::new(&args.voucher);
    let offline_start = OfflineStart { license, voucher };
    if let Some(VoucherSource::Text(_)) = &offline_start.voucher
        && let Err(e) = offline_start.voucher()
    {
        if mode != Mode::Run {
            return Err(bad("MOORING_VOUCHER", e));
        }
        tracing::error!("MOORING_VOUCHER: {e}; see spec.voucher of the LicenseServer");
    }
    Ok(offline_start)
}

/// A group's number, by its name in /etc/group or as it is.
fn group(given: &str) -> Result<Option<u32>, ConfigError> {
    if given.is_empty() {
        return Ok(None);
    }
    let listed = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let number = listed.lines().find_map(|line| {
        let mut fields = line.split(':');
        let named = fields.next() == Some(given);
        fields.nth(1).filter(|_| named)?.parse().ok()
    });
    let number = given.parse().ok().or(number);
    let expected = "expected a group of this machine, by name or number";
    let number =
        number.ok_or_else(|| bad("MOORING_SOCKET_GROUP", format!("{given:?}: {expected}")));
    number.map(Some)
}

/// A path that is set; an empty variable is none.
fn path(given: Option<&Path>) -> Option<&Path> {
    given.filter(|p| !p.as_os_str().is_empty())
}

fn credentials(args: &HoldArgs, mode: Mode) -> Result<Credentials, ConfigError> {
    let token = path(args.token_file.as_deref());
    let cert = path(args.client_cert.as_deref());
    let key = path(args.client_key.as_deref());
    let (variable, problem) = match (token, cert, key) {
        (Some(file), None, None) => return Ok(Credentials::TokenFile(file.to_owned())),
        (Some(_), ..) => {
            let problem = "is set beside a client certificate; expected one of them";
            ("MOORING_TOKEN_FILE", problem)
        }
        (None, Some(cert), Some(key)) => {
            let files = ClientFiles::open(cert, key).map_err(|e| bad("MOORING_CLIENT_CERT", e))?;
            return Ok(Credentials::Certificate(files));
        }
        (None, Some(_), None) => ("MOORING_CLIENT_KEY", "is not set beside the certificate"),
        (None, None, Some(_)) => ("MOORING_CLIENT_CERT", "is not set beside the key"),
        (None, None, None) if mode == Mode::Run => {
            return Ok(Credentials::TokenFile(POD_TOKEN.into()));
        }
        (None, None, None) => {
            let problem =
                "is not set, and no client certificate either; one of them says who this is";
            ("MOORING_TOKEN_FILE", problem)
        }
    };
    Err(bad(variable, problem))
}

fn client(args: &HoldArgs, credentials: &Credentials) -> Result<Client, ConfigError> {
    let roots = roots(&args.roots)?;
    let tls = match credentials {
        Credentials::TokenFile(_) => tls::client_config(&roots, None),
        Credentials::Certificate(files) => tls::client_config_from_files(&roots, files.clone()),
    };
    let tls = tls.map_err(|e| {
        let expected =
            "expected certificates as PEM text (-----BEGIN CERTIFICATE-----), or a file of them";
        bad("MOORING_ROOTS", format!("{e}; {expected}"))
    })?;
    let addresses = addresses(&args.addresses)?;
    Client::new(&args.server, addresses, tls).map_err(|e| match e {
        ClientError::Url(url) => {
            let problem = format!("{url:?}: expected https://‹name›:‹port›");
            bad("MOORING_SERVER", problem)
        }
        e => bad("MOORING_SERVER", e),
    })
}

/// PEM text, given itself or as a file.
fn roots(given: &str) -> Result<String, ConfigError> {
    if given.contains("-----BEGIN") {
        return Ok(given.to_owned());
    }
    read_at_most(MAX_ROOTS, given.as_ref()).map_err(|e| {
        let start: String = given.chars().take(120).collect();
        let expected = "expected certificates as PEM text, or a file of them";
        bad("MOORING_ROOTS", format!("{start:?}: {e}; {expected}"))
    })
}

fn addresses(list: &str) -> Result<Vec<String>, ConfigError> {
    let expected = "expected ‹ip›:‹port›, several with commas; IPv6 as [::1]:8443";
    let parse = |a: &str| match a.parse::<SocketAddr>() {
        Ok(a) => Ok(a.to_string()),
        Err(_) => Err(bad("MOORING_ADDRESSES", format!("{a:?}: {expected}"))),
    };
    let all = list.split(',').map(str::trim).filter(|a| !a.is_empty());
    all.map(parse).collect()
}

#[cfg(test)]
mod tests;
