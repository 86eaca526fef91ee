//! What `run`, `exec` and `agent` were told, checked once: a bad value names its variable and what
//! was expected.

use crate::args::HoldArgs;
use crate::credentials::Credentials;
use crate::each::Each;
use crate::options::Mode;
use crate::paths::{Paths, PathsError};
use crate::users::Users;
use crate::voucher::{OfflineStart, VoucherSource, read_at_most};
use clap::Args as _;
use mooring_core::annotation::MAX_SERVERS;
use mooring_core::names::ProjectName;
use mooring_core::policy::{OptimisticStart, Start};
use mooring_core::request::{self, Item};
use mooring_core::time::{DEFAULT_GRACE, parse_span};
use mooring_net::client::{Client, ClientError};
use mooring_net::tls::{self, ClientFiles};
use std::collections::HashSet;
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
    /// What is asked of each server, in their order; empty of an agent with no claim of its own.
    pub(crate) items: Vec<Vec<Item>>,
    /// At least one.
    pub(crate) servers: Vec<ServerConfig>,
    /// What its seats are used for.
    pub(crate) project: Option<ProjectName>,
    pub(crate) start: Start,
    pub(crate) contact: Duration,
    pub(crate) paths: Paths,
    pub(crate) users: Users,
    /// Whose members alone may use the socket.
    pub(crate) socket_group: Option<u32>,
}

/// What was told of one license server.
#[derive(Debug)]
pub(crate) struct ServerConfig {
    pub(crate) client: Client,
    pub(crate) credentials: Credentials,
    pub(crate) max_grace: Duration,
    pub(crate) offline_start: OfflineStart,
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
        let items = items(args)?;
        let project = match args.project.as_str() {
            "" => None,
            name => Some(ProjectName::new(name).map_err(|e| bad("MOORING_PROJECT", e))?),
        };
        let start: Start = args.start.parse().map_err(|e| bad("MOORING_START", e))?;
        let (variable, given) = ("MOORING_CONTACT_TIMEOUT", &args.contact_timeout);
        let contact = parse_span(given).map_err(|e| bad(variable, e))?;
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&contact) {
            return Err(bad(variable, format!("{given:?}: expected 1s to 60s")));
        }
        let servers = servers(args, mode)?;
        let state_dir = path(args.state_dir.as_deref());
        let socket = path(args.socket.as_deref());
        let paths = Paths::find(mode, state_dir, socket).map_err(|e| match e {
            PathsError::Socket(p) => bad("MOORING_SOCKET", p),
            PathsError::StateDir(p) => bad("MOORING_STATE_DIR", p),
        })?;
        Ok(Self {
            items,
            servers,
            project,
            start,
            contact,
            paths,
            users: match mode {
                Mode::Agent => Users::apart(),
                Mode::Run | Mode::Exec => Users::Together,
            },
            socket_group: group(&args.socket_group)?,
        })
    }
}

/// What is asked of each server.
fn items(args: &HoldArgs) -> Result<Vec<Vec<Item>>, ConfigError> {
    const VARIABLE: &str = "MOORING_LICENSES";
    if args.licenses.is_empty() {
        return Ok(Vec::new());
    }
    let count = args.server.entries().len();
    let of = |n| {
        let text = args.licenses.of(n, count).map_err(|e| bad(VARIABLE, e))?;
        request::parse(text).map_err(|e| bad(VARIABLE, format!("{text:?}: {e}")))
    };
    let all = (0..count).map(of).collect::<Result<Vec<_>, _>>()?;
    let mut seen = HashSet::new();
    for (n, items) in all.iter().enumerate() {
        // Those with the same entry are one part.
        if all.iter().position(|other| other == items) != Some(n) {
            continue;
        }
        if let Some(item) = items.iter().find(|i| !seen.insert(&i.product)) {
            let problem = format!(
                "{}: is asked of several servers in entries that differ; expected each product in one entry, or in entries that are the same",
                item.product
            );
            return Err(bad(VARIABLE, problem));
        }
    }
    Ok(all)
}

