//! One request over the sidecar's socket: [`Conn`] never blocks; [`Answer`] waits on it until a
//! deadline.

use crate::clock::boot;
use crate::error::Error;
use crate::http::{Incoming, Unreadable};
use mooring_core::license::MAX_FILE;
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;
use mooring_core::wire::SECRET_HEADER;
use mooring_core::wire::calls::{CallSpec, SocketCall};
use mooring_forked::Guard;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType,
    connect, recv, send, shutdown, socket_with,
};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// The longest body that is read whole: a license comes with each token.
pub const MAX_BODY: usize = MAX_FILE;
/// How much one [`Conn::step`] reads at most, so that a sidecar that never ends does not keep its
/// reader for ever.
const STEP: usize = 64 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    /// Path and query, of characters that need no escape.
    pub(crate) path: &'a str,
    /// How long the sidecar may hold its answer back.
    pub(crate) wait: Option<Duration>,
    pub(crate) body: Option<&'a [u8]>,
    /// Of the hold that is taken up again.
    pub(crate) secret: Option<&'a Secret>,
}

impl<'a> Request<'a> {
    /// One of the socket's calls; `path` is built from the call's own.
    pub(crate) fn of(call: &CallSpec<SocketCall>, path: &'a str) -> Self {
        Self {
            method: call.method,
            path,
            wait: None,
            body: None,
            secret: None,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let body = self.body.unwrap_or_default();
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: mooring\r\n",
            self.method, self.path
        );
        head += "Accept: application/json, text/event-stream\r\nConnection: close\r\n";
        if let Some(secret) = self.secret {
            let secret = String::from(secret.clone());
            let _ = write!(head, "{SECRET_HEADER}: {secret}\r\n");
        }
        if let Some(wait) = self.wait {
            let _ = write!(head, "Prefer: wait={}\r\n", wait.as_secs());
        }
        if self.method != "GET" {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        if self.body.is_some() {
            head += "Content-Type: application/json\r\n";
        }
        [head.as_bytes(), b"\r\n", body].concat()
    }
}

/// A connection with one request on it.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Declared before the descriptor, since fields are dropped in order: it must not outlive its
    /// number.
    _guard: Guard,
    fd: OwnedFd,
    path: String,
    unsent: Vec<u8>,
    incoming: Incoming,
}

