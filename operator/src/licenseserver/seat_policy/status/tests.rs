#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use mooring_api::Lookup;
use mooring_core::wire::PolicyView;
use serde_json::json;

const GROUPS: &str = "
- {name: sim, namespaces: [team-a], pools: {render: {owned: 3}}}
- {name: film, namespaces: [team-b], pools: {render: {owned: 2, max: 4}}}
";

fn policy(more: &str, groups: &str) -> LicensePolicy {
    let yaml = format!(
        "{{apiVersion: mooring.dev/v1alpha1, kind: LicensePolicy, metadata: {{name: shares, namespace: licensing, generation: 4}}, \
         spec: {{{more} groups: {}}}}}",
        serde_json::to_string(&serde_yaml::from_str::<serde_json::Value>(groups).unwrap()).unwrap()
    );
    serde_yaml::from_str(&yaml).unwrap()
}

fn uses(owned_by_film: u32, used_by_film: u32) -> serde_json::Value {
    json!([
        { "group": "sim", "pool": "render", "owned": 3, "used": 1 },
        { "group": "film", "pool": "render", "owned": owned_by_film, "max": 4, "used": used_by_film },
        { "pool": "render", "owned": 0, "used": 0 }
    ])
}

/// A server that goes by generation 4.
fn server(name: &str, groups: &serde_json::Value, unknown: &[&str]) -> OnServer {
    let view = json!({ "name": "shares", "groups": groups, "unknownPools": unknown });
    let view: PolicyView = serde_json::from_value(view).unwrap();
    OnServer {
        name: name.into(),
        is_there: true,
        named: NamedPolicy::InForce {
            name: "shares".into(),
            generation: 4,
        },
        policies: Policies {
            generation: 7,
            ..Policies::default()
        },
        snapshot: Snapshot {
            connected: true,
            policy: Some(view),
            handed: Some(7),
            ..Snapshot::default()
        },
        tried: None,
    }
}

fn judged(p: &LicensePolicy, servers: &[OnServer]) -> LicensePolicyStatus {
    let seats = p.spec.seats("shares", &Lookup::default());
    status(&PolicyFacts {
        policy: p,
        seats: &seats,
        servers,
        now: "2026-03-01T12:00:00.7Z".parse().unwrap(),
    })
}

fn said(s: &LicensePolicyStatus, kind: &str) -> (String, String, String) {
    let c = s.condition(kind).unwrap();
    (c.status.clone(), c.reason.clone(), c.message.clone())
}

#[test]
fn a_policy_in_force_shows_what_each_group_has() {
    let p = policy("", GROUPS);
    let s = judged(&p, &[server("main", &uses(2, 4), &[])]);
    assert_eq!(s.observed_generation, Some(4));
    assert_eq!(s.server_names.as_deref(), Some("main"));
    assert_eq!(s.group_count, Some(2));
    let on = &s.servers[0];
    assert!(on.in_force && on.message.is_none());
    let film = &on.groups[1];
    assert_eq!((film.owned, film.max, film.used), (2, Some(4), 4));
    for kind in [ACCEPTED, GROUPS_MATCH, POOLS_KNOWN, SEATS_SUFFICE] {
        assert_eq!(said(&s, kind).0, "True", "{kind}");
    }
    // The same facts once more are no write, and a later change keeps the time of what stayed.
    let again = LicensePolicy {
        status: Some(s.clone()),
        ..p
    };
    assert_eq!(judged(&again, &[server("main", &uses(2, 4), &[])]), s);
}

#[test]
fn it_is_in_force_when_the_server_has_this_generation_and_says_so() {
    let p = policy("", GROUPS);
    let on = |s: OnServer| judged(&p, &[s]).servers[0].clone();
    let main = || server("main", &uses(2, 0), &[]);
    let mut older = main();
    older.snapshot.handed = Some(6);
    assert!(!on(older).in_force, "told before the change");
    let mut earlier = main();
    earlier.named = NamedPolicy::InForce {
        name: "shares".into(),
        generation: 3,
    };
    assert!(!on(earlier).in_force, "not looked at yet");
    let mut silent = main();
    silent.snapshot.connected = false;
    silent.snapshot.problem = Some("no route to host".into());
    let before = LicensePolicy {
        status: Some(judged(&p, &[main()])),
        ..p.clone()
    };
    let still = judged(&before, &[silent]).servers[0].clone();
    assert!(still.in_force, "it goes by what it has");
    assert!(still.message.unwrap().contains("no route to host"));
    assert_eq!(still.groups.len(), 3);
}

#[test]
fn an_operator_that_has_just_started_leaves_what_the_one_before_it_wrote() {
    let known = judged(
        &policy("", GROUPS),
        &[server("main", &uses(1, 4), &["cfd"])],
    );
    let before = LicensePolicy {
        status: Some(known.clone()),
        ..policy("", GROUPS)
    };
    let unheard = OnServer {
        name: "main".into(),
        is_there: true,
        ..OnServer::default()
    };
    assert_eq!(judged(&before, std::slice::from_ref(&unheard)), known);
    // Nothing is known of another generation.
    let mut changed = before.clone();
    changed.metadata.generation = Some(5);
    let s = judged(&changed, std::slice::from_ref(&unheard));
    assert_eq!(said(&s, SEATS_SUFFICE).0, "Unknown");
    // Of a policy that is new all is said.
    let s = judged(&policy("", GROUPS), &[unheard]);
    assert!(!s.servers[0].in_force && s.servers[0].message.is_some());
}

