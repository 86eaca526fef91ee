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
    /// It was sent back, and its quota is taken: it may come again.
    Again,
    Rejected(String),
}

/// What Kueue writes on the pods of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetUpdate {
    pub(super) set: String,
    pub(super) annotations: Vec<(&'static str, String)>,
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
/// there, or has been answered meanwhile.
pub(super) fn changed(
    status: &Value,
    check: &str,
    says: &CheckWord,
    now: Timestamp,
) -> Option<Value> {
    let list = |name: &str| status.get(name).and_then(Value::as_array).cloned();
    let mut checks = list("admissionChecks")?;
    let entry = checks.iter_mut().find(|c| c["name"] == check)?;
    let from = if *says == CheckWord::Again {
        "Retry"
    } else {
        "Pending"
    };
    if entry["state"] != from {
        return None;
    }
    let now = whole_seconds(now);
    if entry["state"] != says.state() {
        entry["lastTransitionTime"] = json!(now);
    }
    entry["state"] = json!(says.state());
    match says {
        CheckWord::Ready { message, updates } => {
            entry["message"] = json!(message);
            let updates = updates.iter().map(|u| {
                let all = u
                    .annotations
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), json!(v)));
                let all: serde_json::Map<String, Value> = all.collect();
                json!({ "name": u.set, "annotations": all })
            });
            entry["podSetUpdates"] = updates.collect();
            entry.as_object_mut()?.remove("requeueAfterSeconds");
        }
        CheckWord::Pending(message) | CheckWord::Rejected(message) => {
            entry["message"] = json!(message);
        }
        CheckWord::Retry { after, message } => {
            entry["message"] = json!(message);
            entry["requeueAfterSeconds"] = json!(after.as_secs());
            let mut conditions = list("conditions")?;
            evict(&mut conditions, message, now);
            return Some(json!({ "admissionChecks": checks, "conditions": conditions }));
        }
        CheckWord::Again => {}
    }
    Some(json!({ "admissionChecks": checks }))
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
        json!({
            "admission": { "clusterQueue": "q" },
            "conditions": [
                { "type": "QuotaReserved", "status": "True" },
                { "type": "Evicted", "status": "False" },
            ],
            "admissionChecks": [
                { "name": "other", "state": "Ready", "message": "theirs", "x": 1 },
                { "name": "license", "state": state, "message": "", "lastTransitionTime": "t0" },
            ],
        })
    }

    fn of(state: &str, says: &CheckWord) -> Option<Value> {
        changed(&status(state), "license", says, Timestamp::UNIX_EPOCH)
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
    fn who_is_sent_back_is_evicted_in_the_same_write() {
        let says = CheckWord::Retry {
            after: Duration::from_secs(60),
            message: "place 2".into(),
        };
        let new = of("Pending", &says).unwrap();
        assert_eq!(new["admissionChecks"][1]["requeueAfterSeconds"], 60);
        let conditions = new["conditions"].as_array().unwrap();
        assert_eq!(conditions.len(), 2, "{conditions:?}");
        assert_eq!(conditions[1]["reason"], "AdmissionCheck");
    }

    #[test]
    fn a_check_that_was_answered_meanwhile_is_left_alone() {
        assert_eq!(of("Ready", &CheckWord::Rejected("x".into())), None);
        assert_eq!(of("Pending", &CheckWord::Again), None);
        assert_eq!(
            of("Retry", &CheckWord::Again).unwrap()["admissionChecks"][1]["state"],
            "Pending"
        );
        let none = changed(
            &json!({}),
            "license",
            &CheckWord::Again,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(none, None);
    }
}
