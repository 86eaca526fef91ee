#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn q(s: &str) -> Quantity {
    Quantity::parse(s).unwrap()
}

#[test]
fn equal_amounts_are_equal_however_they_are_written() {
    for same in [
        vec!["1", "1000m", "1.0", "1e0", "0.001k", "1000000u"],
        vec!["1Gi", "1024Mi", "1073741824", "1048576Ki"],
        vec!["0", "0m", "0.0"],
        vec!["1k", "1e3", "1000", "1E3"],
        vec!["0.1", "100m", "1e-1", ".1"],
        vec!["2.", "2"],
    ] {
        for s in &same {
            assert_eq!(q(s), q(same[0]), "{s}");
        }
    }
    assert!(q("1Mi") > q("1M") && q("100m") < q("1"));
}

#[test]
fn sums_are_written_as_people_write_them() {
    assert_eq!(q("1Gi").plus(&q("32Mi")).as_str(), "1056Mi");
    assert_eq!(q("2").plus(&q("100m")).as_str(), "2100m");
    assert_eq!(q("1500m").plus(&q("500m")).as_str(), "2");
    assert_eq!(q("100M").plus(&q("1")).as_str(), "100000001");
    assert_eq!(q("2100m").minus(&q("100m")).as_str(), "2");
    assert_eq!(q("1").minus(&q("2")).as_str(), "0");
    assert_eq!(q("1n").plus(&q("1n")).as_str(), "2n");
}

#[test]
fn says_which_character_is_wrong() {
    let at = |s: &str| Quantity::parse(s).map_or_else(|e| e.at, |_| 0);
    assert_eq!(at(""), 1);
    assert_eq!(at("Mi"), 1);
    assert_eq!(at("-1"), 1);
    assert_eq!(at("32MB"), 3);
    assert_eq!(at("32 Mi"), 3);
    assert_eq!(at("1.2.3"), 4);
    assert_eq!(at("."), 1);
    assert_eq!(at("9999999999999999999999999999999999999999"), 1);
    assert_eq!(at("9e18"), 0);
    assert_eq!(at("1e99"), 2);
    assert_eq!(at("32ü"), 3);
}
