//! The sidecar's socket alone: what it says, unverified.

use crate::conn::{Answer, Request, ask};
use crate::error::Error;
use crate::events::Events;
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
            ask(&self.socket, &Request::get(path), FROM_MEMORY)?,
            FROM_MEMORY,
        )
    }

    /// Each change of the status, the present one first.
    pub fn events(&self) -> Result<Events, Error> {
        let path = "/v1/events";
        let answer = ask(&self.socket, &Request::get(path), FROM_MEMORY)?;
        match answer.status {
            200 => Ok(Events::new(answer)),
            _ => Err(problem(path, answer, FROM_MEMORY)),
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
        read(&path, ask(&self.socket, &Request::get(&path), time)?, time)
    }
}

fn read<T: DeserializeOwned>(path: &str, answer: Answer, time: Duration) -> Result<T, Error> {
    if answer.status != 200 {
        return Err(problem(path, answer, time));
    }
    let body = answer.whole(time)?;
    serde_json::from_slice(&body).map_err(|e| Error::Answer {
        path: path.to_owned(),
        problem: e.to_string(),
    })
}

fn problem(path: &str, answer: Answer, time: Duration) -> Error {
    let status = answer.status;
    match answer.whole(time) {
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