/// Which part of the claim each server's entry is: those that ask for the same are one.
pub(crate) fn parts(items: &[Vec<Item>]) -> Vec<usize> {
    let mut known: Vec<&Vec<Item>> = Vec::new();
    let number = |entry| {
        let at = known.iter().position(|k| *k == entry);
        at.unwrap_or_else(|| {
            known.push(entry);
            known.len() - 1
        })
    };
    items.iter().map(number).collect()
}

/// Each server once, and not too many: a claim stands in the lines of all of them.
fn servers(args: &HoldArgs, mode: Mode) -> Result<Vec<ServerConfig>, ConfigError> {
    const VARIABLE: &str = "MOORING_SERVER";
    let urls = args.server.entries();
    if urls.len() > MAX_SERVERS {
        let problem = format!("{} servers, expected at most {MAX_SERVERS}", urls.len());
        return Err(bad(VARIABLE, problem));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = urls.iter().find(|url| !seen.insert(url.as_str())) {
        return Err(bad(
            VARIABLE,
            format!("{twice:?}: expected each server once"),
        ));
    }
    let each = 0..urls.len();
    each.map(|n| server(args, n, mode)).collect()
}

/// The n-th of them.
fn server(args: &HoldArgs, n: usize, mode: Mode) -> Result<ServerConfig, ConfigError> {
    let count = args.server.entries().len();
    let of = |list: &Each, variable| {
        let entry = list.of(n, count).map(str::to_owned);
        entry.map_err(|e| bad(variable, e))
    };
    let (variable, given) = (
        "MOORING_MAX_GRACE",
        of(&args.max_grace, "MOORING_MAX_GRACE")?,
    );
    let max_grace = match given.as_str() {
        "" => DEFAULT_GRACE,
        given => parse_span(given).map_err(|e| bad(variable, e))?,
    };
    if max_grace.is_zero() {
        let expected = "expected 1s or more, such as \"20s\" or \"8h\"";
        return Err(bad(variable, format!("{given:?}: {expected}")));
    }
    let license = of(&args.optimistic_start, "MOORING_OPTIMISTIC_START")?;
    let voucher = of(&args.voucher, "MOORING_VOUCHER")?;
    let offline_start = offline_start(&license, &voucher, mode)?;
    let token_file = of(&args.token_file, "MOORING_TOKEN_FILE")?;
    let credentials = credentials(args, &token_file, mode)?;
    let url = of(&args.server, "MOORING_SERVER")?;
    let roots = of(&args.roots, "MOORING_ROOTS")?;
    let addresses = of(&args.addresses, "MOORING_ADDRESSES")?;
    Ok(ServerConfig {
        client: client((&url, &roots, &addresses), &credentials)?,
        credentials,
        max_grace,
        offline_start,
    })
}

/// What is known of starts without a server. A voucher that is given as text must be one; a file
/// may come later. In a pod, where another wrote it for all, a bad one is only told: it must not
/// keep pods from starting with the license server.
fn offline_start(license: &str, voucher: &str, mode: Mode) -> Result<OfflineStart, ConfigError> {
    const VARIABLE: &str = "MOORING_OPTIMISTIC_START";
    let license = match license {
        "" => OptimisticStart::Allow,
        word => word.parse().map_err(|e| bad(VARIABLE, e))?,
    };
    let voucher = VoucherSource::new(voucher);
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

fn credentials(args: &HoldArgs, token_file: &str, mode: Mode) -> Result<Credentials, ConfigError> {
    let token = path(Some(Path::new(token_file)));
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

fn client(
    (url, given, addresses): (&str, &str, &str),
    credentials: &Credentials,
) -> Result<Client, ConfigError> {
    let roots = roots(given)?;
    let tls = match credentials {
        Credentials::TokenFile(_) => tls::client_config(&roots, None),
        Credentials::Certificate(files) => tls::client_config_from_files(&roots, files.clone()),
    };
    let tls = tls.map_err(|e| {
        let expected =
            "expected certificates as PEM text (-----BEGIN CERTIFICATE-----), or a file of them";
        bad("MOORING_ROOTS", format!("{e}; {expected}"))
    })?;
    Client::new(url, self::addresses(addresses)?, tls).map_err(|e| match e {
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
