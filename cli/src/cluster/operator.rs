//! Whether the operator is there: all that objects say is as of its last word. Pure.

use crate::age;
use k8s_openapi::api::coordination::v1::Lease;
use mooring_core::time::Timestamp;

/// The Lease that the operator's leader renews each few seconds.
pub const LEASE: &str = "mooring-operator";
/// Where the chart is installed, if nothing else is said.
pub const NAMESPACE: &str = "mooring-system";
/// How long a leader's word holds, where its Lease does not say.
const LASTS: i64 = 15;

/// How far ahead of the API server's clock the leader's may be, in seconds.
const AHEAD: i64 = 5;

/// What could be learnt of the operator.
#[derive(Debug)]
pub enum Operator {
    Lease(Box<Lease>),
    /// There is no such Lease in this namespace.
    None {
        namespace: String,
    },
    /// It could not be read, for this reason.
    NotRead(String),
}

/// What is to be said of the operator.
#[derive(Debug, PartialEq, Eq)]
pub enum Word {
    Reports,
    /// It does not report: what is shown is old.
    Away(String),
    /// Nobody can say.
    Unknown(String),
}

/// The same as a line, where there is something to say.
pub fn said(operator: &Operator, now: Timestamp) -> Option<String> {
    match word(operator, now) {
        Word::Reports => None,
        Word::Away(text) | Word::Unknown(text) => Some(text),
    }
}

pub fn word(operator: &Operator, now: Timestamp) -> Word {
    let lease = match operator {
        Operator::Lease(lease) => lease,
        Operator::None { namespace } => {
            return Word::Away(format!(
                "the operator: there is no Lease {namespace}/{LEASE}: it does not run, or in another namespace (--operator-namespace). Nobody brings up to date what is shown here"
            ));
        }
        Operator::NotRead(why) => {
            return Word::Unknown(format!(
                "the operator: whether it runs is not known, and so how old this is: {why}"
            ));
        }
    };
    let namespace = lease.metadata.namespace.as_deref().unwrap_or(NAMESPACE);
    let spec = lease.spec.as_ref();
    let renewed = spec.and_then(|s| Some(s.renew_time.as_ref()?.0));
    let lasts = spec
        .and_then(|s| s.lease_duration_seconds)
        .map_or(LASTS, i64::from);
    let held = spec.is_some_and(|s| s.holder_identity.as_ref().is_some_and(|h| !h.is_empty()));
    let Some(renewed) = renewed else {
        return Word::Away(format!(
            "the operator has never reported (Lease {namespace}/{LEASE}): kubectl -n {namespace} get pods"
        ));
    };
    let ago = now.as_second().saturating_sub(renewed.as_second());
    if ago < -AHEAD {
        return Word::Unknown(format!(
            "the operator: it reported {} from now, by the API server's clock: whether it runs is not known. Look at the clocks of the nodes",
            age::span(-ago)
        ));
    }
    // A leader that ends gives its Lease back, and another takes it within seconds.
    if ago <= lasts && held || ago <= 5 {
        return Word::Reports;
    }
    let since = age::span(ago);
    let at = Timestamp::from_second(renewed.as_second()).unwrap_or(renewed);
    Word::Away(format!(
        "the operator has not reported for {since}: what is shown is as of {at}. Applications notice nothing; annotated pods may not be created. kubectl -n {namespace} get pods"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn lease(renewed: &str, holder: &str) -> Operator {
        let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": LEASE, "namespace": "mooring-system" },
            "spec": { "renewTime": renewed, "leaseDurationSeconds": 15, "holderIdentity": holder } });
        Operator::Lease(Box::new(serde_json::from_value(lease).unwrap()))
    }

    #[test]
    fn an_operator_that_does_not_renew_its_lease_is_told_with_since_when() {
        let now: Timestamp = "2026-03-01T12:01:00Z".parse().unwrap();
        let fresh = lease("2026-03-01T12:00:50.000000Z", "a");
        assert_eq!(word(&fresh, now), Word::Reports);
        for (renewed, holder) in [
            ("2026-03-01T12:00:20.500000Z", "a"),
            ("2026-03-01T12:00:20.500000Z", ""),
        ] {
            let Word::Away(text) = word(&lease(renewed, holder), now) else {
                panic!("it is away");
            };
            assert!(
                text.starts_with(
                    "the operator has not reported for 40s: what is shown is as of 2026-03-01T12:00:20Z"
                ),
                "{text}"
            );
        }
        let ahead = lease("2026-03-01T12:02:00.000000Z", "a");
        assert!(matches!(word(&ahead, now), Word::Unknown(t) if t.contains("60s from now")));
        let none = Operator::None {
            namespace: "mooring-system".into(),
        };
        assert!(matches!(word(&none, now), Word::Away(t) if t.contains("--operator-namespace")));
        let forbidden = Operator::NotRead("you may not read it".into());
        assert!(matches!(word(&forbidden, now), Word::Unknown(_)));
    }
}
