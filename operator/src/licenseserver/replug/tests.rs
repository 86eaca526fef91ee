#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::json;

fn server(resource: Option<&str>) -> LicenseServer {
    let mut v = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer", "metadata": { "name": "main" },
        "spec": { "licenses": [{ "secretName": "l" }], "placement": { "nodeSelector": { "a": "b" } },
            "anchor": { "pkcs11": { "module": "/m", "tokenLabel": "t", "pinSecret": { "name": "p" } } } }
    });
    if let Some(r) = resource {
        v["spec"]["anchor"]["pkcs11"]["deviceResource"] = json!(r);
    }
    serde_json::from_value(v).unwrap()
}

fn node(offered: &str) -> Node {
    let v = json!({ "metadata": { "name": "a" }, "status": { "allocatable": { "v.example/dongle": offered } } });
    serde_json::from_value(v).unwrap()
}

fn says(instance: &str, present: bool, reason: &str) -> Snapshot {
    let state = json!({
        "instance": instance.repeat(16), "version": "0.1.0",
        "anchor": { "kind": "pkcs11", "present": present, "reason": reason, "message": "m" },
        "licenseValid": true, "licenseReason": "Valid", "licenseMessage": "m",
        "settling": false, "renews": true, "leaseForSecs": 30
    });
    Snapshot {
        connected: true,
        state: Some(serde_json::from_value(state).unwrap()),
        ..Snapshot::default()
    }
}

const DONGLE: Option<&str> = Some("v.example/dongle");

/// One look at each second of this list; whether the pod is replaced after the last.
fn replaced(resource: Option<&str>, offered: &str, looks: &[(u64, Snapshot)]) -> bool {
    again(resource, offered, looks, None)
}

/// The time of day at a second of the boot clock.
fn wall(second: u64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::try_from(second).unwrap()).unwrap()
}

/// The same after `earlier` ones.
fn again(
    resource: Option<&str>,
    offered: &str,
    looks: &[(u64, Snapshot)],
    earlier: Option<&Replacements>,
) -> bool {
    let mut w = Watched::default();
    let mut last = BootTime::from_millis(0);
    for (second, snapshot) in looks {
        last = BootTime::from_millis(second * 1000);
        w.note(snapshot, last);
    }
    let second = looks.last().map_or(0, |(second, _)| *second);
    let now = Now {
        boot: last,
        wall: wall(second),
    };
    due(&server(resource), &w, Some(&node(offered)), earlier, now).is_some()
}

#[test]
fn a_dongle_that_is_back_while_the_server_misses_it_replaces_the_pod() {
    let here = says("aa", true, "Present");
    let gone = || says("aa", false, "TokenNotFound");
    let story = [(0, here.clone()), (10, gone()), (30, gone())];
    assert!(replaced(DONGLE, "1", &story));
    assert!(!replaced(DONGLE, "0", &story), "it is not plugged in again");
    assert!(!replaced(None, "1", &story), "nothing in the pod is stale");
    assert!(
        !replaced(
            DONGLE,
            "1",
            &[(0, here.clone()), (10, gone()), (29, gone())]
        ),
        "it may come back by itself"
    );
    assert!(!replaced(
        DONGLE,
        "1",
        &[(0, here.clone()), (10, gone()), (20, here), (30, gone())]
    ));
}

#[test]
fn what_no_new_pod_can_mend_replaces_none() {
    for reason in [
        "PinRejected",
        "PinMissing",
        "KeyNotInLicense",
        "ModuleNotFound",
    ] {
        let story = [
            (0, says("aa", true, "Present")),
            (10, says("aa", false, reason)),
            (400, says("aa", false, reason)),
        ];
        assert!(!replaced(DONGLE, "1", &story), "{reason}");
    }
}

#[test]
fn a_new_pod_that_misses_the_device_too_is_replaced_again_with_growing_pauses() {
    // The operator is another one by now: all that it knows is in the status.
    let story = |at: u64| {
        [
            (0, says("bb", false, "TokenNotFound")),
            (at, says("bb", false, "TokenNotFound")),
        ]
    };
    let first = counted(None, wall(0));
    assert!(!again(DONGLE, "1", &story(59), Some(&first)));
    assert!(again(DONGLE, "1", &story(60), Some(&first)));
    let second = counted(Some(&first), wall(0));
    assert_eq!(second.count, 2);
    assert!(!again(DONGLE, "1", &story(119), Some(&second)));
    assert!(again(DONGLE, "1", &story(120), Some(&second)));
    let many = Replacements {
        count: 1000,
        ..first
    };
    assert!(!again(DONGLE, "1", &story(1799), Some(&many)));
    assert!(again(DONGLE, "1", &story(1800), Some(&many)), "without end");
    assert!(
        !again(DONGLE, "0", &story(9000), Some(&many)),
        "it is not plugged in"
    );
}

#[test]
fn what_is_not_heard_does_not_count() {
    let mut deaf = says("aa", false, "TokenNotFound");
    deaf.connected = false;
    let story = [
        (0, says("aa", true, "Present")),
        (10, deaf.clone()),
        (400, deaf),
    ];
    assert!(!replaced(DONGLE, "1", &story));
}
