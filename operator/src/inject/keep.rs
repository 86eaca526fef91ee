//! A second pass: what others have changed in our containers since the first.
//!
//! What a platform fills in (a user, labels of SELinux), what somebody made stricter (when the
//! image is pulled, more that is dropped), an image out of a mirror, other amounts, further
//! variables and mounts: all that stays, or two would undo each other's work, and a third who looks
//! would refuse the pod. What a container of ours is for and what keeps it safe is compared with
//! what we would write, and put back.

use super::image::Images;
use super::paths;
use super::sidecar::{OWN_VOLUMES, PROGRAM};
use serde_json::{Map, Value, json};

/// What a container of ours never has: each would change what it does.
const NEVER: [&str; 14] = [
    "command",
    "envFrom",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "restartPolicy",
    "restartPolicyRules",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "tty",
    "volumeDevices",
    "workingDir",
];
/// Variables with this prefix are ours alone.
const VARIABLES: &str = "MOORING_";

/// Our container `ours` as it is to be, where it is there already as `there`.
pub(super) fn keep(ours: &Value, there: &Value, images: &Images) -> Value {
    let (Some(ours), Some(there)) = (ours.as_object(), there.as_object()) else {
        return ours.clone();
    };
    let mut kept = there.clone();
    kept.retain(|field, _| !NEVER.contains(&field.as_str()));
    for (field, own) in ours {
        let now = there.get(field).unwrap_or(&Value::Null);
        let value = match field.as_str() {
            "image" if now.as_str().is_some_and(|i| images.are_ours(i)) => now.clone(),
            // Stricter than either of the others: who may pull it is asked each time.
            "imagePullPolicy" if now == "Always" => now.clone(),
            "terminationMessagePath" | "terminationMessagePolicy" if !now.is_null() => now.clone(),
            "securityContext" => security(own, now),
            "volumeMounts" => mounts(own, now),
            _ => own.clone(),
        };
        kept.insert(field.clone(), value);
    }
    let none = json!([]);
    let own = ours.get("env").unwrap_or(&none);
    let env = variables(own, there.get("env").unwrap_or(&none));
    kept.remove("env");
    if env.as_array().is_some_and(|e| !e.is_empty()) {
        kept.insert("env".to_owned(), env);
    }
    Value::Object(kept)
}

fn security(ours: &Value, there: &Value) -> Value {
    let mut kept: Map<String, Value> = there.as_object().cloned().unwrap_or_default();
    let is = |field: &str, good: fn(&Value) -> bool| there.get(field).is_some_and(good);
    let positive = |v: &Value| v.as_i64().is_some_and(|n| n > 0);
    let fine = |field: &str| match field {
        "runAsUser" => is(field, positive),
        "runAsGroup" => is(field, |v| v.as_i64().is_some()),
        "capabilities" => is(field, drops_all),
        "seccompProfile" => is(field, |v| {
            v["type"] == "RuntimeDefault" || v["type"] == "Localhost"
        }),
        "appArmorProfile" => is(field, |v| v["type"] != "Unconfined"),
        "procMount" => is(field, |v| v == "Default"),
        "windowsOptions" => false,
        // What this program does not know, and SELinux's labels, are the platform's.
        _ => ours.get(field).is_none(),
    };
    kept.retain(|field, _| fine(field));
    for (field, own) in ours.as_object().into_iter().flatten() {
        kept.entry(field.clone()).or_insert_with(|| own.clone());
    }
    Value::Object(kept)
}

fn drops_all(capabilities: &Value) -> bool {
    let list = |of: &str| capabilities[of].as_array().cloned().unwrap_or_default();
    list("drop").contains(&json!("ALL")) && list("add").is_empty()
}

/// Our variables with our values, each once, and those of others.
fn variables(ours: &Value, there: &Value) -> Value {
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let name = |v: &Value| v["name"].as_str().unwrap_or_default().to_owned();
    let mut missing = list(ours);
    let mut kept = Vec::new();
    for variable in list(there) {
        match missing.iter().position(|own| name(own) == name(&variable)) {
            Some(i) => kept.push(missing.remove(i)),
            None if name(&variable).starts_with(VARIABLES) => {}
            None => kept.push(variable),
        }
    }
    // In front of those that refer to them.
    missing.extend(kept);
    Value::Array(missing)
}

/// Our mounts, and those of others that are in the way of none of ours.
fn mounts(ours: &Value, there: &Value) -> Value {
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let path = |m: &Value| paths::normal(m["mountPath"].as_str().unwrap_or_default());
    let own = list(ours);
    let in_the_way = |m: &Value| {
        let (at, volume) = (path(m), m["name"].as_str().unwrap_or_default());
        let meets = |other: &str| paths::is_within(&at, other) || paths::is_within(other, &at);
        OWN_VOLUMES.contains(&volume) || meets(PROGRAM) || own.iter().any(|o| meets(&path(o)))
    };
    let mut kept = Vec::new();
    let mut missing = own.clone();
    for m in list(there) {
        match missing.iter().position(|o| *o == m) {
            Some(i) => kept.push(missing.remove(i)),
            None if in_the_way(&m) => {}
            None => kept.push(m),
        }
    }
    missing.extend(kept);
    Value::Array(missing)
}
