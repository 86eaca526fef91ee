//! What a machine is known by: serial numbers and addresses of its parts, and the name its system
//! gave itself.
//!
//! The weak tier: whoever is root on a machine can make another one say the same. See
//! docs/licenses.md.

mod judge;
mod read;
mod stability;

pub use judge::{Verdict, judge};
pub use read::{Found, Unread, read, surroundings};
pub use stability::{Stability, Surroundings, stability};

use mooring_core::license::{HwidHash, HwidItem, HwidItems, is_placeholder};

/// Something that the machine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fact {
    pub item: HwidItem,
    /// What it says, in the form in which it is hashed.
    pub value: String,
}

impl Fact {
    /// A fact in the form in which it is hashed; none if the value tells no machine from another.
    pub fn new(item: HwidItem, value: &str) -> Option<Self> {
        let value = value.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        let value = match item {
            HwidItem::ProductUuid | HwidItem::Mac | HwidItem::MachineId => value.to_lowercase(),
            HwidItem::BoardSerial | HwidItem::DiskSerial => value.to_owned(),
        };
        (!is_placeholder(&value)).then_some(Self { item, value })
    }
}

/// A machine's facts as a license carries them. `salt` is random, in hexadecimal digits.
pub fn hashed(facts: &[Fact], salt: &str, k: u32) -> HwidItems {
    let items = facts.iter().map(|f| HwidHash {
        item: f.item,
        hash: HwidItems::hash(salt, f.item, &f.value),
    });
    HwidItems {
        k,
        salt: salt.to_owned(),
        items: items.collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_tells_no_machine_from_another_is_no_fact() {
        for none in [
            "",
            "  \n",
            "0",
            "None",
            "To Be Filled By O.E.M.",
            "Default string",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "03000200-0400-0500-0006-000700080009",
            "............",
        ] {
            assert_eq!(Fact::new(HwidItem::ProductUuid, none), None, "{none:?}");
        }
        let f = Fact::new(
            HwidItem::ProductUuid,
            " 4C4C4544-0042-3510-8052-B4C04F4E3132\n",
        )
        .unwrap();
        assert_eq!(f.value, "4c4c4544-0042-3510-8052-b4c04f4e3132");
        assert_eq!(
            Fact::new(HwidItem::DiskSerial, "S4Ev\0\0").unwrap().value,
            "S4Ev"
        );
    }
}
