//! Just enough of HTTP/1.1 (RFC 9112) to ask the sidecar: one request a connection, everything
//! bounded. Pure functions over bytes; the socket is in [`crate::conn`].

/// The longest head of an answer that is read, and the longest line of its framing.
pub const MAX_HEAD: usize = 16 * 1024;
/// What is not HTTP/1.1 as the sidecar speaks it.
type Malformed = String;

/// Why an answer cannot be read to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is not HTTP/1.1 as the sidecar speaks it.
    Malformed(String),
    /// The other end closed before it was complete.
    Broken(&'static str),
}

impl From<Malformed> for Unreadable {
    fn from(problem: Malformed) -> Self {
        Self::Malformed(problem)
    }
}

/// An answer as it comes in, in whatever pieces.
#[derive(Debug)]
pub struct Incoming {
    /// What has come and is not read yet.
    raw: Vec<u8>,
    status: Option<u16>,
    framing: Framing,
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            raw: Vec::new(),
            status: None,
            framing: Framing::UntilClose,
        }
    }
}

impl Incoming {
    /// Its status, once its head is there.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// How much waits to be read: at most [`MAX_HEAD`] where [`Self::read`] wants more.
    pub fn waiting(&self) -> usize {
        self.raw.len()
    }

    /// The next piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.raw.extend_from_slice(piece);
    }

    /// Puts what there is of its body behind `body`; `closed` says that no more will come. True
    /// once it has ended.
    pub fn read(&mut self, closed: bool, body: &mut Vec<u8>) -> Result<bool, Unreadable> {
        if self.status.is_none() {
            if let Some(Head { status, framing }) = take_head(&mut self.raw)? {
                self.status = Some(status);
                self.framing = framing;
            } else if closed {
                return Err(Unreadable::Broken("it ended before it answered"));
            } else {
                return Ok(false);
            }
        }
        let before = body.len();
        decode(&mut self.framing, &mut self.raw, body)?;
        match self.framing {
            Framing::Ended => Ok(true),
            Framing::UntilClose => Ok(closed),
            // What came before the break is told first.
            _ if closed && body.len() > before => Ok(false),
            _ if closed => Err(Unreadable::Broken("it ended in the middle of an answer")),
            _ => Ok(false),
        }
    }
}

/// An answer's head.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    framing: Framing,
}

/// Where an answer's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Left(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
    Ended,
}

/// Takes the head off the front of `raw`; `None` while it is not there in full.
fn take_head(raw: &mut Vec<u8>) -> Result<Option<Head>, Malformed> {
    let Some(end) = raw.windows(4).position(|w| w == b"\r\n\r\n") else {
        return if raw.len() > MAX_HEAD {
            Err("its head is too long".into())
        } else {
            Ok(None)
        };
    };
    let head = raw.drain(..end + 4).collect::<Vec<_>>();
    let head = std::str::from_utf8(&head).map_err(|_| "its head is not text")?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.")
        .and_then(|s| s.get(2..5))
        .and_then(|s| s.parse().ok());
    let status = status.filter(|s| (200..600).contains(s));
    let status = status.ok_or_else(|| format!("no HTTP/1.1 status line: {:?}", clip(first)))?;
    let mut framing = if status == 204 {
        Framing::Ended
    } else {
        Framing::UntilClose
    };
    for line in lines.filter(|l| !l.is_empty()) {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("no header: {:?}", clip(line)))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(format!("transfer coding {:?}", clip(value)));
            }
            framing = Framing::ChunkSize;
        } else if name.eq_ignore_ascii_case("content-length") && framing != Framing::ChunkSize {
            let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            let n = value.parse().ok().filter(|_| digits);
            framing = match n.ok_or_else(|| format!("content length {:?}", clip(value)))? {
                0 => Framing::Ended,
                n => Framing::Left(n),
            };
        }
    }
    Ok(Some(Head { status, framing }))
}

fn clip(s: &str) -> String {
    s.chars().take(80).collect()
}

/// Takes what can be read of the body off the front of `raw` and puts it behind `out`.
fn decode(framing: &mut Framing, raw: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), Malformed> {
    loop {
        match *framing {
            Framing::Ended => return Ok(()),
            Framing::UntilClose => {
                out.append(raw);
                return Ok(());
            }
            Framing::Left(n) | Framing::ChunkData(n) => {
                if raw.is_empty() {
                    return Ok(());
                }
                let take = usize::try_from(n).unwrap_or(usize::MAX).min(raw.len());
                out.extend(raw.drain(..take));
                let left = n - take as u64;
                *framing = match (*framing, left) {
                    (Framing::Left(_), 0) => Framing::Ended,
                    (Framing::Left(_), n) => Framing::Left(n),
                    (_, 0) => Framing::ChunkEnd,
                    (_, n) => Framing::ChunkData(n),
                };
            }
            Framing::ChunkSize | Framing::ChunkEnd | Framing::Trailer => {
                let Some(end) = raw.windows(2).position(|w| w == b"\r\n") else {
                    return if raw.len() > MAX_HEAD {
                        Err("a chunk's line is too long".into())
                    } else {
                        Ok(())
                    };
                };
                let line = raw.drain(..end + 2).take(end).collect::<Vec<_>>();
                *framing = match *framing {
                    Framing::ChunkSize => match chunk_size(&line)? {
                        0 => Framing::Trailer,
                        n => Framing::ChunkData(n),
                    },
                    Framing::ChunkEnd if line.is_empty() => Framing::ChunkSize,
                    Framing::ChunkEnd => return Err("a chunk is longer than it says".into()),
                    _ if line.is_empty() => Framing::Ended,
                    other => other,
                };
            }
        }
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    let text = String::from_utf8_lossy(line);
    let digits = text.split(';').next().unwrap_or_default().trim();
    let good = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let n = u64::from_str_radix(digits, 16).ok().filter(|_| good);
    n.ok_or_else(|| format!("chunk size {:?}", clip(&text)))
}

#[cfg(test)]
mod tests;
