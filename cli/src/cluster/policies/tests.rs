#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use serde_json::{Value, json};

fn policy(dry_run: bool, status: &Value) -> LicensePolicy {
    let pools = json!({ "Render": { "owned": 3, "lend": 2 } });
    serde_json::from_value(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicensePolicy",
        "metadata": { "name": "shares", "namespace": "licensing", "generation": 1 },
        "spec": { "dryRun": dry_run, "groups": [{ "name": "film", "namespaces": ["team-a"], "pools": pools }] },
        "status": status
    }))
    .unwrap()
}

fn groups() -> Value {
    json!([
        { "group": "film", "pool": "render", "owned": 3, "used": 1 },
        { "pool": "render", "owned": 0, "max": 2, "used": 2 }
    ])
}

fn server(name: &str, policy: Option<&str>) -> LicenseServer {
    let policy = policy.map(|name| json!({ "name": name }));
    serde_json::from_value(json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer", "metadata": { "name": name },
        "spec": {
            "licenses": [{ "secretName": "license" }], "policy": policy,
            "anchor": { "usb": { "keySecret": { "name": "k" } } },
            "placement": { "nodeSelector": { "a": "b" } }
        }
    }))
    .unwrap()
}

#[test]
fn each_group_has_a_row_with_what_it_lends() {
    let status = json!({ "servers": [{ "name": "main", "inForce": true, "groups": groups() }] });
    let rows = rows(&policy(false, &status), true);
    let cells = |i: usize| rows[i].join(" ");
    assert_eq!(cells(0), "licensing/shares main True film render 3 1 2 -");
    assert_eq!(cells(1), "licensing/shares main True (none) render 0 2 - 2");
    // Where no license server says anything: as the policy has it.
    let untold = super::rows(&policy(false, &Value::Null), false);
    assert_eq!(untold[0].join(" "), "shares - False film Render 3 - 2 -");
}

#[test]
fn what_is_wrong_is_said_and_what_would_change() {
    let condition = json!({
        "type": "SeatsSuffice", "status": "False", "reason": "OwnsTooMany", "message": "group film owns 1 …",
        "lastTransitionTime": "2026-03-01T12:00:00Z"
    });
    let on = json!({
        "name": "main", "tried": true, "message": "a dry run: nothing is enforced", "groups": groups(),
        "wouldChange": ["team-b/sim-1 (2 render): holds -> calledBack"], "wouldChangeMore": 4
    });
    let p = policy(true, &json!({ "conditions": [condition], "servers": [on] }));
    assert_eq!(
        wrong(&p, false),
        ["shares: SeatsSuffice is False (OwnsTooMany): group film owns 1 …"]
    );
    assert_eq!(
        would_change(&[p], false),
        "\nshares would change on main:\n  team-b/sim-1 (2 render): holds -> calledBack\n  and 4 more\n"
    );
    let nowhere = wrong(&policy(false, &json!({ "servers": [] })), false);
    assert!(nowhere[0].contains("names it"), "{nowhere:?}");
}

#[test]
fn it_is_tried_where_it_is_named_or_where_there_is_one_place() {
    let p = policy(false, &Value::Null);
    let on = |all: &[LicenseServer], server| choose(all, "licensing", &p, server);
    let (main, spare) = (server("main", Some("shares")), server("spare", None));
    assert_eq!(on(std::slice::from_ref(&spare), None).unwrap(), ["spare"]);
    let both = [main, spare];
    assert_eq!(on(&both, None).unwrap(), ["main"]);
    assert_eq!(on(&both, Some("spare")).unwrap(), ["spare"]);
    assert!(on(&both, Some("mian")).is_err());
    let others = [server("a", None), server("b", Some("else"))];
    let said = on(&others, None).unwrap_err().to_string();
    assert!(said.contains("--server with one of a, b"), "{said}");
}

#[test]
fn the_object_that_is_tried_enforces_nothing_and_bears_no_name_that_is_taken() {
    let test = dry_run(&policy(false, &Value::Null), vec!["main".into()]);
    let made = serde_json::to_value(&test).unwrap();
    assert_eq!(made["metadata"]["generateName"], "shares-test-");
    assert!(made["metadata"].get("name").is_none(), "{made}");
    assert!(made["metadata"].get("namespace").is_none(), "{made}");
    assert_eq!(made["spec"]["dryRun"], true);
    assert_eq!(made["spec"]["dryRunOn"], json!(["main"]));

    let status = json!({ "servers": [{ "name": "main", "tried": true, "wouldChange": ["x: policy shares-test-q7k2p: …"] }] });
    let status: LicensePolicyStatus = serde_json::from_value(status).unwrap();
    let tried = told("shares", "shares-test-q7k2p", &status);
    assert_eq!(tried.servers[0].would_change, ["x: policy shares: …"]);
}
