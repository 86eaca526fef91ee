use super::*;

fn license() -> License {
    License {
        dates: vec![],
        pools: vec![(4, 0), (3, 0)],
        // 0: one seat of pool 0. 1: pool 0, or two of pool 1. 2: both pools at once.
        products: vec![
            vec![vec![(0, 1)]],
            vec![vec![(0, 1)], vec![(1, 2)]],
            vec![vec![(0, 1), (1, 1)]],
        ],
        grace: 0,
        max_contested: 0,
        ends: i64::MAX,
        anchor_grace: 600_000,
        max_handover: 0,
    }
}

#[test]
fn a_claim_fits_wholly_or_not() {
    let l = license();
    assert!(fits(&l, &[(0, 4)], &mut [4, 0]));
    assert!(!fits(&l, &[(0, 5)], &mut [4, 9]));
    assert!(fits(&l, &[(1, 1)], &mut [0, 2]));
    assert!(fits(&l, &[(0, 4), (1, 1)], &mut [4, 2]));
    assert!(!fits(&l, &[(0, 4), (2, 1)], &mut [4, 2]));
    assert!(!fits(&l, &[(7, 1)], &mut [4, 2]));
    assert!(fits(&l, &[(1, 3)], &mut [2, 2]), "on both alternatives");
    assert!(!fits(&l, &[(1, 3)], &mut [1, 3]));
    let mut left = [4, 2];
    fits(&l, &[(0, 4), (2, 1)], &mut left);
    assert_eq!(left, [4, 2], "nothing is taken by looking");
}

#[test]
fn draws_are_all_of_it() {
    let l = license();
    assert!(matches(&l, &[(0, 2)], &[(0, 2)]));
    assert!(!matches(&l, &[(0, 2)], &[(0, 1)]));
    assert!(!matches(&l, &[(0, 2)], &[(0, 3)]));
    assert!(matches(&l, &[(1, 2)], &[(0, 1), (1, 2)]));
    assert!(matches(&l, &[(2, 2), (0, 1)], &[(0, 3), (1, 2)]));
    assert!(!matches(&l, &[(2, 2), (0, 1)], &[(0, 3)]));
    assert!(!matches(&l, &[(0, 1)], &[(9, 1)]));
    assert_eq!(tidy(&[(1, 2), (0, 0), (0, 1), (1, 1)]), [(0, 1), (1, 3)]);
    assert_eq!(pools(&l, &[(1, 1), (2, 1)]), [0, 1]);
}
