//! What is done next about the CA, and what is said of it. Pure.

use mooring_api::ca::{CaPhase, CaStatus};

/// How the CA and those who trust it stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The CA that signs, and its end.
    pub(super) name: String,
    pub(super) not_after: String,
    /// When the last pod that trusts only the CA before could verify anything, if one vouches.
    pub(super) bridge_until: Option<String>,
    pub(super) age: Age,
    /// It is replaced only when somebody asks.
    pub(super) by_hand: bool,
    /// Somebody asked for the next one.
    pub(super) requested: bool,
    /// The one before is still trusted by what is made now.
    pub(super) switching: bool,
    /// License servers that do not show the new CA's certificate, and why.
    pub(super) waits_for: Vec<String>,
    /// Running pods that do not trust the CA that signs.
    pub(super) lagging: Vec<String>,
}

/// How much of its life the CA has behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Age {
    #[default]
    Young,
    /// In the last third.
    Late,
    /// In the last sixth: a successor cannot wait for anybody.
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CaStep {
    Stay,
    /// A new CA takes over.
    Succeed,
    /// Nothing shows the old CA's certificates any more: what is made from now on trusts the new
    /// one alone.
    Forget,
}

/// How many pods are named.
const NAMED: usize = 20;

impl Facts {
    fn wants_next(&self) -> bool {
        self.requested || (self.age >= Age::Late && !self.by_hand)
    }

    /// Pods that only the bridge serves: another CA would cut them off.
    fn is_held_up(&self) -> bool {
        self.bridge_until.is_some() && !self.lagging.is_empty() && self.age < Age::Last
    }

    pub(super) fn step(&self) -> CaStep {
        if self.switching {
            return if self.waits_for.is_empty() {
                CaStep::Forget
            } else {
                CaStep::Stay
            };
        }
        if self.wants_next() && !self.is_held_up() {
            CaStep::Succeed
        } else {
            CaStep::Stay
        }
    }

    fn phase(&self) -> CaPhase {
        if self.switching {
            CaPhase::Switching
        } else if self.wants_next() {
            CaPhase::Pending
        } else if self.lagging.is_empty() {
            CaPhase::Settled
        } else {
            CaPhase::Bridging
        }
    }

    pub(super) fn status(&self) -> CaStatus {
        let phase = self.phase();
        let until = match &self.bridge_until {
            Some(until) => format!(
                "until {until} license servers serve them by the earlier CA's word; make them anew before"
            ),
            None => {
                "their LicenseServers' condition PodsTrustEarlierCa says until when they are served"
                    .to_owned()
            }
        };
        let message = match phase {
            CaPhase::Settled if self.age >= Age::Late => format!(
                "all pods trust this CA, which ends at {} and is replaced by nobody: ask for the next one (kubectl mooring ca rotate)",
                self.not_after
            ),
            CaPhase::Settled => "all pods trust this CA".to_owned(),
            CaPhase::Pending if self.is_held_up() => format!(
                "the next CA waits for pods that trust only the one before this: make them anew ({until})"
            ),
            CaPhase::Pending => "the next CA is about to take over".to_owned(),
            CaPhase::Switching => {
                "new pods trust this CA and the one before, until every license server shows a certificate of this one".to_owned()
            }
            CaPhase::Bridging => format!(
                "new pods trust this CA alone; {} running pods trust only an earlier one: {until}",
                self.lagging.len()
            ),
        };
        CaStatus {
            name: self.name.clone(),
            not_after: self.not_after.clone(),
            phase,
            message,
            waits_for: self.waits_for.clone(),
            pods: self.lagging.len(),
            some_pods: self.lagging.iter().take(NAMED).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn bridged(pods: &[&str]) -> Facts {
        Facts {
            bridge_until: Some("2030-01-01T00:00:00Z".into()),
            lagging: pods.iter().map(ToString::to_string).collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn nothing_happens_until_it_is_asked_for_or_due() {
        assert_eq!(Facts::default().step(), CaStep::Stay);
        assert_eq!(Facts::default().status().phase, CaPhase::Settled);
        let asked = Facts {
            requested: true,
            // The pods of today are served by the bridge that the new CA gets.
            lagging: vec![],
            ..Facts::default()
        };
        assert_eq!(asked.step(), CaStep::Succeed);
        let late = Facts {
            age: Age::Late,
            ..Facts::default()
        };
        assert_eq!(late.step(), CaStep::Succeed);
        let by_hand = Facts {
            by_hand: true,
            age: Age::Last,
            ..Facts::default()
        };
        assert_eq!(by_hand.step(), CaStep::Stay);
        let said = by_hand.status();
        assert!(said.message.contains("ca rotate"), "{}", said.message);
    }

    #[test]
    fn the_old_ca_is_trusted_until_every_server_shows_the_new_ones_certificate() {
        let mut f = Facts {
            switching: true,
            requested: true,
            waits_for: vec!["licensing/main: cannot connect".into()],
            ..bridged(&["a/p"])
        };
        assert_eq!(f.step(), CaStep::Stay);
        let said = f.status();
        assert_eq!(said.phase, CaPhase::Switching);
        assert_eq!(said.waits_for, ["licensing/main: cannot connect"]);
        f.waits_for.clear();
        assert_eq!(f.step(), CaStep::Forget, "and no third CA before that");
    }

    #[test]
    fn the_next_one_waits_for_pods_that_it_would_cut_off_and_names_them() {
        let mut f = Facts {
            requested: true,
            ..bridged(&["a/p", "a/q"])
        };
        assert_eq!(f.step(), CaStep::Stay);
        let said = f.status();
        assert_eq!((said.phase, said.pods), (CaPhase::Pending, 2));
        assert_eq!(said.some_pods, ["a/p", "a/q"]);
        assert!(said.message.contains("make them anew"), "{}", said.message);
        f.age = Age::Last;
        assert_eq!(f.step(), CaStep::Succeed, "an ended CA would cut off all");
        assert_eq!(
            Facts {
                requested: true,
                ..bridged(&[])
            }
            .step(),
            CaStep::Succeed
        );
    }

    #[test]
    fn pods_that_no_bridge_serves_hold_nothing_up_and_are_told() {
        let f = Facts {
            bridge_until: None,
            requested: true,
            ..bridged(&["a/p"])
        };
        assert_eq!(f.step(), CaStep::Succeed);
        let f = Facts {
            requested: false,
            ..f
        };
        let said = f.status();
        assert_eq!((said.phase, said.pods), (CaPhase::Bridging, 1));
        assert!(
            said.message.contains("PodsTrustEarlierCa"),
            "{}",
            said.message
        );
    }

    #[test]
    fn many_pods_are_counted_and_some_are_named() {
        let names: Vec<String> = (0..50).map(|n| format!("a/p{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let said = bridged(&names).status();
        assert_eq!((said.pods, said.some_pods.len()), (50, 20));
        assert!(said.message.contains("50 running pods"), "{}", said.message);
    }
}
