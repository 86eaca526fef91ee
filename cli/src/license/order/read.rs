//! The order's form: YAML or JSON, unknown fields refused, numbers and versions read strictly.

use super::{OrderError, refuse};
use crate::license::anchor::Description;
use mooring_core::license::{CountBy, Draw, VersionRange, VersionScheme};
use mooring_core::names::{PoolName, Version};
use mooring_core::policy::{OptimisticStart, Reclaim};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Order {
    pub id: Option<String>,
    pub customer: Option<String>,
    pub supersedes: Vec<String>,
    /// When it was issued; now without it.
    pub issued: Option<String>,
    pub not_before: Option<String>,
    /// When it ends (exclusive), or `never`.
    pub expires: Option<String>,
    /// The last day whose builds are covered.
    pub maintenance_until: Option<String>,
    pub test: bool,
    pub emergency: bool,
    /// Fields that a reader must understand.
    pub critical: Vec<String>,
    /// Seats that several products share.
    pub pools: Vec<OrderPool>,
    pub products: Vec<OrderProduct>,
    /// The hardware; `--anchor` adds to it.
    pub anchors: Vec<Description>,
    pub policy: OrderPolicy,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderPool {
    pub name: String,
    pub seats: Count,
    pub overdraft: Option<Count>,
    /// When its seats begin; with the license without it.
    pub not_before: Option<String>,
    /// When its seats end (exclusive); with the license without it.
    pub expires: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderProduct {
    pub name: String,
    /// Its seats, in a pool of its own with its name.
    pub seats: Option<Count>,
    /// With `seats`: how many more may be used.
    pub overdraft: Option<Count>,
    /// With `seats`: when they begin.
    pub not_before: Option<String>,
    /// With `seats`: when they end (exclusive).
    pub expires: Option<String>,
    #[serde(default)]
    pub versions: Versions,
    /// The vendor's own names.
    #[serde(default)]
    pub features: Vec<String>,
    #[serde(default)]
    pub count_by: CountBy,
    /// Instead of `seats`: which pools it draws on.
    pub from: Option<From>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderPolicy {
    pub max_grace: Option<String>,
    pub optimistic_start: OptimisticStart,
    pub max_contested: Option<String>,
    pub max_handover: Option<String>,
    pub max_anchor_grace: Option<String>,
    pub max_lease: Option<String>,
    /// What proof a silent holder's seat needs.
    pub reclaim: Option<Reclaim>,
}

/// The most seats that are sold.
const MOST: u32 = 1_000_000;

/// A whole number from 0 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u32);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 to 1000000")
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Count, E> {
                let count = u32::try_from(n).ok().filter(|n| *n <= MOST).map(Count);
                count.ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(n), &self))
            }
        }
        d.deserialize_any(V)
    }
}

/// Versions covered: `2024.2..2026`, `2024..`, `..2026`, or `{scheme, from, to}`; both bounds
/// belong to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    pub scheme: VersionScheme,
    pub from: Option<String>,
    pub to: Option<String>,
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Versions;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("versions such as \"2024.2..2026\", \"2024..\" or {scheme: decimal, from: \"2024.2\", to: \"2026\"}")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Versions, E> {
                let (a, b) = s
                    .split_once("..")
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(s), &self))?;
                let bound = |s: &str| Some(s.trim().to_owned()).filter(|s| !s.is_empty());
                Ok(Versions {
                    from: bound(a),
                    to: bound(b),
                    ..Versions::default()
                })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Versions, A::Error> {
                let b = Bounds::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Versions {
                    scheme: b.scheme,
                    from: b.from.map(|v| v.0),
                    to: b.to.map(|v| v.0),
                })
            }
        }
        d.deserialize_any(V)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    #[serde(default)]
    scheme: VersionScheme,
    from: Option<Text>,
    to: Option<Text>,
}

/// A version that is text: unquoted, YAML would read 2024.10 as the number 2024.1.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl Visitor<'_> for V {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a version in quotes, such as \"2024.10\" (without them YAML reads a number)",
                )
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Text, E> {
                Ok(Text(s.to_owned()))
            }
        }
        d.deserialize_any(V)
    }
}

/// Pools that a product draws on: alternatives in order, each one pool or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From(pub Vec<Alternative>);

const FROM: &str = "pools such as \"gpu\", \"gpu:2\" (two of its seats for one), \"gpu+cpu:4\" (from both), or a list of these (alternatives, in order)";

