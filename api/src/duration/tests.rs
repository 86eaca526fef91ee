#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

#[test]
fn reads_and_writes_what_people_write() {
    for (text, secs, back) in [
        ("30s", 30, "30s"),
        ("8h", 28800, "8h"),
        ("1h30m", 5400, "1h30m"),
        ("90s", 90, "1m30s"),
        ("0s", 0, "0s"),
    ] {
        let s: Span = text.parse().unwrap();
        assert_eq!(
            (s.0.as_secs(), s.to_string().as_str()),
            (secs, back),
            "{text}"
        );
    }
}

#[test]
fn anything_else_is_refused_with_what_was_expected() {
    for bad in [
        "",
        "30",
        "s",
        "h",
        "1d",
        "-1s",
        "1.5h",
        "30s1h",
        "1000000000s",
        " 30s",
        "+1s",
    ] {
        let e = bad.parse::<Span>().unwrap_err().to_string();
        assert!(
            e.contains("expected a duration") && e.contains("8h"),
            "{bad}: {e}"
        );
    }
}
