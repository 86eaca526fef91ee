//! Which group of a policy a holder is in: the first that it matches. A policy may name thousands
//! of namespaces, and each claim asks.

use super::tenant::Tenant;
use super::who::Asker;
use crate::policy::{EVERY_NAMESPACE, PolicyGroup, SeatPolicy};
use std::collections::HashMap;

/// By name, the first group that has it.
#[derive(Debug, Default)]
pub(super) struct Groups {
    namespaces: HashMap<String, usize>,
    /// By namespace and name.
    accounts: HashMap<String, HashMap<String, usize>>,
    subjects: HashMap<String, usize>,
    every_namespace: Option<usize>,
    /// How many there are.
    count: usize,
}

impl Groups {
    pub(super) fn of(policy: &SeatPolicy) -> Self {
        let mut this = Self {
            count: policy.groups.len(),
            ..Self::default()
        };
        for (i, g) in policy.groups.iter().enumerate() {
            this.add(i, g);
        }
        this
    }

    fn add(&mut self, i: usize, g: &PolicyGroup) {
        for name in &g.namespaces {
            if name == EVERY_NAMESPACE {
                self.every_namespace.get_or_insert(i);
            }
            self.namespaces.entry(name.clone()).or_insert(i);
        }
        for (namespace, name) in g.service_accounts.iter().filter_map(|a| a.split_once('/')) {
            let there = self.accounts.entry(namespace.to_owned()).or_default();
            there.entry(name.to_owned()).or_insert(i);
        }
        for subject in &g.subjects {
            self.subjects.entry(subject.clone()).or_insert(i);
        }
    }

    pub(super) fn tenant(&self, asker: Asker<'_>) -> Tenant {
        let group = match (asker.account(), asker.subject()) {
            (Some((namespace, account)), _) => {
                let accounts = self.accounts.get(namespace);
                let found = [
                    self.namespaces.get(namespace).copied(),
                    accounts.and_then(|a| a.get(account)).copied(),
                    self.every_namespace,
                ];
                found.into_iter().flatten().min()
            }
            (None, Some(subject)) => self.subjects.get(subject).copied(),
            (None, None) => None,
        };
        Tenant(group.unwrap_or(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::super::who::AskerRef;
    use super::*;
    use crate::identity::Holder;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_group_that_a_holder_matches_is_its_own(
            groups in proptest::collection::vec(
                (
                    proptest::collection::vec("[ab*]", 0..3),
                    proptest::collection::vec("[ab]/[xy]", 0..3),
                    proptest::collection::vec("[st]", 0..2),
                ),
                0..5,
            ),
            (namespace, account, subject) in ("[abc]", "[xyz]", "[stu]"),
        ) {
            let group = |(namespaces, service_accounts, subjects)| PolicyGroup {
                namespaces,
                service_accounts,
                subjects,
                ..PolicyGroup::default()
            };
            let policy = SeatPolicy {
                groups: groups.into_iter().map(group).collect(),
                ..SeatPolicy::default()
            };
            let groups = Groups::of(&policy);
            let pod = Holder::Pod {
                namespace,
                pod: "p".into(),
                uid: "u".into(),
                service_account: account,
                node: None,
            };
            for holder in [pod, Holder::External { subject }] {
                let found = groups.tenant(Asker::of(AskerRef::New(&holder), None));
                let first = policy.group_of(&holder).unwrap_or(policy.groups.len());
                prop_assert_eq!(found, Tenant(first));
            }
        }
    }
}
