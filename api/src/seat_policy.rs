//! A LicensePolicy as license servers know it. Pure.

use crate::license_policy::{GroupSpec, LicensePolicySpec, PoolSpec};
use mooring_core::names::PoolName;
use mooring_core::policy::{Backfill, EVERY_NAMESPACE, PolicyGroup, PoolRights, SeatPolicy};
use std::collections::{BTreeMap, BTreeSet};

/// What a policy says and no license server could go by. The API server's rules may be older.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    #[error("spec.groups[{group}].pools: {name:?}: {why}")]
    Pool {
        group: String,
        name: String,
        why: String,
    },
    #[error(
        "spec.groups[{group}].pools: {name:?} is there twice; case does not count, so expected one of them"
    )]
    PoolTwice { group: String, name: String },
    #[error("spec.groups[{group}].pools.{name}.{field}")]
    Rights {
        group: String,
        name: String,
        field: &'static str,
    },
    #[error("spec.groups: {0} is there twice; expected names that differ")]
    GroupTwice(String),
    #[error("spec.backfill: {name:?}: {why}")]
    Backfill { name: String, why: String },
    #[error("spec.groups[{group}].namespaceSelector: {why}")]
    Selector { group: String, why: String },
}

impl LicensePolicySpec {
    /// What the license server is told. `selected`: by group the namespaces that its selector
    /// matches, where it does not match all.
    ///
    /// A namespace that a group before it has is left out of a group, and service accounts and
    /// subjects likewise: the first that matches counts, and so the whole is no longer than what it
    /// speaks of. A group that has nobody left says so by having none.
    pub fn seats(
        &self,
        name: &str,
        selected: &BTreeMap<String, Vec<String>>,
    ) -> Result<SeatPolicy, BadPolicy> {
        let mut names = BTreeSet::new();
        let mut taken = Taken::default();
        let mut groups = Vec::new();
        for g in &self.groups {
            if !names.insert(&g.name) {
                return Err(BadPolicy::GroupTwice(g.name.clone()));
            }
            groups.push(group(g, selected.get(&g.name), &mut taken)?);
        }
        Ok(SeatPolicy {
            name: name.to_owned(),
            notice: self.notice.0,
            groups,
            backfill: self.backfill()?,
        })
    }
}

impl LicensePolicySpec {
    fn backfill(&self) -> Result<BTreeMap<PoolName, Backfill>, BadPolicy> {
        let mut all = BTreeMap::new();
        for (name, spec) in &self.backfill {
            let (name, why) = (name.clone(), "it is there twice; case does not count");
            let bad = |why: String| BadPolicy::Backfill {
                name: name.clone(),
                why,
            };
            let pool = PoolName::new(&name).map_err(|e| bad(e.to_string()))?;
            let patience = spec.patience.0;
            if all.insert(pool, Backfill { patience }).is_some() {
                return Err(bad(why.to_owned()));
            }
        }
        Ok(all)
    }
}

impl GroupSpec {
    /// Whether pods of all namespaces are its.
    pub fn has_every_namespace(&self) -> bool {
        let is_empty = |s: &k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector| {
            let labels = s.match_labels.as_ref().is_none_or(BTreeMap::is_empty);
            labels && s.match_expressions.as_ref().is_none_or(Vec::is_empty)
        };
        self.namespace_selector.as_ref().is_some_and(is_empty)
    }
}

/// Who is in a group already.
#[derive(Default)]
struct Taken {
    all_namespaces: bool,
    namespaces: BTreeSet<String>,
    accounts: BTreeSet<String>,
    subjects: BTreeSet<String>,
}

impl Taken {
    fn namespaces(&mut self, of: impl IntoIterator<Item = String>) -> Vec<String> {
        if self.all_namespaces {
            return Vec::new();
        }
        let sorted: BTreeSet<String> = of.into_iter().collect();
        let new = sorted.into_iter();
        new.filter(|n| self.namespaces.insert(n.clone())).collect()
    }

    fn accounts(&mut self, of: &[String]) -> Vec<String> {
        let is_free = |a: &&String| {
            let namespace = a.split_once('/').map_or("", |(namespace, _)| namespace);
            !self.all_namespaces && !self.namespaces.contains(namespace)
        };
        let free: Vec<String> = of.iter().filter(is_free).cloned().collect();
        let new = free.into_iter();
        new.filter(|a| self.accounts.insert(a.clone())).collect()
    }
}

fn group(
    g: &GroupSpec,
    selected: Option<&Vec<String>>,
    taken: &mut Taken,
) -> Result<PolicyGroup, BadPolicy> {
    // Its accounts first: those of its own namespaces are its anyway.
    let service_accounts = taken.accounts(&g.service_accounts);
    let namespaces = if g.has_every_namespace() && !taken.all_namespaces {
        taken.all_namespaces = true;
        vec![EVERY_NAMESPACE.to_owned()]
    } else {
        let listed = g.namespaces.iter().chain(selected.into_iter().flatten());
        taken.namespaces(listed.cloned())
    };
    let subjects = g.subjects.iter();
    let subjects = subjects.filter(|s| taken.subjects.insert((*s).clone()));
    let subjects = subjects.cloned().collect();
    let mut pools = BTreeMap::new();
    for (name, spec) in &g.pools {
        let pool = PoolName::new(name).map_err(|e| BadPolicy::Pool {
            group: g.name.clone(),
            name: name.clone(),
            why: e.to_string(),
        })?;
        if pools.insert(pool, rights(g, name, *spec)?).is_some() {
            return Err(BadPolicy::PoolTwice {
                group: g.name.clone(),
                name: name.clone(),
            });
        }
    }
    Ok(PolicyGroup {
        name: g.name.clone(),
        namespaces,
        service_accounts,
        subjects,
        priority: g.priority,
        weight: g.weight,
        pools,
    })
}

