//! What a LicenseServer's `spec.policy` comes to. Pure.
//!
//! A policy that is missing or cannot be used changes nothing: what was handed over last stays in
//! force, since whoever deletes one by mistake would throw every owner back into one line. Taking
//! `spec.policy` away, or a dry run, lifts it.

use mooring_api::{BadPolicy, LicensePolicy, LicenseServer};
use mooring_core::policy::SeatPolicy;

/// A LicensePolicy, by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName {
    pub namespace: String,
    pub name: String,
}

impl PolicyName {
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// Whether a LicenseServer names it.
    pub fn is_named_by(&self, server: &LicenseServer) -> bool {
        let named = server.spec.policy.as_ref();
        server.metadata.namespace.as_ref() == Some(&self.namespace)
            && named.is_some_and(|p| p.name == self.name)
    }
}

/// What it comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NamedPolicy {
    /// None is named.
    #[default]
    Nothing,
    /// This generation of it is what the license server is told.
    InForce { name: String, generation: i64 },
    /// It is only tried out.
    DryRun { name: String },
    /// There is none of that name.
    Missing { name: String, stays: Stays },
    /// It says what no license server could go by.
    Unusable {
        name: String,
        why: String,
        stays: Stays,
    },
}

/// The policy that was handed over last, by name, where it stays in force.
pub type Stays = Option<String>;

impl NamedPolicy {
    /// The policy's name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::InForce { name, .. }
            | Self::DryRun { name }
            | Self::Missing { name, .. }
            | Self::Unusable { name, .. } => Some(name),
        }
    }
}

/// Whose the seats are from now on. `found`: the policy that is named, if it is there, and what it
/// says; `written`: what was handed over last.
pub fn seats(
    name: &str,
    found: Option<(&LicensePolicy, Result<SeatPolicy, BadPolicy>)>,
    written: Option<SeatPolicy>,
) -> (Option<SeatPolicy>, NamedPolicy) {
    let name = name.to_owned();
    let stays = written.as_ref().map(|s| s.name.clone());
    match found {
        None => (written, NamedPolicy::Missing { name, stays }),
        Some((p, _)) if p.spec.dry_run => (None, NamedPolicy::DryRun { name }),
        Some((p, Ok(seats))) => {
            let generation = p.metadata.generation.unwrap_or(0);
            (Some(seats), NamedPolicy::InForce { name, generation })
        }
        Some((_, Err(why))) => {
            let why = why.to_string();
            (written, NamedPolicy::Unusable { name, why, stays })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use mooring_api::Lookup;
    use serde_json::json;

    fn policy(name: &str, dry_run: bool) -> LicensePolicy {
        let groups = json!([{ "name": "a", "namespaces": ["team-a"] }]);
        serde_json::from_value(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "LicensePolicy",
            "metadata": { "name": name, "namespace": "licensing", "generation": 3 },
            "spec": { "dryRun": dry_run, "groups": groups }
        }))
        .unwrap()
    }

    fn says(p: &LicensePolicy) -> SeatPolicy {
        p.spec
            .seats(p.metadata.name.as_deref().unwrap(), &Lookup::default())
            .unwrap()
    }

    #[test]
    fn what_was_handed_over_last_stays_while_the_policy_is_away_and_a_dry_run_lifts_it() {
        let (shares, old) = (policy("shares", false), says(&policy("old", false)));
        let stays = Some("old".to_owned());
        let (seats, named) = super::seats("shares", None, Some(old.clone()));
        assert_eq!(seats.as_ref(), Some(&old), "a missing one throws nobody");
        let missing = NamedPolicy::Missing {
            name: "shares".into(),
            stays: stays.clone(),
        };
        assert_eq!(named, missing);

        let found = Some((&shares, Ok(says(&shares))));
        let (seats, named) = super::seats("shares", found, Some(old.clone()));
        assert_eq!(seats, Some(says(&shares)));
        assert_eq!(
            named,
            NamedPolicy::InForce {
                name: "shares".into(),
                generation: 3
            }
        );

        let bad = BadPolicy::GroupTwice("a".into());
        let found = Some((&shares, Err(bad.clone())));
        let (seats, named) = super::seats("shares", found, Some(old.clone()));
        assert_eq!(seats.as_ref(), Some(&old));
        assert!(matches!(named, NamedPolicy::Unusable { why, .. } if why == bad.to_string()));

        let dry = policy("shares", true);
        let (seats, named) = super::seats("shares", Some((&dry, Ok(says(&dry)))), Some(old));
        assert_eq!(seats, None, "a dry run enforces nothing");
        assert_eq!(named.name(), Some("shares"));
    }

    #[test]
    fn a_policy_is_its_namespaces_own() {
        let server = |namespace: &str, policy: &str| -> LicenseServer {
            let spec = json!({
                "licenses": [{ "secretName": "license" }], "policy": { "name": policy },
                "anchor": { "usb": { "keySecret": { "name": "k" } } },
                "placement": { "nodeSelector": { "a": "b" } }
            });
            serde_json::from_value(json!({
                "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
                "metadata": { "name": "main", "namespace": namespace }, "spec": spec
            }))
            .unwrap()
        };
        let shares = PolicyName::new("licensing", "shares");
        assert!(shares.is_named_by(&server("licensing", "shares")));
        assert!(!shares.is_named_by(&server("licensing", "other")));
        assert!(!shares.is_named_by(&server("team-b", "shares")));
    }
}
