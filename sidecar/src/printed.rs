//! A status as JSON that is printed once for each change: what moves with time alone is left open,
//! and filled in when somebody asks.

use bytes::Bytes;
use mooring_core::time::BootTime;
use mooring_core::wire::Status;
use std::io::Write as _;

/// Where a number is left open, this one stands.
const OPEN: u64 = u64::MAX;
/// The most digits of a number that is filled in.
const DIGITS: usize = 20;

/// A number that is filled in.
#[derive(Clone, Copy, Debug)]
enum Number {
    /// The boot clock.
    Now,
    /// The time that is left until this reading of it.
    Until(u64),
}

#[derive(Debug)]
pub(crate) struct Printed {
    text: Vec<u8>,
    /// Each with how much of the text comes before it, in order.
    open: Vec<(usize, Number)>,
}

impl Printed {
    pub(crate) fn of(status: &Status) -> serde_json::Result<Self> {
        let mut blank = status.clone();
        blank.boot_ms = OPEN;
        blank.for_ms = blank.until_boot_ms.map(|_| OPEN);
        for claim in &mut blank.claims {
            claim.for_ms = claim.until_boot_ms.map(|_| OPEN);
        }
        // In the order in which they are printed.
        let limits = status.claims.iter().map(|c| c.until_boot_ms);
        let mut limits = std::iter::once(status.until_boot_ms)
            .chain(limits)
            .flatten();
        let json = serde_json::to_string(&blank)?;
        // No string within has such a piece: its quotes are escaped.
        let (now, left) = (format!("\"bootMs\":{OPEN}"), format!("\"forMs\":{OPEN}"));
        let (mut text, mut open) = (String::with_capacity(json.len()), Vec::new());
        let mut rest = json.as_str();
        while let Some(at) = rest.find(&format!(":{OPEN}")) {
            let (before, after) = rest.split_at(at + 1 + DIGITS);
            let number = if before.ends_with(&now) {
                Some(Number::Now)
            } else if before.ends_with(&left) {
                limits.next().map(Number::Until)
            } else {
                None
            };
            let kept = before.len() - number.map_or(0, |_| DIGITS);
            text.push_str(before.get(..kept).unwrap_or_default());
            open.extend(number.map(|n| (text.len(), n)));
            rest = after;
        }
        text.push_str(rest);
        let text = text.into();
        Ok(Self { text, open })
    }

    /// The status at `now`: of a time at which nothing else has changed.
    pub(crate) fn at(&self, now: BootTime) -> Bytes {
        let now = now.as_millis();
        let numbers = self.open.iter().map(|(at, number)| match number {
            Number::Now => (*at, now),
            Number::Until(t) => (*at, t.saturating_sub(now)),
        });
        let digits = |n: u64| n.checked_ilog10().unwrap_or_default() as usize + 1;
        let digits: usize = numbers.clone().map(|(_, n)| digits(n)).sum();
        // As long as it gets: what is longer is copied again on its way into `Bytes`.
        let mut out = Vec::with_capacity(self.text.len() + digits);
        let mut done = 0;
        for (at, n) in numbers {
            out.extend_from_slice(self.text.get(done..at).unwrap_or_default());
            done = at;
            // A Vec takes all that is written.
            let _ = write!(out, "{n}");
        }
        out.extend_from_slice(self.text.get(done..).unwrap_or_default());
        out.into()
    }
}

#[cfg(test)]
mod tests;
