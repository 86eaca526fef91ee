#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::json;

/// With the text in it that marks an open place, wherever a server may have its own words stand.
fn status(now: u64) -> Status {
    let sly = format!("\"bootMs\":{OPEN},\"forMs\":{OPEN} :{OPEN}");
    let claim = |name: &str, until: Option<u64>| {
        json!({
            "name": name, "state": if until.is_some() { "Held" } else { "Waiting" },
            "licensed": until.is_some(), "items": [{"product": "render", "seats": 2}],
            "untilBootMs": until, "forMs": until.map(|t| t.saturating_sub(now)), "message": sly,
        })
    };
    let said = json!({
        "state": "Held", "licensed": true, "untilBootMs": 900_000,
        "forMs": 900_000u64.saturating_sub(now), "bootMs": now, "seq": 7, "server": sly,
        "claims": [claim("pod", Some(900_000)), claim("b", None), claim("c", Some(OPEN))],
    });
    serde_json::from_value(said).unwrap()
}

#[test]
fn what_was_printed_once_is_the_status_of_each_moment() {
    let printed = Printed::of(&status(0)).unwrap();
    for now in [0, 9, 10, 899_999, 900_000, 900_001, 1 << 60] {
        let text = printed.at(BootTime::from_millis(now));
        let expected = serde_json::to_string(&status(now)).unwrap();
        assert_eq!(text, expected, "at {now}");
    }
}
