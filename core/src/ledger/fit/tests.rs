use super::*;
use proptest::prelude::*;

/// Every file for every product, and every way to split its seats over that file's alternatives.
fn by_hand(wants: &[Want<'_>], free: &[u32]) -> bool {
    let Some((offers, others)) = wants.split_first() else {
        return true;
    };
    fn splits(
        from: &[Alternative],
        want: u32,
        free: &[u32],
        then: &mut dyn FnMut(&[u32]) -> bool,
    ) -> bool {
        let Some((alt, rest)) = from.split_first() else {
            return want == 0 && then(free);
        };
        (0..=want).any(|n| {
            let mut left = free.to_vec();
            n <= room(alt, &of(free)) && {
                take(alt, n, &mut left);
                splits(rest, want - n, &left, then)
            }
        })
    }
    let mut offers = offers.iter();
    offers.any(|(from, want)| splits(from, *want, free, &mut |left| by_hand(others, left)))
}

fn alternative() -> impl Strategy<Value = Alternative> {
    proptest::collection::btree_map(0usize..3, 1u32..3, 1..3).prop_map(|m| m.into_iter().collect())
}

/// A file's alternatives, and how many seats of it are wanted.
fn offer() -> impl Strategy<Value = (Vec<Alternative>, u32)> {
    (proptest::collection::vec(alternative(), 1..4), 0u32..5)
}

proptest! {
    #[test]
    fn what_can_be_had_is_found(
        products in proptest::collection::vec(proptest::collection::vec(offer(), 1..3), 1..4),
        free in proptest::collection::vec(0u32..7, 3),
    ) {
        let mut wants: Vec<Want<'_>> = Vec::new();
        for offers in &products {
            wants.push(offers.iter().map(|(from, n)| (from.as_slice(), *n)).collect());
        }
        let found = fit(&wants, &free);
        prop_assert_eq!(found.is_some(), by_hand(&wants, &free));
        let mut left = free.clone();
        for (offers, (place, taken)) in wants.iter().zip(found.iter().flatten()) {
            let (from, want) = &offers[*place];
            prop_assert_eq!(taken.iter().map(|(n, _)| n).sum::<u32>(), *want);
            for (n, alt) in taken {
                prop_assert!(from.contains(alt) && room(alt, &of(&left)) >= *n);
                take(alt, *n, &mut left);
            }
        }
    }
}
