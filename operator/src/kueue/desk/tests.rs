#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use mooring_core::time::Timestamp;
use serde_json::{Value, json};

/// Some Workloads at one check, and a license server that answers as it is told.
struct Table {
    desk: Desk,
    servers: Vec<ServerRef>,
    stands: HashMap<String, (Stand, bool)>,
    now: u64,
}

fn main() -> ServerRef {
    ServerRef::new("licensing", "main")
}

fn check() -> AdmissionCheck {
    let parameters = json!({ "apiGroup": "mooring.dev", "kind": "LicenseServer", "name": "main" });
    serde_json::from_value(json!({
        "metadata": { "name": "license" },
        "spec": { "controllerName": "mooring.dev/license", "parameters": parameters },
    }))
    .unwrap()
}

fn workload(name: &str, licenses: &str, conditions: &[(&str, &str)], state: &Value) -> Workload {
    let conditions = conditions.iter();
    let conditions: Vec<_> = conditions
        .map(|(kind, status)| json!({ "type": kind, "status": status }))
        .collect();
    let owner =
        json!({ "apiVersion": "v1", "kind": "Job", "name": name, "uid": name, "controller": true });
    let template = json!({ "metadata": { "annotations": { "mooring.dev/licenses": licenses } } });
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("job-{name}"), "namespace": "apps", "uid": format!("w-{name}"),
            "ownerReferences": [owner],
        },
        "spec": { "podSets": [{ "name": "main", "count": 2, "template": template }] },
        "status": { "conditions": conditions, "admissionChecks": [state] },
    }))
    .unwrap()
}

fn state(word: &str) -> Value {
    json!({ "name": "license", "state": word, "message": "" })
}

const QUOTA: [(&str, &str); 1] = [("QuotaReserved", "True")];

impl Table {
    fn new() -> Self {
        let mut desk = Desk::default();
        desk.checks.insert("license".into(), check());
        Self {
            desk,
            servers: vec![main()],
            stands: HashMap::new(),
            now: 100,
        }
    }

    fn put(&mut self, w: Workload) {
        self.desk.workloads.insert(w.uid().unwrap(), w);
    }

    fn stand(&mut self, name: &str, stand: Stand, rested: bool) {
        self.stands
            .insert(format!("workload:apps/{name}"), (stand, rested));
    }

    fn look(&mut self) -> Round {
        let now = Now {
            wall: Timestamp::UNIX_EPOCH,
            boot: BootTime::from_millis(self.now * 1000),
        };
        let stands = &self.stands;
        let stand = |_: &ServerRef, key: &HolderKey| stands.get(&key.0).cloned();
        self.desk.look(&self.servers, &stand, now)
    }

    fn after(&mut self, secs: u64) -> Round {
        self.now += secs;
        self.look()
    }
}

fn claims(round: &Round) -> Vec<(&str, bool)> {
    let all = round.claims[&main()].values();
    all.map(|c| (c.name.as_str(), c.rests)).collect()
}

fn at(place: u32) -> Stand {
    let why = "full".into();
    Stand::Waiting { place, why }
}

fn says(round: &Round) -> Vec<&CheckWord> {
    round.writes.iter().map(|w| &w.says).collect()
}

#[test]
fn a_workload_with_quota_claims_and_is_ready_once_it_has_its_seats() {
    let mut table = Table::new();
    table.put(workload("j", "render", &QUOTA, &state("Pending")));
    let round = table.look();
    assert_eq!(claims(&round), [("job-j", false)]);
    assert!(round.writes.is_empty(), "{round:?}");
    table.stand("j", Stand::Reserved, false);
    let round = table.look();
    let [CheckWord::Ready { updates, .. }] = says(&round)[..] else {
        panic!("{round:?}")
    };
    let written = &updates[0].annotations;
    assert!(written.contains(&("mooring.dev/reservation", "job-j".into())));
    assert!(written.contains(&("mooring.dev/server", "licensing/main".into())));
    assert!(
        table.look().writes.is_empty(),
        "the watch may not show it yet"
    );
    table.put(workload("j", "render", &QUOTA, &state("Ready")));
    let round = table.after(60);
    assert_eq!(
        (claims(&round), says(&round)),
        (vec![("job-j", false)], vec![])
    );
    let over = [("QuotaReserved", "True"), ("Finished", "True")];
    table.put(workload("j", "render", &over, &state("Ready")));
    assert!(claims(&table.look()).is_empty(), "it is over");
}

