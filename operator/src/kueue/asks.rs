//! What a Workload's pods ask of a license server, all together. Pure.

use crate::inject::Requested;
use crate::owners::{WorkloadClaim, times};
use crate::watched::{PodSet, Workload};
use kube::ResourceExt as _;
use mooring_api::names::ServerRef;
use mooring_core::annotation::{PROJECT, RESERVATION};
use mooring_core::names::{ProjectName, Seats};
use mooring_core::request::{Item, MAX_ITEMS, MAX_SEATS};

/// What a Workload asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing of this license server.
    Nothing,
    /// It never can be had as it is: why.
    Bad(String),
    Seats(Asks),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asks {
    pub(super) claim: WorkloadClaim,
    pub(super) sets: Vec<AskingSet>,
    /// Its pods are made once it is admitted: till then Kueue can write on them.
    pub(super) makes_pods: bool,
}

/// A pod set that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskingSet {
    pub(super) name: String,
    /// Its pods name the license server.
    pub(super) is_named: bool,
    /// They have the name of a reservation already: it was copied. Kueue overwrites nothing, and
    /// would give the Workload up.
    pub(super) is_marked: bool,
}

/// Reads what a Workload asks of a license server. `rests`: it has no quota now.
pub(super) fn asked(workload: &Workload, server: &ServerRef, rests: bool) -> Asked {
    match read(workload, server, rests) {
        Ok(Some(asks)) => Asked::Seats(asks),
        Ok(None) => Asked::Nothing,
        Err(why) => Asked::Bad(why),
    }
}

fn read(workload: &Workload, server: &ServerRef, rests: bool) -> Result<Option<Asks>, String> {
    let namespace = workload.namespace().unwrap_or_default();
    // A group of pods is owned by each of them, and controlled by none.
    let mut owners = workload.owner_references().iter();
    let owner = owners.find(|o| o.controller == Some(true));
    let own = workload.uid().unwrap_or_default();
    let mut claim = WorkloadClaim {
        name: workload.name_any(),
        uid: owner.map_or(own, |o| o.uid.clone()),
        is_group: owner.is_none(),
        service_account: String::new(),
        project: None,
        items: Vec::new(),
        rests,
        namespace,
    };
    let mut sets = Vec::new();
    for set in &workload.spec.pod_sets {
        let bad = |why: String| format!("pod set {}: {why}", set.name);
        let Some(asks) = asks_of(set, server, &claim.namespace).map_err(bad)? else {
            continue;
        };
        let project = set.annotations().get(PROJECT.key);
        let project = project.and_then(|p| ProjectName::new(p).ok());
        if sets.is_empty() {
            set.service_account().clone_into(&mut claim.service_account);
            claim.project = project;
        } else if claim.service_account != set.service_account() || claim.project != project {
            let why = "the pods that ask for licenses have different service accounts or projects, so their seats cannot be reserved together: give all of them the same";
            return Err(bad(why.to_owned()));
        }
        let pods = workload.pods_of(set) as usize;
        add(&mut claim.items, &asks.items, pods).map_err(bad)?;
        sets.push(AskingSet {
            name: set.name.clone(),
            is_named: asks.is_named,
            is_marked: set.annotations().contains_key(RESERVATION.key),
        });
    }
    if claim.items.is_empty() {
        return Ok(None);
    }
    Ok(Some(Asks {
        claim,
        sets,
        makes_pods: owner.is_some_and(|o| o.kind != "Pod"),
    }))
}

/// What one pod asks for.
struct OfOne {
    items: Vec<Item>,
    is_named: bool,
}

/// `None`: nothing, or not of this license server, or only once it runs.
fn asks_of(set: &PodSet, server: &ServerRef, namespace: &str) -> Result<Option<OfOne>, String> {
    let read = Requested::read(set.annotations()).map_err(|e| e.to_string())?;
    let Some(requested) = read.filter(Requested::waits) else {
        return Ok(None);
    };
    // What is claimed before it runs is claimed at the first alone.
    let named = requested.servers.into_iter().next().map(|s| {
        let of = s.namespace.unwrap_or_else(|| namespace.to_owned());
        ServerRef::new(of, s.name)
    });
    let named = set.server().or(named);
    if named.as_ref().is_some_and(|n| n != server) {
        return Ok(None);
    }
    Ok(Some(OfOne {
        items: requested.items,
        is_named: named.is_some(),
    }))
}

