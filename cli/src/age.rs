//! Ages as kubectl writes them: `45s`, `3m20s`, `5h`, `12d`.

use crate::output::or_dash;
use mooring_core::time::Timestamp;

/// How long ago `then` was; `-` if it is not known.
pub fn since(then: Option<Timestamp>, now: Timestamp) -> String {
    or_dash(then.map(|t| span(now.as_second().saturating_sub(t.as_second()))))
}

/// A number of seconds in at most two units: the finer one only while it tells something.
pub fn span(secs: i64) -> String {
    let s = secs.max(0);
    let (m, h, d) = (s / 60, s / 3600, s / 86_400);
    let two = |a: i64, x: &str, b: i64, y: &str| {
        if b == 0 {
            format!("{a}{x}")
        } else {
            format!("{a}{x}{b}{y}")
        }
    };
    match s {
        0..120 => format!("{s}s"),
        120..600 => two(m, "m", s % 60, "s"),
        600..10_800 => format!("{m}m"),
        10_800..28_800 => two(h, "h", m % 60, "m"),
        28_800..172_800 => format!("{h}h"),
        172_800..691_200 => two(d, "d", h % 24, "h"),
        _ => format!("{d}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finer_unit_goes_when_it_tells_nothing() {
        for (secs, text) in [
            (-5, "0s"),
            (45, "45s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (3600, "60m"),
            (5 * 3600, "5h"),
            (3 * 3600 + 60, "3h1m"),
            (47 * 3600, "47h"),
            (3 * 86_400 + 7200, "3d2h"),
            (12 * 86_400, "12d"),
        ] {
            assert_eq!(span(secs), text);
        }
    }
}
