//! A LicensePolicy as license servers know it. Pure.

use crate::license_policy::{GroupSpec, LicensePolicySpec, PoolSpec};
use mooring_core::names::{PoolName, ProjectName};
use mooring_core::policy::{
    AllowedProjects, Backfill, EVERY_NAMESPACE, PolicyGroup, PoolRights, SeatPolicy,
    allowed_projects, projects_of_group,
};
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
    #[error("spec.groups[{group}].projects: {why}")]
    Projects { group: String, why: String },
}

/// What a policy says of namespaces, looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// By group the namespaces that its selector matches, where it does not match all.
    pub selected: BTreeMap<String, Vec<String>>,
    /// By namespace the projects that its owner lets its pods name.
    pub projects: AllowedProjects,
}

impl Lookup {
    /// Takes in the annotation [`PROJECTS`](mooring_core::annotation::PROJECTS) of a namespace.
    pub fn allow(&mut self, namespace: &str, annotation: &str) {
        let names = allowed_projects(annotation);
        if !names.is_empty() {
            self.projects.insert(namespace.to_owned(), names);
        }
    }
}

impl LicensePolicySpec {
    /// What the license server is told.
    ///
    /// A namespace that a group before it has is left out of a group, and service accounts and
    /// subjects likewise: the first that matches counts, and so the whole is no longer than what it
    /// speaks of. A group that has nobody left says so by having none.
    pub fn seats(&self, name: &str, lookup: &Lookup) -> Result<SeatPolicy, BadPolicy> {
        let mut names = BTreeSet::new();
        let mut taken = Taken::default();
        let mut groups = Vec::new();
        for g in &self.groups {
            if !names.insert(&g.name) {
                return Err(BadPolicy::GroupTwice(g.name.clone()));
            }
            groups.push(group(g, lookup, &mut taken)?);
        }
        Ok(SeatPolicy {
            name: name.to_owned(),
            notice: self.notice.0,
            groups,
            by_project: self.groups.iter().any(|g| !g.projects.is_empty()),
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
    projects: BTreeSet<String>,
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

    /// Whether a name below a namespace, as `namespace/name`, is in no group by that.
    fn is_free(&self, name: &str) -> bool {
        let namespace = name.split_once('/').map_or("", |(namespace, _)| namespace);
        !self.all_namespaces && !self.namespaces.contains(namespace)
    }

    fn accounts(&mut self, of: &[String]) -> Vec<String> {
        let free: Vec<String> = of.iter().filter(|a| self.is_free(a)).cloned().collect();
        let new = free.into_iter();
        new.filter(|a| self.accounts.insert(a.clone())).collect()
    }

    fn projects(&mut self, of: impl IntoIterator<Item = String>) -> Vec<String> {
        let sorted: BTreeSet<String> = of.into_iter().collect();
        let free: Vec<String> = sorted.into_iter().filter(|p| self.is_free(p)).collect();
        let new = free.into_iter();
        new.filter(|p| self.projects.insert(p.clone())).collect()
    }
}

/// The projects of a group, of its namespaces.
fn projects(g: &GroupSpec, lookup: &Lookup) -> Vec<String> {
    let every = g.has_every_namespace();
    let selected = lookup.selected.get(&g.name).into_iter().flatten();
    let its: Vec<&String> = g.namespaces.iter().chain(selected).collect();
    let is_its = |namespace: &str| every || its.iter().any(|n| *n == namespace);
    projects_of_group(&g.projects, is_its, &lookup.projects)
}

fn group(g: &GroupSpec, lookup: &Lookup, taken: &mut Taken) -> Result<PolicyGroup, BadPolicy> {
    // Its accounts first: those of its own namespaces are its anyway.
    let service_accounts = taken.accounts(&g.service_accounts);
    let (namespaces, projects) = if !g.projects.is_empty() {
        check_projects(g)?;
        (Vec::new(), taken.projects(projects(g, lookup)))
    } else if g.has_every_namespace() && !taken.all_namespaces {
        taken.all_namespaces = true;
        (vec![EVERY_NAMESPACE.to_owned()], Vec::new())
    } else {
        let selected = lookup.selected.get(&g.name).into_iter().flatten();
        let listed = g.namespaces.iter().chain(selected);
        (taken.namespaces(listed.cloned()), Vec::new())
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
        projects,
        subjects,
        priority: g.priority,
        weight: g.weight,
        pools,
    })
}

/// Projects are names, of namespaces that the group names, too.
fn check_projects(g: &GroupSpec) -> Result<(), BadPolicy> {
    let bad = |why: String| BadPolicy::Projects {
        group: g.name.clone(),
        why,
    };
    if g.namespaces.is_empty() && g.namespace_selector.is_none() {
        let why = "expected with namespaces or namespaceSelector, whose owners allow them";
        return Err(bad(why.to_owned()));
    }
    let mut names = g.projects.iter();
    names.try_for_each(|p| {
        ProjectName::new(p)
            .map(drop)
            .map_err(|e| bad(e.to_string()))
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
        let lookup = Lookup {
            selected: [("sim".to_owned(), vec!["team-c".into(), "team-b".into()])].into(),
            ..Lookup::default()
        };
        let seats = spec.seats("shares", &lookup).unwrap();
        assert_eq!(seats.name, "shares");
        assert_eq!(seats.notice, Duration::from_secs(300));
        assert_eq!(seats.groups[1].namespaces, ["team-b", "team-c"]);
        let late = &seats.groups[2];
        assert!(late.namespaces.is_empty() && late.service_accounts.is_empty());
        assert_eq!(late.subjects, ["anna"]);
        let never = &seats.groups[4];
        assert!(never.namespaces.is_empty() && never.service_accounts.is_empty());
        assert!(never.subjects.is_empty());
        let group = |h| {
            seats
                .group_of(&h, None)
                .map(|g| seats.groups[g].name.as_str())
        };
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
    fn a_project_counts_where_its_namespace_allows_it_and_a_group_names_it() {
        let spec = spec(
            "
groups:
- {name: falcon, namespaces: [a, b, c], projects: [falcon, hawk]}
- {name: eagle, namespaceSelector: {}, projects: [eagle]}
- {name: a, namespaces: [a]}
- {name: late, namespaces: [a], projects: [kite]}
",
        );
        let mut lookup = Lookup::default();
        lookup.allow("a", "falcon, eagle,kite,No");
        lookup.allow("b", "hawk");
        lookup.allow("z", "falcon,eagle");
        lookup.allow("c", "");
        let seats = spec.seats("p", &lookup).unwrap();
        assert_eq!(seats.groups[0].projects, ["a/falcon", "b/hawk"]);
        assert!(
            seats.groups[0].namespaces.is_empty(),
            "not all of their pods"
        );
        assert_eq!(seats.groups[1].projects, ["a/eagle", "z/eagle"]);
        assert!(seats.groups[3].projects.is_empty(), "all of a is taken");
        let nowhere = spec.seats("p", &Lookup::default()).unwrap();
        assert!(
            nowhere.by_project && nowhere.groups[0].projects.is_empty(),
            "that no namespace allows them now is no policy without them"
        );
        let group = |namespace: &str, project: &str| {
            let project = ProjectName::new(project).unwrap();
            let found = seats.group_of(&pod(namespace, "x"), Some(&project));
            found.map(|g| seats.groups[g].name.as_str())
        };
        assert_eq!(group("a", "falcon"), Some("falcon"));
        assert_eq!(group("a", "hawk"), Some("a"), "its own word alone");
        assert_eq!(group("c", "falcon"), None, "nobody allows it there");
        assert_eq!(group("z", "falcon"), None, "not a namespace of the group");
        assert_eq!(group("z", "eagle"), Some("eagle"));
        let bad = |yaml: &str| {
            self::spec(yaml)
                .seats("p", &lookup)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            bad("groups: [{name: g, serviceAccounts: [a/b], projects: [x]}]"),
            "spec.groups[g].projects: expected with namespaces or namespaceSelector, whose owners allow them"
        );
        assert!(
            bad("groups: [{name: g, namespaces: [a], projects: [X]}]")
                .starts_with("spec.groups[g].projects: project \"X\": expected 1 to 63")
        );
    }

    #[test]
    fn a_line_that_may_be_passed_needs_no_groups() {
        let seats = spec("backfill: {Render: {patience: 20s}}")
            .seats("fill", &Lookup::default())
            .unwrap();
        let render = seats.backfill[&"render".parse::<PoolName>().unwrap()];
        assert_eq!(render.patience, Duration::from_secs(20));
        assert!(seats.groups.is_empty());
        let twice = spec("backfill: {r: {patience: 20s}, R: {patience: 1s}}");
        let said = twice.seats("fill", &Lookup::default()).unwrap_err();
        assert!(said.to_string().contains("twice"), "{said}");
    }

    #[test]
    fn what_no_server_could_go_by_is_said_with_its_field() {
        let said = |yaml: &str| spec(yaml).seats("p", &Lookup::default()).unwrap_err();
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
