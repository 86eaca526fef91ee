#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::json;

fn status(claim: &serde_json::Value) -> Status {
    let mut whole =
        json!({"name": "pod", "licensed": false, "items": [{"product": "render", "seats": 2}]});
    whole
        .as_object_mut()
        .unwrap()
        .extend(claim.as_object().unwrap().clone());
    let status = json!({"state": whole["state"], "licensed": false, "bootMs": 1, "seq": 2, "server": "main:8443", "claims": [whole]});
    serde_json::from_value(status).unwrap()
}

#[test]
fn people_read_what_they_wait_for() {
    let line = |claim| waiting(&status(&claim));
    let place = json!({"state": "Waiting", "place": 3, "reason": "full", "message": "all 2 seats of render are taken"});
    assert_eq!(
        line(place).unwrap(),
        "waiting for render:2, place 3: all 2 seats of render are taken"
    );
    assert_eq!(line(json!({"state": "Seeking"})), None, "nothing yet");
    let message = json!({"state": "Seeking", "message": "no"});
    assert_eq!(line(message).unwrap(), "waiting for render:2: no");
    assert_eq!(line(json!({"state": "Held"})), None);
    assert_eq!(
        line(json!({"state": "Optimistic", "forMs": 60_000})).unwrap(),
        "main:8443 is not in reach; starting without a lease, for 1m at most"
    );
}

#[test]
fn people_read_what_happens_to_their_licenses_once() {
    let line = |claim| running(&status(&claim)).unwrap();
    assert_eq!(
        line(json!({"state": "Lost", "message": "revoked"})),
        "render:2 is not licensed any more: revoked"
    );
    assert_eq!(
        line(
            json!({"state": "Grace", "forMs": 60_000, "message": "anchor-lost: PinRejected: wrong PIN"})
        ),
        "main:8443: anchor-lost: PinRejected: wrong PIN; render:2 goes on under the grace, for 1m at most"
    );
    let mut p = Progress::default();
    p.begins(&status(&json!({"state": "Held", "licensed": true})));
    let at_first = p.said.clone();
    p.running(&status(
        &json!({"state": "Held", "licensed": true, "message": "one renewal failed"}),
    ));
    assert_eq!(p.said, at_first, "no news");
    p.running(&status(&json!({"state": "Lost"})));
    assert_ne!(p.said, at_first);
    let lost = p.said.clone();
    p.running(&status(&json!({"state": "Released"})));
    assert_eq!(p.said, lost, "nothing to say at the end");
}
