//! Kubernetes' quantities (`100m`, `32Mi`, `1.5`, `1e3`): read, compared and added exactly, written
//! as people write them.
//!
//! Syntax and suffixes: k8s.io/apimachinery, `resource.Quantity`. Kept in billionths, the finest
//! unit there is (`n`).

use std::cmp::Ordering;

const NANO: i128 = 1_000_000_000;
/// More than any machine has; keeps sums far from overflow.
const LARGEST: i128 = (i64::MAX as i128) * NANO;

/// An amount of a resource, not negative.
#[derive(Clone, Debug)]
pub struct Quantity {
    nanos: i128,
    text: String,
}

/// Where a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadQuantity {
    /// The character, counted from 1.
    pub(super) at: usize,
    pub(super) found: String,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Quantity {
    /// Nothing.
    pub(super) fn zero() -> Self {
        Self {
            nanos: 0,
            text: "0".to_owned(),
        }
    }

    /// Whether it is nothing: for the quality of service a zero counts as if it were absent.
    pub(super) const fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// As it was written, or as it would be.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// This much more; written in the largest unit that is exact.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self::of((self.nanos + other.nanos).min(LARGEST))
    }

    /// This much less, at least nothing.
    pub(super) fn minus(&self, other: &Self) -> Self {
        Self::of((self.nanos - other.nanos).max(0))
    }

    fn of(nanos: i128) -> Self {
        let units = [
            (NANO << 20, "Mi"),
            (NANO << 10, "Ki"),
            (NANO, ""),
            (NANO / 1000, "m"),
            (NANO / 1_000_000, "u"),
        ];
        let fits = |(unit, _): &(i128, &str)| nanos >= *unit && nanos % *unit == 0;
        let text = match units.into_iter().find(fits) {
            Some((unit, suffix)) => format!("{}{suffix}", nanos / unit),
            None if nanos == 0 => "0".to_owned(),
            None => format!("{nanos}n"),
        };
        Self { nanos, text }
    }

    /// Reads a quantity that is not negative; says which character is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, BadQuantity> {
        let bad = |at: usize| {
            let found = text.chars().nth(at).map(|c| format!("{c:?}"));
            let found = found.unwrap_or_else(|| "nothing".to_owned());
            BadQuantity { at: at + 1, found }
        };
        let is_digit = |c: &char| c.is_ascii_digit() || *c == '.';
        let digits = text.chars().take_while(is_digit).count();
        let (number, suffix) = text.split_at_checked(digits).ok_or_else(|| bad(0))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if let Some(second) = fraction.find('.') {
            return Err(bad(whole.len() + 1 + second));
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(bad(0));
        }
        let (unit, over) = unit(suffix).ok_or_else(|| bad(digits))?;
        let too_large = || BadQuantity {
            at: 1,
            found: format!("{:?}", text.chars().take(40).collect::<String>()),
        };
        // Beyond nine places a fraction is below the finest unit: rounded up, as Kubernetes does.
        let places = fraction.len().min(18);
        let kept = fraction.get(..places).unwrap_or_default();
        let mantissa: i128 = format!("0{whole}{kept}").parse().map_err(|_| too_large())?;
        let scale = 10_i128.pow(u32::try_from(places).unwrap_or(18)) * over;
        let nanos = mantissa.checked_mul(unit).ok_or_else(too_large)?;
        let nanos = nanos / scale + i128::from(nanos % scale != 0);
        if nanos > LARGEST {
            return Err(too_large());
        }
        Ok(Self {
            nanos,
            text: text.to_owned(),
        })
    }
}

/// What a suffix multiplies by, in billionths, and what it divides by.
fn unit(suffix: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| Some((NANO << (10 * power), 1));
    let decimal = |power: u32| Some((NANO * 1000_i128.pow(power), 1));
    match suffix {
        "" => decimal(0),
        "n" => Some((1, 1)),
        "u" => Some((1_000, 1)),
        "m" => Some((1_000_000, 1)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let places = Some(exponent.unsigned_abs()).filter(|p| *p <= 18)?;
            let power = 10_i128.pow(places);
            Some(if exponent < 0 {
                (NANO, power)
            } else {
                (NANO * power, 1)
            })
        }
    }
}

#[cfg(test)]
mod tests;