fn rights(g: &GroupSpec, name: &str, p: PoolSpec) -> Result<PoolRights, BadPolicy> {
    let wrong = |field| BadPolicy::Rights {
        group: g.name.clone(),
        name: name.to_owned(),
        field,
    };
    if p.max.is_some_and(|max| max < p.owned) {
        return Err(wrong("max: expected at least owned"));
    }
    if p.lend.is_some_and(|lend| lend > p.owned) {
        return Err(wrong("lend: expected at most owned"));
    }
    Ok(PoolRights {
        owned: p.owned,
        max: p.max,
        lend: p.lend,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use mooring_core::identity::Holder;
    use std::time::Duration;

    fn spec(yaml: &str) -> LicensePolicySpec {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn pod(namespace: &str, account: &str) -> Holder {
        Holder::Pod {
            namespace: namespace.into(),
            pod: "p".into(),
            uid: "u".into(),
            service_account: account.into(),
            node: None,
        }
    }

    #[test]
    fn the_first_group_that_matches_counts_and_each_name_is_told_once() {
        let spec = spec(
            "
notice: 5m
groups:
- {name: release, serviceAccounts: [ci/release, team-a/deploy]}
- {name: sim, namespaces: [team-b], namespaceSelector: {matchLabels: {team: sim}}, pools: {Render: {owned: 4, lend: 2}}}
- {name: late, namespaces: [team-b], serviceAccounts: [team-b/x], subjects: [anna]}
- {name: all, namespaceSelector: {}, weight: 2, priority: -5}
- {name: never, namespaces: [team-z], serviceAccounts: [team-q/x], subjects: [anna]}
",
        );
        let selected = [("sim".to_owned(), vec!["team-c".into(), "team-b".into()])].into();
        let seats = spec.seats("shares", &selected).unwrap();
        assert_eq!(seats.name, "shares");
        assert_eq!(seats.notice, Duration::from_secs(300));
        assert_eq!(seats.groups[1].namespaces, ["team-b", "team-c"]);
        let late = &seats.groups[2];
        assert!(late.namespaces.is_empty() && late.service_accounts.is_empty());
        assert_eq!(late.subjects, ["anna"]);
        let never = &seats.groups[4];
        assert!(never.namespaces.is_empty() && never.service_accounts.is_empty());
        assert!(never.subjects.is_empty());
        let group = |h| seats.group_of(&h).map(|g| seats.groups[g].name.as_str());
        assert_eq!(group(pod("team-b", "x")), Some("sim"));
        assert_eq!(group(pod("team-c", "default")), Some("sim"));
        assert_eq!(group(pod("ci", "release")), Some("release"));
        assert_eq!(group(pod("ci", "other")), Some("all"));
        let anna = Holder::External {
            subject: "anna".into(),
        };
        assert_eq!(group(anna), Some("late"));
        let rights = seats.groups[1].pools[&"render".parse::<PoolName>().unwrap()];
        assert_eq!((rights.owned, rights.max, rights.lent()), (4, None, 2));
    }

    #[test]
    fn a_line_that_may_be_passed_needs_no_groups() {
        let seats = spec("backfill: {Render: {patience: 20s}}")
            .seats("fill", &BTreeMap::new())
            .unwrap();
        let render = seats.backfill[&"render".parse::<PoolName>().unwrap()];
        assert_eq!(render.patience, Duration::from_secs(20));
        assert!(seats.groups.is_empty());
        let twice = spec("backfill: {r: {patience: 20s}, R: {patience: 1s}}");
        let said = twice.seats("fill", &BTreeMap::new()).unwrap_err();
        assert!(said.to_string().contains("twice"), "{said}");
    }

    #[test]
    fn what_no_server_could_go_by_is_said_with_its_field() {
        let said = |yaml: &str| spec(yaml).seats("p", &BTreeMap::new()).unwrap_err();
        let of = |pools: &str| {
            let yaml = format!("groups: [{{name: a, namespaces: [a], pools: {pools}}}]");
            said(&yaml).to_string()
        };
        assert_eq!(
            of("{r: {owned: 2, max: 1}}"),
            "spec.groups[a].pools.r.max: expected at least owned"
        );
        assert_eq!(
            of("{r: {owned: 2, lend: 3}}"),
            "spec.groups[a].pools.r.lend: expected at most owned"
        );
        assert!(of("{'a b': {}}").starts_with("spec.groups[a].pools: \"a b\": "));
        assert!(of("{r: {}, R: {}}").contains("is there twice"));
        let twice = "groups: [{name: a, namespaces: [a]}, {name: a, subjects: [b]}]";
        assert!(said(twice).to_string().contains("a is there twice"));
    }
}
