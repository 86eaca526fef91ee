//! What `run` was told, checked once: a bad value names its variable and what was expected.

use crate::args::RunArgs;
use mooring_core::holder::Start;
use mooring_core::request::{self, Item};
use mooring_core::time::parse_span;
use mooring_net::client::{Client, ClientError};
use mooring_net::tls;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A value that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub(crate) struct ConfigError {
    variable: &'static str,
    problem: String,
}

fn bad(variable: &'static str, problem: impl std::fmt::Display) -> ConfigError {
    ConfigError {
        variable,
        problem: problem.to_string(),
    }
}

/// All that `run` needs.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) items: Vec<Item>,
    pub(crate) client: Client,
    pub(crate) token_file: PathBuf,
    pub(crate) start: Start,
    pub(crate) contact: Duration,
    pub(crate) max_grace: Duration,
    pub(crate) state_dir: PathBuf,
    pub(crate) socket: PathBuf,
}

impl Config {
    /// Checks every value; nothing is connected to or written yet.
    pub(crate) fn from_args(args: &RunArgs) -> Result<Self, ConfigError> {
        let needed = [
            ("MOORING_LICENSES", &args.licenses),
            ("MOORING_SERVER", &args.server),
            ("MOORING_ROOTS", &args.roots),
        ];
        if let Some((variable, _)) = needed.into_iter().find(|(_, v)| v.is_empty()) {
            return Err(bad(
                variable,
                "is not set; mooring-sidecar run --help says what it is",
            ));
        }
        let items = request::parse(&args.licenses)
            .map_err(|e| bad("MOORING_LICENSES", format!("{:?}: {e}", args.licenses)))?;
        let start = match args.start.as_str() {
            "optimistic" => Start::Optimistic,
            "licensed" => Start::Licensed,
            other => {
                return Err(bad(
                    "MOORING_START",
                    format!("{other:?}: expected \"optimistic\" or \"licensed\""),
                ));
            }
        };
        let tls = tls::client_config(&args.roots, None).map_err(|e| {
            bad(
                "MOORING_ROOTS",
                format!("{e}; expected certificates as PEM text (-----BEGIN CERTIFICATE-----)"),
            )
        })?;
        let addresses = addresses(&args.addresses)?;
        let client = Client::new(&args.server, addresses, tls).map_err(|e| match e {
            ClientError::Url(url) => bad(
                "MOORING_SERVER",
                format!("{url:?}: expected https://‹name›:‹port›"),
            ),
            e => bad("MOORING_SERVER", e),
        })?;
        let contact =
            parse_span(&args.contact_timeout).map_err(|e| bad("MOORING_CONTACT_TIMEOUT", e))?;
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&contact) {
            return Err(bad(
                "MOORING_CONTACT_TIMEOUT",
                format!("{:?}: expected 1s to 60s", args.contact_timeout),
            ));
        }
        let max_grace = parse_span(&args.max_grace).map_err(|e| bad("MOORING_MAX_GRACE", e))?;
        if max_grace.is_zero() {
            return Err(bad(
                "MOORING_MAX_GRACE",
                format!(
                    "{:?}: expected 1s or more, such as \"20s\" or \"8h\"",
                    args.max_grace
                ),
            ));
        }
        // The kernel keeps 108 bytes for a socket's path, and the sidecar binds one beside it first.
        let socket = args.socket.clone();
        if !socket.is_absolute() || socket.as_os_str().len() > 100 {
            let path = socket.display();
            return Err(bad(
                "MOORING_SOCKET",
                format!("\"{path}\": expected an absolute path of at most 100 bytes"),
            ));
        }
        let (token_file, state_dir) = (args.token_file.clone(), args.state_dir.clone());
        Ok(Self {
            items,
            client,
            token_file,
            start,
            contact,
            max_grace,
            state_dir,
            socket,
        })
    }
}

fn addresses(list: &str) -> Result<Vec<String>, ConfigError> {
    let parse = |a: &str| match a.parse::<SocketAddr>() {
        Ok(a) => Ok(a.to_string()),
        Err(_) => Err(bad(
            "MOORING_ADDRESSES",
            format!("{a:?}: expected ‹ip›:‹port›, several with commas; IPv6 as [::1]:8443"),
        )),
    };
    list.split(',')
        .map(str::trim)
        .filter(|a| !a.is_empty())
        .map(parse)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
    use super::*;

    const ROOT: &str = include_str!("../tests/data/root.pem");

    fn args() -> RunArgs {
        RunArgs {
            licenses: "render:2".into(),
            server: "https://main.licensing.svc:8443".into(),
            addresses: "10.0.0.1:8443, [fd00::1]:8443".into(),
            roots: ROOT.into(),
            token_file: "/t".into(),
            start: "licensed".into(),
            contact_timeout: "15s".into(),
            max_grace: "8h".into(),
            state_dir: "/s".into(),
            socket: "/run/mooring/mooring.sock".into(),
            log: "info".into(),
        }
    }

    fn refused(change: impl FnOnce(&mut RunArgs)) -> String {
        let mut a = args();
        change(&mut a);
        Config::from_args(&a).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn a_good_configuration_is_taken() {
        let c = Config::from_args(&args()).unwrap();
        assert_eq!(c.start, Start::Licensed);
        assert_eq!(c.client.server(), "main.licensing.svc:8443");
    }

    #[test]
    fn a_bad_value_names_its_variable_and_what_was_expected() {
        let e = refused(|a| a.licenses = "render:two".into());
        assert_eq!(
            e,
            "MOORING_LICENSES: \"render:two\": character 8: 't', expected a number of seats from 1 to 1000000"
        );
        let e = refused(|a| a.server = "http://main:8443".into());
        assert_eq!(
            e,
            "MOORING_SERVER: \"http://main:8443\": expected https://‹name›:‹port›"
        );
        assert!(
            refused(|a| a.roots = "nonsense".into())
                .starts_with("MOORING_ROOTS: root certificates: none")
        );
        let unset = "MOORING_ROOTS: is not set; mooring-sidecar run --help says what it is";
        assert_eq!(refused(|a| a.roots = String::new()), unset);
        assert!(
            refused(|a| a.addresses = "localhost:8443".into())
                .contains("MOORING_ADDRESSES: \"localhost:8443\": expected")
        );
        assert!(refused(|a| a.start = "later".into()).starts_with("MOORING_START: \"later\""));
        assert!(
            refused(|a| a.contact_timeout = "0s".into())
                .contains("MOORING_CONTACT_TIMEOUT: \"0s\": expected 1s to 60s")
        );
        assert!(
            refused(|a| a.max_grace = "0s".into())
                .starts_with("MOORING_MAX_GRACE: \"0s\": expected 1s")
        );
        assert!(refused(|a| a.socket = "mooring.sock".into()).starts_with("MOORING_SOCKET:"));
    }
}