/// One alternative: `gpu+cpu:4`, or a list of `{pool, weight}`. A name may have a `+` in it, so a
/// text can be read in two ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// As one pool.
    whole: Option<Draw>,
    /// As several.
    split: Option<Vec<Draw>>,
}

impl Alternative {
    /// What is drawn, of the pools that there are: a text that is one's name means that one.
    pub(super) fn draws(&self, is_there: impl Fn(&PoolName) -> bool) -> Vec<Draw> {
        let whole = self.whole.iter().cloned().collect();
        match (&self.whole, &self.split) {
            (Some(d), _) if is_there(&d.pool) => whole,
            (_, Some(split)) => split.clone(),
            (_, None) => whole,
        }
    }
}

impl<'de> Deserialize<'de> for From {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = From;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(FROM)
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<From, E> {
                AlternativeVisitor.visit_str(s).map(|a| From(vec![a]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<From, A::Error> {
                let mut all = Vec::new();
                while let Some(a) = seq.next_element()? {
                    all.push(a);
                }
                Ok(From(all))
            }
        }
        d.deserialize_any(V)
    }
}

struct AlternativeVisitor;

impl<'de> Visitor<'de> for AlternativeVisitor {
    type Value = Alternative;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FROM)
    }
    fn visit_str<E: de::Error>(self, s: &str) -> Result<Alternative, E> {
        let whole = draw(s);
        let split: Option<Vec<Draw>> = s.split('+').map(draw).collect();
        if whole.is_none() && split.is_none() {
            return Err(E::invalid_value(de::Unexpected::Str(s), &self));
        }
        Ok(Alternative { whole, split })
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Alternative, A::Error> {
        let listed = Vec::deserialize(de::value::SeqAccessDeserializer::new(seq))?;
        Ok(Alternative {
            whole: None,
            split: Some(listed),
        })
    }
}

impl<'de> Deserialize<'de> for Alternative {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(AlternativeVisitor)
    }
}

/// `cpu:4`.
fn draw(s: &str) -> Option<Draw> {
    let (pool, weight) = s.split_once(':').unwrap_or((s, "1"));
    Some(Draw {
        pool: PoolName::new(pool.trim()).ok()?,
        weight: weight.trim().parse().ok()?,
    })
}

/// Reads an order. A field at the wrong place, a word where a number belongs: the message says
/// where.
pub fn parse(text: &str) -> Result<Order, OrderError> {
    if text.trim().is_empty() {
        let problem = "the order is empty; expected id, customer, products …";
        return Err(refuse("(all)", problem));
    }
    serde_yaml::from_str(text).map_err(|e| {
        // The parser's message begins with the field's path, if there is one.
        let message = e.to_string();
        match message.split_once(": ") {
            Some((path, rest)) if !path.contains(' ') => refuse(path, rest),
            _ => refuse("(all)", message),
        }
    })
}

/// `--product render:10` or `render@2024..2026:10`.
pub fn product_flag(s: &str) -> Result<OrderProduct, String> {
    let expected = || {
        format!(
            "{s:?}: expected PRODUCT:SEATS or PRODUCT@VERSIONS:SEATS, such as render:10 or render@2024..2026:10"
        )
    };
    let (head, seats) = s.rsplit_once(':').ok_or_else(expected)?;
    let seats = seats.parse().ok().filter(|n| *n <= MOST).map(Count);
    let (name, range) = head.split_once('@').unwrap_or((head, ".."));
    let (from, to) = range.split_once("..").ok_or_else(expected)?;
    let bound = |s: &str| Some(s.to_owned()).filter(|s| !s.is_empty());
    Ok(OrderProduct {
        name: name.to_owned(),
        seats: Some(seats.ok_or_else(expected)?),
        versions: Versions {
            from: bound(from),
            to: bound(to),
            ..Versions::default()
        },
        ..OrderProduct::default()
    })
}

impl Versions {
    /// The bounds as checked versions; the error is the bound that is none.
    pub(super) fn checked(&self) -> Result<VersionRange, (&'static str, String)> {
        let bound = |name, v: &Option<String>| {
            let v = v.as_deref().map(Version::new).transpose();
            v.map_err(|e| (name, e.to_string()))
        };
        Ok(VersionRange {
            scheme: self.scheme,
            from: bound("from", &self.from)?,
            to: bound("to", &self.to)?,
        })
    }
}

#[cfg(test)]
mod tests;
