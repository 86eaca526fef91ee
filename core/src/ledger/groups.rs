//! Which group of a policy a holder is in: the first that it matches. A policy may name thousands
//! of namespaces, and each claim asks.

use super::tenant::Tenant;
use super::who::Asker;
use crate::mutant::{self, Mutant};
use crate::names::ProjectName;
use crate::policy::{EVERY_NAMESPACE, PolicyGroup, SeatPolicy};
use std::collections::HashMap;

/// By name, the first group that has it.
#[derive(Debug, Default)]
pub(super) struct Groups {
    namespaces: HashMap<String, usize>,
    /// By namespace and name.
    accounts: HashMap<String, HashMap<String, usize>>,
    /// By namespace and project: those that the namespace allows its pods to name.
    projects: HashMap<String, HashMap<String, usize>>,
    by_project: bool,
    subjects: HashMap<String, usize>,
    every_namespace: Option<usize>,
    /// How many there are.
    count: usize,
}

impl Groups {
    pub(super) fn of(policy: &SeatPolicy) -> Self {
        let mut this = Self {
            count: policy.groups.len(),
            by_project: policy.by_project,
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
        for (names, all) in [
            (&g.service_accounts, &mut self.accounts),
            (&g.projects, &mut self.projects),
        ] {
            for (namespace, name) in names.iter().filter_map(|a| a.split_once('/')) {
                let there = all.entry(namespace.to_owned()).or_default();
                there.entry(name.to_owned()).or_insert(i);
            }
        }
        for subject in &g.subjects {
            self.subjects.entry(subject.clone()).or_insert(i);
        }
    }

    /// Whether a policy goes by projects, and not by the one that this claim names.
    pub(super) fn ignores_project(&self, asker: Asker<'_>) -> bool {
        let by_project = self.by_project || !self.projects.is_empty();
        let Some(project) = asker.project.filter(|_| by_project) else {
            return false;
        };
        let namespace = asker.account().map_or("", |(namespace, _)| namespace);
        let allowed = self.projects.get(namespace);
        !allowed.is_some_and(|a| a.contains_key(project.as_str()))
    }

    fn by_project(&self, namespace: &str, project: &ProjectName) -> Option<usize> {
        let named = |allowed: &HashMap<String, usize>| allowed.get(project.as_str()).copied();
        if mutant::on(Mutant::ProjectOfAnyNamespace) {
            return self.projects.values().filter_map(named).min();
        }
        self.projects.get(namespace).and_then(named)
    }

    pub(super) fn tenant(&self, asker: Asker<'_>) -> Tenant {
        let group = match (asker.account(), asker.subject()) {
            (Some((namespace, account)), _) => {
                let accounts = self.accounts.get(namespace);
                let project = asker.project.and_then(|p| self.by_project(namespace, p));
                let found = [
                    self.namespaces.get(namespace).copied(),
                    accounts.and_then(|a| a.get(account)).copied(),
                    project,
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
    #![allow(clippy::unwrap_used)]
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
                    proptest::collection::vec("[ab]/[pq]", 0..3),
                    proptest::collection::vec("[st]", 0..2),
                ),
                0..5,
            ),
            (namespace, account, project, subject) in ("[abc]", "[xyz]", proptest::option::of("[pqr]"), "[stu]"),
        ) {
            let group = |(namespaces, service_accounts, projects, subjects)| PolicyGroup {
                namespaces,
                service_accounts,
                projects,
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
            let project = project.map(|p| ProjectName::new(&p).unwrap());
            let project = project.as_ref();
            for holder in [pod, Holder::External { subject }] {
                let asker = Asker::of(AskerRef::New(&holder), None).using(project);
                let found = groups.tenant(asker);
                let first = policy.group_of(&holder, project);
                let first = first.unwrap_or(policy.groups.len());
                prop_assert_eq!(found, Tenant(first));
            }
        }
    }
}