#[test]
fn one_that_waits_rests_before_it_is_sent_back_and_keeps_its_place() {
    let mut table = Table::new();
    table.put(workload("j", "render", &QUOTA, &state("Pending")));
    table.look();
    table.stand("j", at(2), false);
    let round = table.after(10);
    assert_eq!(claims(&round), [("job-j", true)], "it is to rest first");
    assert!(says(&round).is_empty(), "{round:?}");
    table.stand("j", at(2), true);
    let round = table.look();
    let [CheckWord::Retry { after, .. }] = says(&round)[..] else {
        panic!("{round:?}")
    };
    assert_eq!(after.as_secs(), 60);
    // As Kueue has it then.
    let sent_back =
        json!({ "name": "license", "state": "Retry", "message": "", "requeueAfterSeconds": 60 });
    let taken = [("QuotaReserved", "False"), ("Evicted", "True")];
    table.put(workload("j", "render", &taken, &sent_back));
    table.look();
    let round = table.after(6);
    assert_eq!(
        (claims(&round), says(&round)),
        (vec![("job-j", true)], vec![&CheckWord::Again])
    );
    let again =
        json!({ "name": "license", "state": "Pending", "message": "", "requeueAfterSeconds": 60 });
    table.put(workload("j", "render", &taken, &again));
    assert_eq!(claims(&table.after(600)), [("job-j", true)]);
    table.put(workload("j", "render", &QUOTA, &again));
    assert_eq!(
        claims(&table.after(1)),
        [("job-j", false)],
        "it stands in line again"
    );
    table.put(workload("j", "render", &taken, &again));
    table.look();
    assert!(claims(&table.after(3600)).is_empty(), "not for ever");
}

#[test]
fn another_operator_knows_who_was_sent_back() {
    let mut table = Table::new();
    let again =
        json!({ "name": "license", "state": "Pending", "message": "", "requeueAfterSeconds": 60 });
    table.put(workload("j", "render", &[], &again));
    table.put(workload("k", "render", &[], &state("Pending")));
    assert_eq!(
        claims(&table.look()),
        [("job-j", true)],
        "k never had quota"
    );
}

#[test]
fn what_has_its_seats_and_loses_its_quota_gives_them_back() {
    let mut table = Table::new();
    table.put(workload("j", "render", &QUOTA, &state("Ready")));
    table.stand("j", Stand::Reserved, false);
    table.look();
    let preempted = [("QuotaReserved", "True"), ("Evicted", "True")];
    table.put(workload("j", "render", &preempted, &state("Pending")));
    assert!(claims(&table.look()).is_empty());
}

#[test]
fn one_that_runs_when_the_check_comes_to_its_queue_goes_on() {
    let mut table = Table::new();
    let runs = [("QuotaReserved", "True"), ("Admitted", "True")];
    table.put(workload("j", "render", &runs, &state("Pending")));
    table.stand("j", Stand::Refused("exceeds-seats".into()), false);
    let round = table.after(60);
    assert!(
        matches!(says(&round)[..], [CheckWord::Ready { .. }]),
        "{round:?}"
    );
}

#[test]
fn what_was_said_with_quota_counts_no_more_without_it() {
    let mut table = Table::new();
    table.put(workload("j", "render", &[], &state("Ready")));
    table.look();
    let round = table.after(6);
    assert_eq!(says(&round), [&CheckWord::Again]);
}

#[test]
fn two_checks_of_two_license_servers_want_the_pods_to_name_one() {
    let mut table = Table::new();
    let mut second = check();
    second.metadata.name = Some("second".into());
    second.spec.parameters.as_mut().unwrap().name = "other".into();
    table.desk.checks.insert("second".into(), second);
    table.servers.push(ServerRef::new("licensing", "other"));
    let both = |licenses: &str| {
        let mut w = workload("j", licenses, &QUOTA, &state("Pending"));
        let states = &mut w.status.admission_checks;
        states.push(CheckState {
            name: "second".into(),
            ..states[0].clone()
        });
        w
    };
    table.put(both("render"));
    let round = table.look();
    let [CheckWord::Rejected(why), CheckWord::Rejected(_)] = says(&round)[..] else {
        panic!("{round:?}")
    };
    assert!(why.contains("mooring.dev/server"), "{why}");
}

#[test]
fn what_asks_for_nothing_passes_and_what_cannot_be_is_rejected() {
    let mut table = Table::new();
    let mut plain = workload("j", "render", &QUOTA, &state("Pending"));
    plain.spec.pod_sets.clear();
    table.put(plain);
    table.put(workload("k", "render:x", &QUOTA, &state("Pending")));
    let round = table.look();
    assert!(claims(&round).is_empty());
    let [CheckWord::Ready { updates, .. }, CheckWord::Rejected(why)] = says(&round)[..] else {
        panic!("{round:?}")
    };
    assert!(updates.is_empty() && why.contains("pod set main"), "{why}");
}

#[test]
fn without_its_license_server_a_check_is_not_active_and_nothing_is_claimed() {
    let mut table = Table::new();
    table.servers.clear();
    table.put(workload("j", "render", &QUOTA, &state("Pending")));
    let round = table.look();
    assert_eq!(round.conditions[0].1["reason"], "ServerNotFound");
    assert!(round.claims.is_empty() && round.writes.is_empty());
    table.servers.push(main());
    assert_eq!(table.look().conditions[0].1["status"], "True");
}

#[test]
fn others_checks_are_nobodys_business() {
    let mut table = Table::new();
    let theirs = json!({ "metadata": { "name": "license" }, "spec": { "controllerName": "x/y" } });
    let theirs = serde_json::from_value(theirs).unwrap();
    table.desk.checks.insert("license".into(), theirs);
    table.put(workload("j", "render", &QUOTA, &state("Pending")));
    let round = table.look();
    assert!(round.conditions.is_empty() && claims(&round).is_empty() && says(&round).is_empty());
}
