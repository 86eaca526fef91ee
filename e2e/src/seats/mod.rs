//! Counting seats on the holders' side: the server's own books are right even where two
//! applications are `Held` for one seat, so what counts is what the applications were told, on one
//! clock.

use serde_json::Value;

/// A span of time in which one application was `Held`, in milliseconds of the boot clock that the
/// nodes share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub who: String,
    /// From its being told.
    pub from: u64,
    /// Until it was told something else, or its lease ran out, or it was last known to live.
    pub to: u64,
    pub seats: u32,
}

/// The spans in which an application was `Held`, from the lines it wrote. A span ends with the next
/// event, with the end of the lease that its event told, or with the last sign of life.
pub fn spans(who: &str, seats: u32, lines: &[Value]) -> Vec<Span> {
    let span = |from, to| Span {
        who: who.into(),
        from,
        to,
        seats,
    };
    let mut out = Vec::new();
    let mut open: Option<(u64, u64)> = None;
    let mut alive = 0;
    for l in lines {
        let Some(at) = l["bootMs"].as_u64() else {
            continue;
        };
        alive = alive.max(at);
        if !l["event"].is_object() && l["end"] != true {
            continue;
        }
        if let Some((from, until)) = open.take() {
            out.push(span(from, at.min(until)));
        }
        if l["event"]["state"] == "Held" {
            let until = l["event"]["claims"][0]["heldUntilBootMs"].as_u64();
            open = Some((at, until.unwrap_or(u64::MAX)));
        }
    }
    out.extend(open.map(|(from, until)| span(from, alive.max(from).min(until))));
    out
}

/// The instant with the most seats held, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Most {
    pub seats: u32,
    pub at: u64,
    pub who: Vec<String>,
}

/// Finds the instant at which the most seats are held. A span holds from its begin up to, but not
/// including, its end.
pub fn most(spans: &[Span]) -> Most {
    let mut best = Most::default();
    for at in spans.iter().map(|s| s.from) {
        let now: Vec<&Span> = spans.iter().filter(|s| s.from <= at && at < s.to).collect();
        let seats = now.iter().map(|s| s.seats).sum();
        if seats > best.seats {
            best = Most {
                seats,
                at,
                who: now.iter().map(|s| s.who.clone()).collect(),
            };
        }
    }
    best
}

#[cfg(test)]
mod tests;
