//! A client that holds: the connection of `POST /v1/hold`, and its events as they come.

use super::secs;
use mooring_client::{ClaimStatus, HoldState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

pub struct Hold {
    pub head: String,
    reader: BufReader<UnixStream>,
}

impl Hold {
    /// Opens one with this query, and reads the answer's head.
    pub fn open(socket: &Path, query: &str) -> Self {
        Self::after(socket, query, b"")
    }

    /// The same, with these bytes sent behind the request.
    pub fn after(socket: &Path, query: &str, more: &[u8]) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(secs(30))).unwrap();
        let request = format!("POST /v1/hold?{query} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.write_all(more).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while reader.read_line(&mut head).unwrap() > 2 {}
        Self { head, reader }
    }

    /// The next event; `None` at the end.
    pub fn next(&mut self) -> Option<ClaimStatus> {
        let mut line = String::new();
        while self.reader.read_line(&mut line).ok()? > 0 {
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).unwrap());
            }
            line.clear();
        }
        None
    }

    /// The first event with this state.
    pub fn is(&mut self, state: HoldState) -> ClaimStatus {
        loop {
            let event = self
                .next()
                .unwrap_or_else(|| panic!("ended before {state}"));
            if event.state == state {
                return event;
            }
        }
    }

    pub fn stream(&self) -> &UnixStream {
        self.reader.get_ref()
    }
}
