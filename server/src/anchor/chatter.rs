//! What a driver prints to stderr: it helps to find out what is wrong, and is other people's. It
//! comes into the server's log as one event a line, cut, and only a part of a flood.

use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest line, in bytes.
const LINE: usize = 500;
/// So many lines are passed on in so much time.
const LINES: u32 = 20;
const WHILE: Duration = Duration::from_secs(10);

/// Reads to the end: a driver whose pipe is full would hang.
pub(super) async fn pass_on(mut from: impl AsyncRead + Unpin) {
    let mut chatter = Chatter::new(Instant::now());
    let mut bytes = vec![0; 8 << 10];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let read = bytes.get(..n).unwrap_or_default();
        log(chatter.hear(read, Instant::now()));
    }
    log(chatter.end(Instant::now()));
}

fn log(lines: Vec<String>) {
    for line in lines {
        tracing::info!(line, "printed by the token's driver");
    }
}

struct Chatter {
    line: Vec<u8>,
    /// The line is longer than what is kept of it.
    cut: bool,
    since: Instant,
    passed: u32,
    left_out: u64,
}

impl Chatter {
    fn new(now: Instant) -> Self {
        Self {
            line: Vec::new(),
            cut: false,
            since: now,
            passed: 0,
            left_out: 0,
        }
    }

    /// The lines that these bytes end, as far as they are passed on.
    fn hear(&mut self, bytes: &[u8], now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend(text.iter().take(room));
            self.cut |= text.len() > room;
            if text.len() < piece.len() {
                self.end_line(now, &mut lines);
            }
        }
        lines
    }

    /// What is left at the end.
    fn end(&mut self, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.line.is_empty() {
            self.end_line(now, &mut lines);
        }
        lines.extend(self.left_out());
        lines
    }

    fn end_line(&mut self, now: Instant, lines: &mut Vec<String>) {
        let line = std::mem::take(&mut self.line);
        let cut = std::mem::take(&mut self.cut);
        if now.duration_since(self.since) >= WHILE {
            (self.since, self.passed) = (now, 0);
            lines.extend(self.left_out());
        }
        if self.passed >= LINES {
            self.left_out += 1;
            return;
        }
        self.passed += 1;
        let more = if cut { "…" } else { "" };
        lines.push(format!("{}{more}", String::from_utf8_lossy(&line)));
    }

    fn left_out(&mut self) -> Option<String> {
        let n = std::mem::take(&mut self.left_out);
        (n > 0).then(|| format!("({n} lines are left out)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_words_are_cut_and_a_flood_is_counted() {
        let start = Instant::now();
        let mut c = Chatter::new(start);
        assert_eq!(c.hear(b"one\ntw", start), ["one"]);
        assert_eq!(c.hear(b"o\xff\n", start), ["two\u{fffd}"]);
        // A line without an end takes no more room than a line.
        for _ in 0..1000 {
            assert!(c.hear(&[b'x'; 4096], start).is_empty());
        }
        assert!(c.line.capacity() <= 4 * LINE);
        let cut = format!("{}…", "x".repeat(LINE));
        assert_eq!(c.hear(b"\n", start), [cut]);
        let flood = b"again\n".repeat(1000);
        assert_eq!(c.hear(&flood, start).len(), 17);
        assert!(c.hear(&flood, start + WHILE / 2).is_empty());
        let later = c.hear(b"later\n", start + WHILE);
        assert_eq!(later, ["(1983 lines are left out)", "later"]);
        assert_eq!(c.hear(&flood, start + WHILE).len(), 19);
        assert!(c.hear(b"last", start + WHILE).is_empty());
        assert_eq!(c.end(start + WHILE), ["(982 lines are left out)"]);
    }
}
