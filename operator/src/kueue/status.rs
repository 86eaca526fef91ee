//! What a check says, as it stands in a Workload's status. Pure.
//!
//! Kueue 0.17 lets a Workload that is sent back for a while keep its quota for that while, and only
//! then takes it: it looks at `requeueAt` before it looks at the check. So the Workload is evicted
//! in the same write, as Kueue does it itself where no while is told.

use crate::kubernetes::whole_seconds;
use mooring_core::time::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// What is to be written of one check of one Workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CheckWrite {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) check: String,
    pub(super) says: CheckWord,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CheckWord {
    Ready {
        message: String,
        updates: Vec<SetUpdate>,
    },
    Pending(String),
    Retry {
        after: Duration,
        message: String,
    },
    /// Its quota is taken, and what was said of it with that: it may come again.
    Again,
    Rejected(String),
}

/// What Kueue writes on the pods of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetUpdate {
    pub(super) set: String,
    pub(super) annotations: Vec<(&'static str, String)>,
}

impl SetUpdate {
    fn written(&self) -> Value {
        let all = self.annotations.iter();
        let all = all.map(|(k, v)| ((*k).to_owned(), json!(v)));
        let all: serde_json::Map<String, Value> = all.collect();
        json!({ "name": self.set, "annotations": all })
    }
}

impl CheckWord {
    const fn state(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "Ready",
            Self::Pending(_) | Self::Again => "Pending",
            Self::Retry { .. } => "Retry",
            Self::Rejected(_) => "Rejected",
        }
    }
}

/// The parts of a Workload's status that change, whole, as they are to be. `None`: the check is not
/// there, or has been answered meanwhile; or the Workload has lost the quota that it was said for.
pub(super) fn changed(
    status: &Value,
    check: &str,
    says: &CheckWord,
    now: Timestamp,
) -> Option<Value> {
    let list = |name: &str| status.get(name).and_then(Value::as_array).cloned();
    let (mut checks, mut conditions) = (list("admissionChecks")?, list("conditions")?);
    let is_so = |kind: &str| {
        let mut all = conditions.iter();
        all.any(|c| c["type"] == kind && c["status"] == "True")
    };
    let again = *says == CheckWord::Again;
    let (quota, evicted) = (is_so("QuotaReserved"), is_so("Evicted"));
    let entry = checks.iter_mut().find(|c| c["name"] == check)?;
    let answered = entry["state"] != "Pending";
    let sent_back = entry["state"] == "Retry";
    let fits = if again {
        !quota && answered
    } else {
        quota && !evicted && !answered
    };
    if !fits {
        return None;
    }
    let now = whole_seconds(now);
    turn(entry, says.state(), now);
    match says {
        CheckWord::Ready { message, updates } => {
            entry["message"] = json!(message);
            entry["podSetUpdates"] = updates.iter().map(SetUpdate::written).collect();
            entry.as_object_mut()?.remove("requeueAfterSeconds");
        }
        CheckWord::Pending(message) | CheckWord::Rejected(message) => {
            entry["message"] = json!(message);
        }
        CheckWord::Retry { after, message } => {
            entry["message"] = json!(message);
            entry["requeueAfterSeconds"] = json!(after.as_secs());
            reset(&mut checks, check, now)?;
            evict(&mut conditions, message, now);
            return Some(json!({ "admissionChecks": checks, "conditions": conditions }));
        }
        CheckWord::Again => {
            entry.as_object_mut()?.remove("podSetUpdates");
            if !sent_back {
                entry["message"] = json!("waits for quota");
            }
            if evicted && !is_put_off(status, now) {
                wake(&mut conditions);
                return Some(json!({ "admissionChecks": checks, "conditions": conditions }));
            }
        }
    }
    Some(json!({ "admissionChecks": checks }))
}

fn turn(entry: &mut Value, state: &str, now: Timestamp) {
    if entry["state"] != state {
        entry["lastTransitionTime"] = json!(now);
    }
    entry["state"] = json!(state);
}

/// What other checks said was for the quota that goes: Kueue's own eviction takes it back as well.
/// `None`: one of them has rejected the Workload, and Kueue ends it.
fn reset(checks: &mut [Value], ours: &str, now: Timestamp) -> Option<()> {
    for entry in checks.iter_mut().filter(|c| c["name"] != ours) {
        let state = entry["state"].as_str().unwrap_or_default().to_owned();
        match state.as_str() {
            "Rejected" => return None,
            "Pending" => {}
            _ => {
                turn(entry, "Pending", now);
                let message = format!("reset, since the Workload was evicted; it was {state}");
                entry["message"] = json!(message);
                entry.as_object_mut()?.remove("podSetUpdates");
            }
        }
    }
    Some(())
}

/// Whether Kueue looks at it again by itself.
fn is_put_off(status: &Value, now: Timestamp) -> bool {
    let at = status["requeueState"]["requeueAt"].as_str();
    let at = at.and_then(|t| t.parse::<Timestamp>().ok());
    at.is_some_and(|t| t > now)
}

/// Kueue has looked at it already, found a check that was to be tried again, and looks at it anew
/// only where conditions differ.
fn wake(conditions: &mut [Value]) {
    let evicted = conditions.iter_mut().find(|c| c["type"] == "Evicted");
    if let Some(evicted) = evicted {
        let before = evicted["message"].as_str().unwrap_or_default();
        evicted["message"] = json!(format!("{before}. It may come again"));
    }
}

