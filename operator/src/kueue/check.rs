//! Which LicenseServer an AdmissionCheck is about, and whether Kueue may go by it. Pure.

use crate::watched::{ActiveCondition, AdmissionCheck};
use kube::ResourceExt as _;
use mooring_api::names::{GROUP, KUEUE_CONTROLLER, ServerRef};
use mooring_core::annotation::SERVER;
use mooring_core::time::Timestamp;
use serde_json::{Value, json};

/// Why a check is not active: the condition's reason, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inactive {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

fn inactive(reason: &'static str, message: String) -> Inactive {
    Inactive { reason, message }
}

/// Whether a check is ours.
pub(super) fn is_ours(check: &AdmissionCheck) -> bool {
    check.spec.controller_name == KUEUE_CONTROLLER
}

/// The license server of a check: the one of its parameters' name, in the namespace that its
/// annotation says where there are several.
pub(super) fn server_of(
    check: &AdmissionCheck,
    servers: &[ServerRef],
) -> Result<ServerRef, Inactive> {
    let expected = format!(
        "expected {{apiGroup: {GROUP}, kind: LicenseServer, name: the LicenseServer's name}}"
    );
    let Some(named) = &check.spec.parameters else {
        let message = format!("spec.parameters: missing, {expected}");
        return Err(inactive("BadParameters", message));
    };
    if named.api_group != GROUP || named.kind != "LicenseServer" {
        let (group, kind) = (&named.api_group, &named.kind);
        let message = format!("spec.parameters: kind {kind} of group {group:?}, {expected}");
        return Err(inactive("BadParameters", message));
    }
    if let Some(told) = check.annotations().get(SERVER.key) {
        return by_annotation(told, &named.name, servers);
    }
    let name = &named.name;
    let mut of_name: Vec<_> = servers.iter().filter(|s| s.name == *name).collect();
    of_name.sort();
    match of_name.as_slice() {
        [] => Err(inactive(
            "ServerNotFound",
            format!(
                "spec.parameters.name: there is no LicenseServer {name} in any namespace (one outside of the cluster reserves nothing)"
            ),
        )),
        [one] => Ok((*one).clone()),
        [..] => {
            let all: Vec<String> = of_name.iter().map(ToString::to_string).collect();
            let message = format!(
                "spec.parameters.name: {} LicenseServers are called {name} ({}): name one by the annotation {SERVER} of this AdmissionCheck, as namespace/name",
                all.len(),
                all.join(", ")
            );
            Err(inactive("ServerAmbiguous", message))
        }
    }
}

fn by_annotation(told: &str, name: &str, servers: &[ServerRef]) -> Result<ServerRef, Inactive> {
    let wanted = told.split_once('/').map(|(ns, n)| ServerRef::new(ns, n));
    let Some(wanted) = wanted.filter(|w| w.name == name) else {
        let message = format!(
            "annotation {SERVER}: {told:?}, expected namespace/{name}, of the name in spec.parameters"
        );
        return Err(inactive("BadParameters", message));
    };
    if servers.contains(&wanted) {
        return Ok(wanted);
    }
    let message = format!("annotation {SERVER}: there is no LicenseServer {wanted}");
    Err(inactive("ServerNotFound", message))
}

/// The check's condition as it is to be; `None`: it is so.
pub(super) fn condition(
    check: &AdmissionCheck,
    server: &Result<ServerRef, Inactive>,
    now: Timestamp,
) -> Option<Value> {
    let (status, reason, message) = match server {
        Ok(server) => {
            let message =
                format!("seats are reserved at license server {server} before a Workload runs");
            ("True", "Active", message)
        }
        Err(e) => ("False", e.reason, e.message.clone()),
    };
    let old = check.status.conditions.first();
    let same = |c: &&ActiveCondition| {
        (c.status.as_str(), c.reason.as_str(), &c.message) == (status, reason, &message)
    };
    if old.is_some_and(|c| same(&c)) {
        return None;
    }
    let turned = old.filter(|c| c.status == status);
    let since = turned.and_then(|c| c.last_transition_time.as_ref());
    let since = since.map_or(now, |t| t.0);
    Some(json!({
        "type": "Active", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": crate::kubernetes::whole_seconds(since),
        "observedGeneration": check.metadata.generation,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(parameters: &Value, annotation: Option<&str>) -> AdmissionCheck {
        let annotations = annotation.map(|a| json!({ "mooring.dev/server": a }));
        serde_json::from_value(json!({
            "metadata": { "name": "license", "annotations": annotations },
            "spec": { "controllerName": "mooring.dev/license", "parameters": parameters },
        }))
        .unwrap()
    }

    fn main() -> Value {
        json!({ "apiGroup": "mooring.dev", "kind": "LicenseServer", "name": "main" })
    }

    #[test]
    fn a_check_names_a_license_server_or_says_what_is_wrong() {
        let (a, b) = (ServerRef::new("a", "main"), ServerRef::new("b", "main"));
        let one = [a.clone(), ServerRef::new("b", "other")];
        let two = [a.clone(), b.clone()];
        let of = |p: &Value, told, all: &[ServerRef]| {
            server_of(&check(p, told), all).map_err(|e| (e.reason, e.message))
        };
        assert_eq!(of(&main(), None, &one), Ok(a.clone()));
        assert_eq!(of(&main(), Some("b/main"), &two), Ok(b));
        let refused = |p: &Value, told, all: &[ServerRef], reason, says: &str| {
            let (is, message) = of(p, told, all).unwrap_err();
            assert_eq!(is, reason);
            assert!(message.contains(says), "{message}");
        };
        refused(
            &main(),
            None,
            &[],
            "ServerNotFound",
            "no LicenseServer main",
        );
        refused(&main(), None, &two, "ServerAmbiguous", "a/main, b/main");
        refused(&main(), Some("c/main"), &two, "ServerNotFound", "c/main");
        refused(
            &main(),
            Some("a/other"),
            &two,
            "BadParameters",
            "namespace/main",
        );
        refused(&main(), Some("main"), &two, "BadParameters", "\"main\"");
        refused(&json!(null), None, &one, "BadParameters", "missing");
        let job = json!({ "apiGroup": "batch", "kind": "Job", "name": "main" });
        refused(&job, None, &one, "BadParameters", "kind Job");
    }

    #[test]
    fn its_condition_is_written_where_it_changes() {
        let now = Timestamp::UNIX_EPOCH;
        let server = Ok(ServerRef::new("a", "main"));
        let mut check = check(&main(), None);
        let new = condition(&check, &server, now).unwrap();
        assert_eq!(new["status"], "True");
        check.status.conditions = vec![serde_json::from_value(new).unwrap()];
        assert_eq!(condition(&check, &server, now), None);
        let gone = Err(inactive("ServerNotFound", "none".into()));
        let later = Timestamp::from_second(60).unwrap();
        let new = condition(&check, &gone, later).unwrap();
        assert_eq!(
            (&new["status"], &new["lastTransitionTime"]),
            (&json!("False"), &json!("1970-01-01T00:01:00Z"))
        );
    }
}