#[test]
fn what_is_wrong_with_a_policy_is_a_condition() {
    let nobody = judged(&policy("", GROUPS), &[]);
    assert!(said(&nobody, ACCEPTED).2.contains("no LicenseServer"));
    assert_eq!(said(&nobody, SEATS_SUFFICE).0, "Unknown");

    let bad = policy(
        "",
        "[{name: a, namespaces: [a], pools: {r: {owned: 2, max: 1}}}]",
    );
    let (status, reason, text) = said(&judged(&bad, &[]), ACCEPTED);
    assert_eq!((&*status, &*reason), ("False", "PolicyInvalid"));
    assert_eq!(text, "spec.groups[a].pools.r.max: expected at least owned");

    let hidden = "
- {name: all, namespaceSelector: {}}
- {name: late, namespaces: [team-b], serviceAccounts: [x/y]}
- {name: none, namespaceSelector: {matchLabels: {team: z}}}
";
    let (status, reason, text) = said(&judged(&policy("", hidden), &[]), GROUPS_MATCH);
    assert_eq!((&*status, &*reason), ("False", "GroupNeverMatches"));
    assert!(text.contains("group late has nobody"), "{text}");
    assert!(text.contains("group none has no namespace now"), "{text}");

    let short = judged(&policy("", GROUPS), &[server("main", &uses(1, 0), &[])]);
    let (status, reason, text) = said(&short, SEATS_SUFFICE);
    assert_eq!((&*status, &*reason), ("False", "OwnsTooMany"));
    assert!(
        text.starts_with("group film owns 1 of render on main where it says 2"),
        "{text}"
    );
}

#[test]
fn a_pool_is_unknown_that_no_server_of_the_policy_sells() {
    let p = policy("", GROUPS);
    let (one, other) = (
        server("main", &uses(2, 0), &["cfd", "render"]),
        server("spare", &uses(2, 0), &["CFD"]),
    );
    let s = judged(&p, &[one, other]);
    let (status, reason, text) = said(&s, POOLS_KNOWN);
    assert_eq!((&*status, &*reason), ("False", "PoolUnknown"));
    assert!(text.starts_with("cfd: "), "{text}");
    assert_eq!(s.servers[0].unknown_pools, ["cfd", "render"]);
}

fn change(n: usize) -> serde_json::Value {
    json!({
        "lease": format!("{n:032x}"), "claim": "pod",
        "holder": { "kind": "pod", "namespace": "team-b", "pod": format!("sim-{n}"), "uid": "u", "serviceAccount": "default" },
        "items": [{ "product": "render", "seats": 2 }], "now": "holds", "then": "calledBack",
        "message": "policy shares: its seats are lent by group sim, which wants them now"
    })
}

#[test]
fn a_dry_run_says_line_by_line_what_would_change_and_enforces_nothing() {
    let p = policy("dryRun: true,", GROUPS);
    let changes: Vec<_> = (0..30).map(change).collect();
    let test = json!({ "changes": changes, "more": 5, "groups": uses(2, 4), "unknownPools": [] });
    let mut main = server("main", &uses(2, 0), &[]);
    main.named = NamedPolicy::DryRun {
        name: "shares".into(),
    };
    main.snapshot.policy = None;
    main.tried = Some(Ok(serde_json::from_value(test).unwrap()));
    let s = judged(&p, std::slice::from_ref(&main));
    let on = &s.servers[0];
    assert!(!on.in_force);
    assert_eq!(
        on.would_change[0],
        "team-b/sim-0 (2 render): holds -> calledBack: policy shares: its seats are lent by group sim, which wants them now"
    );
    assert_eq!(
        (on.would_change.len(), on.would_change_more),
        (20, Some(15))
    );
    assert_eq!(on.groups[1].used, 4);
    assert_eq!(said(&s, SEATS_SUFFICE).0, "True");

    // A server that cannot be asked takes nothing of that back.
    let before = LicensePolicy {
        status: Some(s),
        ..p.clone()
    };
    main.tried = Some(Err("connection refused".into()));
    let s = judged(&before, std::slice::from_ref(&main));
    assert_eq!(s.servers[0].would_change.len(), 20);
    assert!(s.servers[0].message.as_deref().unwrap().contains("refused"));

    // Enforced, nothing would change any more.
    let mut enforced = policy("", GROUPS);
    enforced.status = Some(s);
    let s = judged(&enforced, &[server("main", &uses(2, 4), &[])]);
    assert!(s.servers[0].in_force && s.servers[0].would_change.is_empty());

    let away = OnServer {
        name: "mian".into(),
        ..OnServer::default()
    };
    let s = judged(&policy("dryRun: true,", GROUPS), &[away]);
    let message = s.servers[0].message.as_deref();
    assert_eq!(message, Some("there is no LicenseServer of this name"));
}
