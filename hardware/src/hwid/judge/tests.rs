#![allow(clippy::unwrap_used)]
use super::*;
use crate::hwid::hashed;
use proptest::prelude::*;

const SALT: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

fn fact() -> impl Strategy<Value = Fact> {
    (0..5usize, "[a-z0-9]{8}").prop_map(|(i, value)| Fact {
        item: HwidItem::ALL[i],
        value,
    })
}

proptest! {
    /// Whatever changes: it is the machine exactly if at least k of its facts stayed, one of
    /// them of hardware.
    #[test]
    fn exactly_k_of_n_with_hardware(
        facts in prop::collection::hash_set(fact(), 1..12),
        kept in prop::collection::vec(any::<bool>(), 12),
        others in prop::collection::vec("[A-Z]{8}", 0..12),
        k in 1u32..12,
    ) {
        let facts: Vec<Fact> = facts.into_iter().collect();
        let wanted = hashed(&facts, SALT, k);
        let kept: Vec<Fact> = facts.iter().zip(kept).filter(|(_, k)| *k).map(|(f, _)| f.clone()).collect();
        let foreign = others.into_iter().enumerate().map(|(i, value)| Fact { item: HwidItem::ALL[i % 5], value });
        let mut now: Vec<Fact> = foreign.chain(kept.clone()).collect();
        now.reverse();
        let v = judge(&wanted, &now);
        prop_assert_eq!(v.found.len(), kept.len());
        prop_assert_eq!(v.missing.len(), facts.len() - kept.len());
        let is = kept.len() >= k as usize && kept.iter().any(|f| f.item != HwidItem::MachineId);
        prop_assert_eq!(v.is_the_machine(), is);
        // Said twice is not there twice.
        now.extend(now.clone());
        prop_assert_eq!(judge(&wanted, &now), v);
    }

    /// A value does not match as another item, and under another salt nothing matches.
    #[test]
    fn nothing_matches_by_accident(facts in prop::collection::hash_set(fact(), 1..12)) {
        let facts: Vec<Fact> = facts.into_iter().collect();
        let wanted = hashed(&facts, SALT, 1);
        let moved: Vec<Fact> = facts.iter().map(|f| Fact { item: HwidItem::ALL[(f.item as usize + 1) % 5], value: format!("{}x", f.value) }).collect();
        prop_assert!(judge(&wanted, &moved).found.is_empty());
        let resalted = HwidItems { salt: "00".repeat(16), ..wanted };
        prop_assert!(judge(&resalted, &facts).found.is_empty());
    }
}

#[test]
fn what_is_missing_is_named_and_not_told() {
    let fact = |item, value: &str| Fact {
        item,
        value: value.into(),
    };
    let facts = [
        fact(HwidItem::Mac, "m1"),
        fact(HwidItem::Mac, "m2"),
        fact(HwidItem::MachineId, "id"),
    ];
    let wanted = hashed(&facts, SALT, 2);
    let v = judge(&wanted, &facts[2..]);
    assert_eq!(v.missing_words(), "mac (2)");
    assert!(!v.is_the_machine());
    // Enough of them, and none of hardware.
    let wanted = hashed(&facts, SALT, 1);
    assert!(!judge(&wanted, &facts[2..]).is_the_machine());
    assert!(judge(&wanted, &facts[..1]).is_the_machine());
}
