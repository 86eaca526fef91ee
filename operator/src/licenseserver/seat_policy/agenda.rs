//! Which policy is looked at when. Pure.

use super::named::PolicyName;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// What is due: of a policy the earliest of what was asked for.
#[derive(Debug, Default)]
pub struct Agenda(BTreeMap<PolicyName, Instant>);

impl Agenda {
    /// It is to be looked at then, or earlier.
    pub fn at(&mut self, policy: PolicyName, when: Instant) {
        let due = self.0.entry(policy).or_insert(when);
        *due = when.min(*due);
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    /// One that is due by now.
    pub fn take(&mut self, now: Instant) -> Option<PolicyName> {
        let mut due = self.0.iter().filter(|(_, when)| **when <= now);
        let policy = due.next()?.0.clone();
        self.0.remove(&policy);
        Some(policy)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    #[test]
    fn many_reasons_to_look_are_one_look_at_the_earliest() {
        let (mut agenda, now) = (Agenda::default(), Instant::now());
        let (a, b) = (PolicyName::new("n", "a"), PolicyName::new("n", "b"));
        let secs = Duration::from_secs;
        agenda.at(a.clone(), now + secs(60));
        agenda.at(a.clone(), now + secs(2));
        agenda.at(a.clone(), now + secs(9));
        agenda.at(b.clone(), now + secs(5));
        assert_eq!(agenda.next(), Some(now + secs(2)));
        assert_eq!(agenda.take(now), None);
        assert_eq!(agenda.take(now + secs(2)), Some(a));
        assert_eq!(agenda.take(now + secs(60)), Some(b));
        assert_eq!(agenda.take(now + secs(60)), None);
        assert_eq!(agenda.next(), None);
    }
}
