//! Is this the machine that the license means? Pure.

use super::Fact;
use mooring_core::license::{HwidItem, HwidItems};
use std::collections::HashSet;

/// What became of a license's items on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many must be found.
    pub k: usize,
    pub found: Vec<HwidItem>,
    pub missing: Vec<HwidItem>,
}

impl Verdict {
    /// Whether it is the machine: enough is found, and something of hardware among it.
    pub fn is_the_machine(&self) -> bool {
        self.found.len() >= self.k && self.found.iter().any(|i| i.is_hardware())
    }

    /// The missing ones for people, by name and never by value: `diskSerial (2), mac`.
    pub fn missing_words(&self) -> String {
        let missing = |i| self.missing.iter().filter(|m| *m == i).count();
        let words = HwidItem::ALL.iter().filter_map(|i| match missing(i) {
            0 => None,
            1 => Some(i.to_string()),
            n => Some(format!("{i} ({n})")),
        });
        match words.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none".into(),
            some => some,
        }
    }
}

/// Looks for each of the license's items among the machine's facts.
pub fn judge(wanted: &HwidItems, facts: &[Fact]) -> Verdict {
    let here: HashSet<(HwidItem, String)> = facts
        .iter()
        .map(|f| (f.item, HwidItems::hash(&wanted.salt, f.item, &f.value)))
        .collect();
    // Each hash counts once, whatever a license may say.
    let mut counted = HashSet::new();
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for i in &wanted.items {
        let there = here.contains(&(i.item, i.hash.clone()));
        if there && counted.insert(&i.hash) {
            found.push(i.item);
        } else {
            missing.push(i.item);
        }
    }
    Verdict {
        k: wanted.k as usize,
        found,
        missing,
    }
}

#[cfg(test)]
mod tests;