/// Adds what so many pods ask for.
fn add(all: &mut Vec<Item>, items: &[Item], pods: usize) -> Result<(), String> {
    if pods == 0 {
        return Ok(());
    }
    for item in times(items, pods) {
        let Some(known) = all.iter_mut().find(|i| i.product == item.product) else {
            all.push(item);
            continue;
        };
        if known.version != item.version {
            let product = &item.product;
            return Err(format!(
                "another pod set asks for another version of {product}, so their seats cannot be reserved together: ask for one version"
            ));
        }
        let seats = known.seats.get().saturating_add(item.seats.get());
        known.seats = Seats::new(seats.min(MAX_SEATS)).unwrap_or(known.seats);
    }
    if all.len() > MAX_ITEMS {
        let n = all.len();
        return Err(format!(
            "the pod sets ask for {n} products together, expected at most {MAX_ITEMS}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use serde_json::{Value, json};

    fn set(name: &str, count: u32, annotations: &Value, account: &str) -> Value {
        json!({ "name": name, "count": count, "template": {
            "metadata": { "annotations": annotations },
            "spec": { "serviceAccountName": account },
        }})
    }

    fn of(sets: &[Value]) -> Asked {
        let owner = json!({ "apiVersion": "v1", "kind": "Job", "name": "j", "uid": "j1", "controller": true });
        let workload = serde_json::from_value(json!({
            "metadata": { "name": "job-j", "namespace": "apps", "uid": "w1", "ownerReferences": [owner] },
            "spec": { "podSets": sets },
        }));
        asked(&workload.unwrap(), &ServerRef::new("apps", "main"), false)
    }

    fn asks(licenses: &str) -> Value {
        json!({ "mooring.dev/licenses": licenses })
    }

    #[test]
    fn all_pods_of_all_sets_ask_together() {
        let driver = set("driver", 1, &asks("render,denoise"), "farm");
        let workers = set("workers", 3, &asks("render:2"), "farm");
        let plain = set("plain", 9, &json!({}), "other");
        let Asked::Seats(asks) = of(&[driver, workers, plain]) else {
            panic!("it asks for seats");
        };
        assert_eq!(
            mooring_core::request::print(&asks.claim.items),
            "render:7,denoise"
        );
        assert_eq!(asks.claim.key().0, "workload:apps/j1");
        assert_eq!((asks.sets.len(), asks.makes_pods), (2, true));
    }

    #[test]
    fn a_group_of_pods_asks_by_its_own_uid_what_its_pods_were_made_with() {
        let pod = |uid: &str| json!({ "apiVersion": "v1", "kind": "Pod", "name": uid, "uid": uid });
        let of = |containers: Value| {
            let workload = serde_json::from_value(json!({
                "metadata": {
                    "name": "gang", "namespace": "apps", "uid": "w1",
                    "ownerReferences": [pod("one"), pod("two")],
                },
                "spec": { "podSets": [{ "name": "hash", "count": 2, "template": {
                    "metadata": {}, "spec": { "initContainers": containers },
                } }] },
            }));
            asked(&workload.unwrap(), &ServerRef::new("apps", "main"), false)
        };
        let sidecar = json!({ "name": "mooring", "env": [
            { "name": "MOORING_LICENSES", "value": "render:2" },
            { "name": "MOORING_SERVER", "value": "https://main.apps.svc:8443;https://other.apps.svc:8443" },
        ] });
        let Asked::Seats(asks) = of(json!([sidecar, { "name": "mooring-gate" }])) else {
            panic!("it asks for seats");
        };
        let claim = &asks.claim;
        assert_eq!(mooring_core::request::print(&claim.items), "render:4");
        assert_eq!(
            (claim.key().0.as_str(), claim.is_group),
            ("workload:apps/w1", true)
        );
        assert!(!asks.makes_pods && asks.sets[0].is_named);
        assert_eq!(of(json!([sidecar])), Asked::Nothing, "they do not wait");
    }

    #[test]
    fn what_is_asked_elsewhere_or_only_once_they_run_is_not_asked_here() {
        let named = |server: &str| json!({ "mooring.dev/licenses": "render", "mooring.dev/server": server });
        let none = json!({ "mooring.dev/licenses": "render", "mooring.dev/wait": "none" });
        let second = named("other,main");
        for annotations in [
            json!({}),
            named("licensing/main"),
            named("other"),
            second,
            none,
        ] {
            assert_eq!(
                of(&[set("main", 2, &annotations, "")]),
                Asked::Nothing,
                "{annotations}"
            );
        }
        assert_eq!(of(&[set("main", 0, &asks("render"), "")]), Asked::Nothing);
        let Asked::Seats(asks) = of(&[set("main", 2, &named("main"), "")]) else {
            panic!("it is named");
        };
        assert!(asks.sets[0].is_named);
        let first = set("main", 2, &named("main,other"), "");
        assert!(matches!(of(&[first]), Asked::Seats(_)));
        assert_eq!(asks.claim.service_account, "default");
    }

    #[test]
    fn what_cannot_be_says_which_pod_set_and_why() {
        let says = |sets: &[Value], words: &[&str]| {
            let Asked::Bad(why) = of(sets) else {
                panic!("it cannot be")
            };
            assert!(words.iter().all(|w| why.contains(w)), "{why}");
        };
        says(
            &[set("main", 1, &asks("render:x"), "")],
            &["pod set main", "mooring.dev/licenses"],
        );
        let two = |a: &Value, b: &Value, account| [set("a", 1, a, "one"), set("b", 1, b, account)];
        says(
            &two(&asks("render"), &asks("render"), "two"),
            &["pod set b", "service accounts"],
        );
        says(
            &two(&asks("render@1"), &asks("render@2"), "one"),
            &["pod set b", "version"],
        );
    }
}
