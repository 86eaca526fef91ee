use super::*;
use proptest::prelude::*;

fn ok(s: &str) -> String {
    parse(s).map_or_else(|e| e.to_string(), |i| print(&i))
}

#[test]
fn reads_what_people_write() {
    assert_eq!(ok("render@2026.1:2,denoise"), "render@2026.1:2,denoise");
    assert_eq!(ok("render:1"), "render");
    assert_eq!(ok("a"), "a");
}

#[test]
fn says_where_and_what_was_expected() {
    let at = |s: &str| parse(s).map_or_else(|e| e.at, |_| 0);
    assert_eq!(at(""), 1);
    assert_eq!(at("render:two"), 8);
    assert_eq!(at("render:0"), 8);
    assert_eq!(at("render:1000001"), 8);
    assert_eq!(at("render:+1"), 8);
    assert_eq!(at("render, denoise"), 8);
    assert_eq!(at("render,,x"), 8);
    assert_eq!(at("Render"), 1);
    assert_eq!(at("render@"), 8);
    assert_eq!(at("render:2:3"), 9);
    assert_eq!(at("a,b,a"), 5);
    assert_eq!(at("über"), 1);
    let e = ok("render:two");
    assert_eq!(
        e,
        "character 8: 't', expected a number of seats from 1 to 1000000"
    );
    let many = (0..17)
        .map(|i| format!("p{i}"))
        .collect::<Vec<_>>()
        .join(",");
    assert!(ok(&many).contains("at most 16 products"), "{}", ok(&many));
}

proptest! {
    #[test]
    fn what_is_read_prints_the_same_and_nothing_panics(s in "[a-c:,@0-3. A-B]{0,24}") {
        if let Ok(items) = parse(&s) {
            prop_assert_eq!(parse(&print(&items)), Ok(items));
        }
    }

    #[test]
    fn any_text_is_answered(s in any::<String>()) {
        let _ = parse(&s);
    }
}
