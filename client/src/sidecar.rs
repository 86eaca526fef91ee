//! The sidecar's socket alone: what it says, unverified.

use crate::conn::{Answer, Request, ask};
use crate::error::Error;
use crate::events::Events;
use crate::status::SidecarStatus;
use mooring_core::license::{Bundle, Envelope};
use mooring_core::names::{ClaimName, ProductName};
use mooring_core::wire::calls::{CallSpec, SocketCall, socket};
use mooring_core::wire::{ClaimStatus, SocketClaim, Status, is_nonce};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The environment variable that names the socket.
pub const SOCKET_VARIABLE: &str = "MOORING_SOCKET";
/// Where the socket is if the variable is not set.
pub const DEFAULT_SOCKET: &str = "/run/mooring/mooring.sock";

/// What is answered from the sidecar's memory comes at once; what the license server answers may
/// take a while.
const FROM_MEMORY: Duration = Duration::from_secs(5);
/// Longer than the sidecar itself waits for the license server.
const FROM_SERVER: Duration = Duration::from_secs(15);

/// A sidecar, reached over its socket. What it says is not verified: [`crate::Mooring::verify`]
/// does that.
#[derive(Clone, Debug)]
pub struct Sidecar {
    socket: PathBuf,
}

impl Sidecar {
    /// The sidecar behind this socket.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        let socket = socket.into();
        Self { socket }
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
        self.read(&socket::STATUS, socket::STATUS.path, FROM_MEMORY)
    }

    /// The same as the sidecar wrote it, in JSON: for other languages, and with what this version
    /// does not know.
    pub fn status_text(&self) -> Result<String, Error> {
        let path = socket::STATUS.path;
        let request = Request::of(&socket::STATUS, path);
        let body = self.succeed(&request, FROM_MEMORY)?.whole(FROM_MEMORY)?;
        String::from_utf8(body).map_err(|e| Error::answer(path, e))
    }

    /// Whether it answers as a sidecar does: no more is read of the status than a seat needs.
    pub(crate) fn answers(&self) -> Result<(), Error> {
        let text = self.status_text()?;
        let read = serde_json::from_str::<SidecarStatus>(&text);
        read.map(drop)
            .map_err(|e| Error::answer(socket::STATUS.path, e))
    }

    /// Each change of the status, the present one first.
    pub fn events(&self) -> Result<Events, Error> {
        let request = Request::of(&socket::EVENTS, socket::EVENTS.path);
        Ok(Events::new(self.succeed(&request, FROM_MEMORY)?))
    }

    /// The chain that proves a lease, the pod's or that of a `claim`: with a nonce (16 to 64
    /// characters of base64url) one that the license server has signed just now, without one the
    /// last that the sidecar has. Where the pod's seats come from several servers it is that of
    /// `product`.
    pub fn token(
        &self,
        claim: Option<&ClaimName>,
        product: Option<&ProductName>,
        nonce: Option<&str>,
    ) -> Result<Bundle, Error> {
        if let Some(n) = nonce.filter(|n| !is_nonce(n)) {
            let expected = "16 to 64 characters of base64url (A-Z, a-z, 0-9, '-', '_')";
            return Err(Error::argument("nonce", n, expected));
        }
        let time = nonce.map_or(FROM_MEMORY, |_| FROM_SERVER);
        let path = token_path(claim, product, nonce);
        self.read(&socket::TOKEN, &path, time)
    }

    /// The vendor's voucher that the sidecar was given, not verified:
    /// [`Mooring::voucher`](crate::Mooring::voucher) does that.
    pub fn voucher(&self) -> Result<Envelope, Error> {
        self.read(&socket::VOUCHER, socket::VOUCHER.path, FROM_MEMORY)
    }

    /// How one claim stands.
    pub fn claim(&self, name: &ClaimName) -> Result<ClaimStatus, Error> {
        let path = socket::GET_CLAIM.path_of(name);
        self.read(&socket::GET_CLAIM, &path, FROM_MEMORY)
    }

    /// Asks for seats under a name, for as long as nobody gives them back; waits until they are
    /// held, refused, or `wait` has passed (at most 600 s). Asking again for the same changes
    /// nothing. Not verified: follow it with [`Mooring::named`](crate::Mooring::named).
    pub fn put_claim(
        &self,
        name: &ClaimName,
        asked: &SocketClaim,
        wait: Duration,
    ) -> Result<ClaimStatus, Error> {
        let path = socket::PUT_CLAIM.path_of(name);
        let body = serde_json::to_vec(asked).map_err(|e| Error::Broken(e.to_string()))?;
        let request = Request {
            wait: Some(wait),
            body: Some(&body),
            ..Request::of(&socket::PUT_CLAIM, &path)
        };
        let answer = self.succeed(&request, wait + FROM_MEMORY)?;
        parse(&path, answer, FROM_MEMORY)
    }

    /// Gives the seats of a claim back.
    pub fn delete_claim(&self, name: &ClaimName) -> Result<(), Error> {
        let path = socket::DELETE_CLAIM.path_of(name);
        let request = Request::of(&socket::DELETE_CLAIM, &path);
        self.succeed(&request, FROM_MEMORY).map(drop)
    }

    fn read<T: DeserializeOwned>(
        &self,
        call: &CallSpec<SocketCall>,
        path: &str,
        time: Duration,
    ) -> Result<T, Error> {
        parse(path, self.succeed(&Request::of(call, path), time)?, time)
    }

    /// An answer of success; anything else is an error.
    fn succeed(&self, request: &Request<'_>, time: Duration) -> Result<Answer, Error> {
        let answer = ask(&self.socket, request, time)?;
        let status = answer.status;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        Err(Error::of_answer(request.path, status, &answer.whole(time)?))
    }
}

/// Where a token is asked for. The pod's claim is what the sidecar answers for by itself; of which
/// of its licenses says the product.
pub(crate) fn token_path(
    claim: Option<&ClaimName>,
    product: Option<&ProductName>,
    nonce: Option<&str>,
) -> String {
    let claim = claim.filter(|n| **n != ClaimName::pod());
    let product = product
        .filter(|_| claim.is_none())
        .map(|p| in_a_query(p.as_str()));
    let parameters = [
        nonce.map(|n| format!("nonce={n}")),
        claim.map(|c| format!("claim={c}")),
        product.map(|p| format!("product={p}")),
    ];
    let query: Vec<String> = parameters.into_iter().flatten().collect();
    let path = socket::TOKEN.path;
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", query.join("&"))
    }
}

/// A product's name or a version as it stands in a query: some would read a plus sign as a space.
pub(crate) fn in_a_query(word: &str) -> String {
    word.replace('+', "%2B")
}

fn parse<T: DeserializeOwned>(path: &str, answer: Answer, time: Duration) -> Result<T, Error> {
    serde_json::from_slice(&answer.whole(time)?).map_err(|e| Error::answer(path, e))
}
