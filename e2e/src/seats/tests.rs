use super::*;
use serde_json::json;

fn held(at: u64, until: u64) -> Value {
    json!({"bootMs": at, "event": {"state": "Held", "claims": [{"heldUntilBootMs": until}]}})
}

#[test]
fn a_span_ends_with_the_next_word_or_the_lease_or_the_life() {
    let word = json!({"bootMs": 50, "event": {"state": "Grace"}});
    assert_eq!(spans("a", 1, &[held(10, 90), word])[0].to, 50);
    let beat = |at: u64| json!({"bootMs": at, "beat": true});
    assert_eq!(spans("a", 1, &[held(10, 90), beat(200)])[0].to, 90);
    assert_eq!(spans("a", 1, &[held(10, 90), beat(70)])[0].to, 70);
    assert_eq!(
        spans("a", 1, &[held(10, 90), json!({"bootMs": 30, "end": true})])[0].to,
        30
    );
    let renewed = spans("a", 1, &[held(10, 40), held(20, 50), beat(45)]);
    assert_eq!(
        renewed.iter().map(|s| (s.from, s.to)).collect::<Vec<_>>(),
        [(10, 20), (20, 45)]
    );
}

#[test]
fn one_instant_with_too_many_is_found() {
    let a = spans("a", 1, &[held(10, 40), json!({"bootMs": 40, "beat": true})]);
    let b = spans("b", 1, &[held(40, 90), json!({"bootMs": 90, "beat": true})]);
    assert_eq!(
        most(&[a.clone(), b].concat()).seats,
        1,
        "one after the other is one seat"
    );
    let c = spans("c", 1, &[held(39, 90), json!({"bootMs": 90, "beat": true})]);
    assert_eq!(
        most(&[a, c].concat()),
        Most {
            seats: 2,
            at: 39,
            who: vec!["a".into(), "c".into()]
        }
    );
}