/// As Kueue says it of a Workload whose check is to be tried again.
fn evict(conditions: &mut Vec<Value>, message: &str, now: Timestamp) {
    conditions.retain(|c| c["type"] != "Evicted");
    conditions.push(json!({
        "type": "Evicted", "status": "True", "reason": "AdmissionCheck", "message": message,
        "lastTransitionTime": now,
    }));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn status(state: &str) -> Value {
        with(state, &[("QuotaReserved", "True"), ("Evicted", "False")])
    }

    fn with(state: &str, conditions: &[(&str, &str)]) -> Value {
        let conditions = conditions.iter();
        let conditions = conditions.map(|(kind, is)| json!({ "type": kind, "status": is }));
        json!({
            "admission": { "clusterQueue": "q" },
            "conditions": conditions.collect::<Value>(),
            "admissionChecks": [
                { "name": "other", "state": "Ready", "message": "theirs", "podSetUpdates": [1] },
                { "name": "license", "state": state, "message": "", "lastTransitionTime": "t0" },
            ],
        })
    }

    fn of(state: &str, says: &CheckWord) -> Option<Value> {
        changed(&status(state), "license", says, Timestamp::UNIX_EPOCH)
    }

    fn retry() -> CheckWord {
        CheckWord::Retry {
            after: Duration::from_secs(60),
            message: "place 2".into(),
        }
    }

    #[test]
    fn what_others_say_stays() {
        let updates = vec![SetUpdate {
            set: "main".into(),
            annotations: vec![("mooring.dev/reservation", "job-j".into())],
        }];
        let message = "reserved".to_owned();
        let new = of("Pending", &CheckWord::Ready { message, updates }).unwrap();
        let checks = &new["admissionChecks"];
        assert_eq!(checks[0], status("Pending")["admissionChecks"][0]);
        assert_eq!(checks[1]["state"], "Ready");
        let written = &checks[1]["podSetUpdates"][0];
        assert_eq!(written["annotations"]["mooring.dev/reservation"], "job-j");
        assert_eq!(checks[1]["lastTransitionTime"], "1970-01-01T00:00:00Z");
        assert!(new.get("conditions").is_none() && new.get("admission").is_none());
        let still = of("Pending", &CheckWord::Pending("place 2".into())).unwrap();
        assert_eq!(still["admissionChecks"][1]["lastTransitionTime"], "t0");
    }

    #[test]
    fn who_is_sent_back_is_evicted_in_the_same_write_and_other_checks_begin_anew() {
        let new = of("Pending", &retry()).unwrap();
        let checks = &new["admissionChecks"];
        assert_eq!(checks[1]["requeueAfterSeconds"], 60);
        assert_eq!(
            (&checks[0]["state"], checks[0].get("podSetUpdates")),
            (&json!("Pending"), None)
        );
        let conditions = new["conditions"].as_array().unwrap();
        assert_eq!(conditions.len(), 2, "{conditions:?}");
        assert_eq!(conditions[1]["reason"], "AdmissionCheck");
        let mut rejected = status("Pending");
        rejected["admissionChecks"][0]["state"] = json!("Rejected");
        let says = changed(&rejected, "license", &retry(), Timestamp::UNIX_EPOCH);
        assert_eq!(says, None, "Kueue ends it");
    }

    #[test]
    fn a_check_that_was_answered_meanwhile_is_left_alone() {
        assert_eq!(of("Ready", &CheckWord::Rejected("x".into())), None);
        assert_eq!(of("Retry", &CheckWord::Again), None, "it has quota");
        let none = changed(
            &json!({}),
            "license",
            &CheckWord::Again,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(none, None);
    }

    #[test]
    fn who_has_lost_its_quota_meanwhile_is_told_nothing_that_was_for_it() {
        let message = "reserved".to_owned();
        let updates = Vec::new();
        let ready = CheckWord::Ready { message, updates };
        let said = |conditions: &[(&str, &str)], says: &CheckWord| {
            changed(
                &with("Pending", conditions),
                "license",
                says,
                Timestamp::UNIX_EPOCH,
            )
        };
        assert_eq!(said(&[("QuotaReserved", "False")], &ready), None);
        let preempted = [("QuotaReserved", "True"), ("Evicted", "True")];
        assert_eq!(said(&preempted, &retry()), None);
    }

    #[test]
    fn who_comes_again_too_late_for_kueue_to_notice_is_noticed() {
        let taken = |at: Option<&str>| {
            let mut status = with("Retry", &[("QuotaReserved", "False"), ("Evicted", "True")]);
            status["requeueState"] = json!({ "requeueAt": at });
            let now = "2026-03-01T12:00:00Z".parse().unwrap();
            changed(&status, "license", &CheckWord::Again, now).unwrap()
        };
        let early = taken(Some("2026-03-01T12:01:00Z"));
        assert_eq!(early["admissionChecks"][1]["state"], "Pending");
        assert!(early.get("conditions").is_none());
        for at in [None, Some("2026-03-01T11:59:00Z")] {
            let late = taken(at);
            let evicted = &late["conditions"][1]["message"];
            assert!(
                evicted.as_str().unwrap().contains("may come again"),
                "{late}"
            );
        }
    }
}