impl Conn {
    /// Connects; `None` if the sidecar's queue of connections is full now: it hangs, or is very
    /// busy.
    pub(crate) fn open(socket: &Path, request: &Request<'_>) -> Result<Option<Self>, Error> {
        let none = |e: Errno| Error::NoSidecar {
            socket: socket.to_owned(),
            problem: std::io::Error::from(e).to_string(),
        };
        let address = SocketAddrUnix::new(socket).map_err(none)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(none)?;
        loop {
            match connect(&fd, &address) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(e) => return Err(none(e)),
            }
        }
        Ok(Some(Self {
            _guard: Guard::new(&fd),
            fd,
            path: request.path.to_owned(),
            unsent: request.bytes(),
            incoming: Incoming::default(),
        }))
    }

    /// The answer's status, once its head is there.
    pub(crate) fn status(&self) -> Option<u16> {
        self.incoming.status()
    }

    pub(crate) fn writes(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends and reads what can be without waiting, and puts what there is of the answer's body
    /// behind `body`. True once the answer has ended.
    pub(crate) fn step(&mut self, body: &mut Vec<u8>) -> Result<bool, Error> {
        self.send()?;
        let closed = self.receive()?;
        self.incoming.read(closed, body).map_err(|e| match e {
            Unreadable::Malformed(problem) => Error::answer(&self.path, problem),
            Unreadable::Broken(how) => Error::Broken(how.into()),
        })
    }

    fn send(&mut self) -> Result<(), Error> {
        while !self.unsent.is_empty() {
            // An application in another language may not ignore SIGPIPE.
            match send(&self.fd, &self.unsent, SendFlags::NOSIGNAL) {
                Ok(n) => drop(self.unsent.drain(..n)),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                // A sidecar that is full answers without reading; its answer is there to be read.
                Err(Errno::PIPE | Errno::CONNRESET) => self.unsent.clear(),
                Err(e) => return Err(Error::system(e)),
            }
        }
        Ok(())
    }

    /// True once the other end has closed.
    fn receive(&mut self) -> Result<bool, Error> {
        let (mut piece, mut read) = ([0; 8192], 0);
        while read < STEP {
            match recv(&self.fd, &mut piece[..], RecvFlags::empty()) {
                Ok((0, _)) => return Ok(true),
                Ok((n, _)) => {
                    self.incoming.push(piece.get(..n).unwrap_or_default());
                    read += n;
                }
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(e) => return Err(Error::system(e)),
            }
        }
        Ok(false)
    }

    /// Ends the connection for every process that has a copy of it, too.
    pub(crate) fn end(&self) {
        // There is nothing to be done if it has ended already.
        let _ = shutdown(&self.fd, Shutdown::Both);
    }
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Waits until `fds` can be read (or written, where it is said so), until `deadline` at most.
#[doc(hidden)]
pub fn wait(fds: &[(BorrowedFd<'_>, bool)], deadline: BootTime) -> Result<(), Error> {
    let polled = fds.iter().map(|(fd, writes)| {
        let mut flags = PollFlags::IN;
        flags.set(PollFlags::OUT, *writes);
        PollFd::from_borrowed_fd(*fd, flags)
    });
    let mut polled: Vec<_> = polled.collect();
    let left = (deadline != BootTime::NEVER).then(|| boot().until(deadline));
    let left = left.map(|d| Timespec {
        tv_sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: d.subsec_nanos().into(),
    });
    match poll(&mut polled, left.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(e) => Err(Error::system(e)),
    }
}

/// An answer whose body is read as it comes; its calls wait.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    conn: Conn,
    body: Vec<u8>,
    ended: bool,
}

/// Asks at `socket`, and reads the head of the answer, all within `time`.
pub(crate) fn ask(socket: &Path, request: &Request<'_>, time: Duration) -> Result<Answer, Error> {
    let deadline = boot() + time;
    let timeout = || Error::timeout(request.path, time);
    let mut conn = loop {
        if let Some(conn) = Conn::open(socket, request)? {
            break conn;
        }
        if boot() >= deadline {
            return Err(timeout());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut body = Vec::new();
    loop {
        let ended = conn.step(&mut body)?;
        if let Some(status) = conn.status() {
            return Ok(Answer {
                status,
                conn,
                body,
                ended,
            });
        }
        if boot() >= deadline {
            return Err(timeout());
        }
        wait(&[(conn.as_fd(), conn.writes())], deadline)?;
    }
}

impl Answer {
    /// The next piece of the body; empty at `deadline`, `None` at the body's end.
    pub(crate) fn more(&mut self, deadline: BootTime) -> Result<Option<Vec<u8>>, Error> {
        loop {
            if !self.body.is_empty() {
                return Ok(Some(std::mem::take(&mut self.body)));
            }
            if self.ended {
                return Ok(None);
            }
            self.ended = self.conn.step(&mut self.body)?;
            if self.body.is_empty() && !self.ended {
                if boot() >= deadline {
                    return Ok(Some(Vec::new()));
                }
                wait(&[(self.conn.as_fd(), self.conn.writes())], deadline)?;
            }
        }
    }

    pub(crate) fn whole(mut self, time: Duration) -> Result<Vec<u8>, Error> {
        let deadline = boot() + time;
        let mut body = Vec::new();
        while let Some(mut piece) = self.more(deadline)? {
            if piece.is_empty() {
                return Err(Error::timeout(&self.conn.path, time));
            }
            body.append(&mut piece);
            if body.len() > MAX_BODY {
                let problem = format!("it is longer than {MAX_BODY} bytes");
                return Err(Error::answer(&self.conn.path, problem));
            }
        }
        Ok(body)
    }
}
