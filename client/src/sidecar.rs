//! The sidecar's socket alone: what it says, unverified.

use crate::error::Error;
use crate::events::Events;
use crate::http::{self, Response};
use mooring_core::license::Bundle;
use mooring_core::wire::{Problem, Status};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The environment variable that names the socket.
pub const SOCKET_VARIABLE: &str = "MOORING_SOCKET";
/// Where the socket is if the variable is not set.
pub const DEFAULT_SOCKET: &str = "/run/mooring/mooring.sock";

/// What is answered from the sidecar's memory comes at once; what the license server answers may take a while.
const FROM_MEMORY: Duration = Duration::from_secs(5);
/// Longer than the sidecar itself waits for the license server.
const FROM_SERVER: Duration = Duration::from_secs(15);

/// A sidecar, reached over its socket. What it says is not verified: [`crate::Mooring::verify`] does that.
#[derive(Clone, Debug)]
pub struct Sidecar {
    socket: PathBuf,
}

impl Sidecar {
    /// The sidecar behind this socket.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// The sidecar behind `$MOORING_SOCKET`, or behind [`DEFAULT_SOCKET`].
    pub fn from_env() -> Self {
        let set = std::env::var_os(SOCKET_VARIABLE).filter(|v| !v.is_empty());
        Self::at(set.map_or_else(|| PathBuf::from(DEFAULT_SOCKET), PathBuf::from))
    }

    /// Where it is.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How the claims stand now; the sidecar answers from memory.
    pub fn status(&self) -> Result<Status, Error> {
        let path = "/v1/status";
        read(
            path,
            http::get(&self.socket, path, FROM_MEMORY)?,
            FROM_MEMORY,
        )
    }

    /// Each change of the status, the present one first.
    pub fn events(&self) -> Result<Events, Error> {
        let path = "/v1/events";
        let response = http::get(&self.socket, path, FROM_MEMORY)?;
        match response.status {
            200 => Ok(Events::new(response)),
            _ => Err(problem(path, response, FROM_MEMORY)),
        }
    }

    /// The chain that proves the lease: with a nonce (16 to 64 characters of base64url) one that the license server
    /// has signed just now, without one the last that the sidecar has.
    pub fn token(&self, nonce: Option<&str>) -> Result<Bundle, Error> {
        let (path, time) = match nonce {
            None => ("/v1/token".to_owned(), FROM_MEMORY),
            Some(n) => {
                let url_safe = n
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
                if !url_safe || !(16..=64).contains(&n.len()) {
                    let expected =
                        "16 to 64 characters of base64url (A-Z, a-z, 0-9, '-', '_')".into();
                    return Err(Error::Argument {
                        field: "nonce",
                        value: n.chars().take(80).collect(),
                        expected,
                    });
                }
                (format!("/v1/token?nonce={n}"), FROM_SERVER)
            }
        };
        read(&path, http::get(&self.socket, &path, time)?, time)
    }
}

fn read<T: DeserializeOwned>(path: &str, response: Response, time: Duration) -> Result<T, Error> {
    if response.status != 200 {
        return Err(problem(path, response, time));
    }
    let body = response.whole(time)?;
    serde_json::from_slice(&body).map_err(|e| Error::Answer {
        path: path.to_owned(),
        problem: e.to_string(),
    })
}

fn problem(path: &str, response: Response, time: Duration) -> Error {
    let status = response.status;
    match response.whole(time) {
        Err(e) => e,
        Ok(body) => match serde_json::from_slice::<Problem>(&body) {
            Ok(p) => Error::Problem(p),
            Err(e) => {
                let problem = format!("status {status} without a problem that is understood: {e}");
                Error::Answer {
                    path: path.to_owned(),
                    problem,
                }
            }
        },
    }
}
