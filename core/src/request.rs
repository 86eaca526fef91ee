//! The grammar of the annotation `mooring.dev/licenses`.
//!
//! ```text
//! value = item *("," item)
//! item  = product ["@" version] [":" seats]
//! ```
//! Blanks around an item are nothing. Products are compared without regard to case, and a version
//! begins with a digit (or one letter and a digit), so that a host's name there, as Slurm writes
//! it, is not taken for one.
//!
//! A bad value is answered with the character where it went wrong (counted from 1) and what was
//! expected there.

use crate::names::{MAX_VERSION, ProductName, Seats, Version, is_digits_alone, is_sold_char};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most items in one claim.
pub const MAX_ITEMS: usize = 64;
/// The most seats one item may ask for.
pub const MAX_SEATS: u32 = 1_000_000;

/// One product of a claim, with its seats.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The product.
    pub product: ProductName,
    /// How many seats of it.
    #[serde(default = "one")]
    pub seats: Seats,
    /// The version asked for; the application checks its own at run time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

fn one() -> Seats {
    Seats::ONE
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.product)?;
        if let Some(v) = &self.version {
            write!(f, "@{v}")?;
        }
        if self.seats != Seats::ONE {
            write!(f, ":{}", self.seats)?;
        }
        Ok(())
    }
}

/// Items as people write them: `render@2026.1:2,denoise`.
pub fn print(items: &[Item]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(",")
}

/// Where a value breaks the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("character {at}: {found}, expected {expected}")]
pub struct BadRequest {
    /// The character, counted from 1.
    pub at: usize,
    pub found: String,
    pub expected: String,
}

fn bad(at: usize, found: impl Into<String>, expected: impl Into<String>) -> BadRequest {
    BadRequest {
        at: at + 1,
        found: found.into(),
        expected: expected.into(),
    }
}

/// Reads the annotation's value.
pub fn parse(value: &str) -> Result<Vec<Item>, BadRequest> {
    let mut items: Vec<Item> = Vec::new();
    let mut at = 0;
    for part in value.split(',') {
        if items.len() == MAX_ITEMS {
            let most = format!("at most {MAX_ITEMS} products");
            return Err(bad(at, "one more product", most));
        }
        let blanks = part.chars().take_while(|c| *c == ' ').count();
        let item = parse_item(part.trim_matches(' '), at + blanks)?;
        if items.iter().any(|i| i.product == item.product) {
            let again = format!("{} again", item.product);
            return Err(bad(at, again, "each product once"));
        }
        items.push(item);
        at += part.chars().count() + 1;
    }
    Ok(items)
}

fn parse_item(part: &str, at: usize) -> Result<Item, BadRequest> {
    let (head, seats) = match part.split_once(':') {
        Some((h, s)) => (h, Some((s, at + h.chars().count() + 1))),
        None => (part, None),
    };
    let (product, version) = match head.split_once('@') {
        Some((p, v)) => (p, Some((v, at + p.chars().count() + 1))),
        None => (head, None),
    };
    let product = ProductName::new(product).map_err(|_| bad_product(product, at))?;
    let version = match version {
        None => None,
        Some((v, at)) => Some(Version::new(v).map_err(|_| bad_version(v, at))?),
    };
    let seats = match seats {
        None => Seats::ONE,
        Some((s, at)) => {
            let expected = "a number of seats from 1 to 1000000";
            let n = s.parse().ok();
            let n = n.filter(|n| is_digits_alone(s) && *n <= MAX_SEATS);
            let seats = n.and_then(Seats::new);
            seats.ok_or_else(|| {
                turned(&product, s, at)
                    .unwrap_or_else(|| locate(s, at, expected, |c| c.is_ascii_digit()))
            })?
        }
    };
    Ok(Item {
        product,
        seats,
        version,
    })
}

fn bad_product(word: &str, at: usize) -> BadRequest {
    let expected = if is_digits_alone(word) {
        "a product's name as the license has it, not digits alone (CodeMeter's firm code and product code are none)"
    } else {
        "a product's name (letters, digits, '.', '_', '+', '-'; at most 64; a letter, a digit or '_' first)"
    };
    ended(word, at).unwrap_or_else(|| locate(word, at, expected, is_sold_char))
}

fn bad_version(word: &str, at: usize) -> BadRequest {
    // Each character may stand in one: so it is something else, such as Slurm's license server.
    let expected = if !word.is_empty()
        && word.chars().all(is_sold_char)
        && word.len() <= MAX_VERSION
    {
        "a version such as 2026.1 or v2026.1 after '@' (the license server is named by the annotation mooring.dev/server)"
    } else {
        "a version (letters, digits, '.', '-', '_', '+'; at most 32; a digit first, or after one letter)"
    };
    locate(word, at, expected, is_sold_char)
}

/// A name that ends in what is no part of any: something else was meant to come next.
fn ended(word: &str, at: usize) -> Option<BadRequest> {
    let (end, c) = word.chars().enumerate().find(|(_, c)| !is_sold_char(*c))?;
    let expected = "',' and another product, '@' and a version, or ':' and a number of seats";
    (end > 0 && c.is_ascii() && !c.is_ascii_alphanumeric())
        .then(|| bad(at + end, format!("{c:?}"), expected))
}

/// Seats before a version: the other way round.
fn turned(product: &ProductName, seats: &str, at: usize) -> Option<BadRequest> {
    let (n, version) = seats.split_once('@')?;
    let digits = n.bytes().all(|b| b.is_ascii_digit()) && !n.is_empty();
    let version = Version::new(version).ok().filter(|_| digits)?;
    let expected = format!("the version before the seats: {product}@{version}:{n}");
    Some(bad(at + n.len(), "'@'", expected))
}

/// Points at the first character that cannot stand there, or at the whole word if each could.
fn locate(word: &str, at: usize, expected: &str, ok: impl Fn(char) -> bool) -> BadRequest {
    match word.chars().enumerate().find(|(_, c)| !ok(*c)) {
        Some((i, c)) => bad(at + i, format!("{c:?}"), expected),
        None if word.is_empty() => bad(at, "nothing", expected),
        None => {
            let start: String = word.chars().take(80).collect();
            bad(at, format!("{start:?}"), expected)
        }
    }
}

#[cfg(test)]
mod tests;
