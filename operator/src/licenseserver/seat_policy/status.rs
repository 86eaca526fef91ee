//! What a LicensePolicy's status says. Pure: facts in, status out.

use super::named::NamedPolicy;
use crate::connection::Snapshot;
use crate::kubernetes::whole_seconds;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use mooring_api::policy_status::{
    ACCEPTED, GROUPS_MATCH, MOST_LINES, MOST_USES, POOLS_KNOWN, SEATS_SUFFICE,
};
use mooring_api::status::NO_CONTACT;
use mooring_api::{BadPolicy, GroupStatus, LicensePolicy, LicensePolicyStatus, PolicyOnServer};
use mooring_core::annotation::PROJECTS;
use mooring_core::names::PoolName;
use mooring_core::policy::SeatPolicy;
use mooring_core::time::Timestamp;
use mooring_core::wire::{GroupUse, Policies, PolicyTest};
use std::collections::BTreeSet;

/// How long a text of a license server's may be: it may be anybody's program.
const MOST_TEXT: usize = 300;

/// All that the status looks at.
#[derive(Debug)]
pub struct PolicyFacts<'a> {
    pub policy: &'a LicensePolicy,
    /// What a license server is told.
    pub seats: &'a Result<SeatPolicy, BadPolicy>,
    /// Those that name it, and those that it is tried out on.
    pub servers: &'a [OnServer],
    pub now: Timestamp,
}

/// A LicenseServer, as far as its policy is concerned.
#[derive(Clone, Debug, Default)]
pub struct OnServer {
    pub name: String,
    /// Whether the LicenseServer is there.
    pub is_there: bool,
    /// What its `spec.policy` came to, at the last look.
    pub named: NamedPolicy,
    /// What its license server is told.
    pub policies: Policies,
    pub snapshot: Snapshot,
    /// In a dry run: how it was answered last.
    pub tried: Option<Result<PolicyTest, String>>,
}

impl OnServer {
    /// The link has neither stood nor failed yet: an operator that has just started knows nothing,
    /// and what the one before it wrote stands.
    pub fn is_untried(&self) -> bool {
        !self.snapshot.connected && self.snapshot.problem.is_none()
    }
}

/// The whole status.
pub fn status(j: &PolicyFacts<'_>) -> LicensePolicyStatus {
    let none = LicensePolicyStatus::default();
    let before = j.policy.status.as_ref().unwrap_or(&none);
    let servers: Vec<PolicyOnServer> = j.servers.iter().map(|s| on(j, s, before)).collect();
    let names: Vec<&str> = servers.iter().map(|s| s.name.as_str()).collect();
    let groups = j.policy.spec.groups.len();
    LicensePolicyStatus {
        observed_generation: j.policy.metadata.generation,
        conditions: conditions(j, before),
        server_names: (!names.is_empty()).then(|| names.join(",")),
        group_count: u32::try_from(groups).ok(),
        servers,
    }
}

/// How it stands on one server. What was told last stays while nobody tells anything newer.
fn on(j: &PolicyFacts<'_>, s: &OnServer, before: &LicensePolicyStatus) -> PolicyOnServer {
    let mut earlier = before.servers.iter().filter(|b| b.name == s.name);
    let mut now = earlier.next().cloned().unwrap_or_default();
    if s.is_there && s.is_untried() && !now.name.is_empty() {
        return now;
    }
    now.name.clone_from(&s.name);
    if j.policy.spec.dry_run {
        dry_run(s, &mut now);
    } else {
        (now.tried, now.would_change, now.would_change_more) = (false, Vec::new(), None);
        enforced(j, s, &mut now);
    }
    now
}

fn dry_run(s: &OnServer, now: &mut PolicyOnServer) {
    now.in_force = false;
    let test = match &s.tried {
        Some(Ok(test)) => test,
        _ if !s.is_there => {
            *now = PolicyOnServer {
                name: now.name.clone(),
                message: Some("there is no LicenseServer of this name".into()),
                ..PolicyOnServer::default()
            };
            return;
        }
        Some(Err(why)) => {
            now.message = Some(cut(&format!("it could not be tried out: {why}")));
            return;
        }
        None => {
            now.message = Some("it has not been tried out yet".into());
            return;
        }
    };
    now.message = Some(
        match s.named.name() {
            Some(_) if matches!(s.named, NamedPolicy::DryRun { .. }) => {
                "a dry run: nothing is enforced"
            }
            _ => "a dry run: what is in force there stays",
        }
        .into(),
    );
    now.tried = true;
    now.groups = uses(&test.groups);
    now.unknown_pools = unknown(&test.unknown_pools);
    let lines = test.changes.iter().take(MOST_LINES);
    let lines = lines.map(|c| cut(&c.to_string()));
    now.would_change = lines.collect();
    let left = test.changes.len().saturating_sub(MOST_LINES);
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    let more = test.more.saturating_add(left);
    now.would_change_more = (more > 0).then_some(more);
}

fn enforced(j: &PolicyFacts<'_>, s: &OnServer, now: &mut PolicyOnServer) {
    let generation = j.policy.metadata.generation.unwrap_or(0);
    let told = match &s.named {
        NamedPolicy::InForce {
            generation: told, ..
        } => *told == generation,
        _ => false,
    };
    let said = s.snapshot.policy.as_ref();
    if !s.snapshot.connected {
        let why = s.snapshot.problem.as_deref();
        let why = why.unwrap_or("the operator has not reached it yet");
        now.message = Some(cut(&format!(
            "the license server does not answer the operator, and goes by what it was told last: {why}"
        )));
        return;
    }
    now.in_force = told && s.snapshot.handed == Some(s.policies.generation) && said.is_some();
    if let Some(said) = said.filter(|_| now.in_force) {
        now.message = None;
        now.groups = uses(&said.groups);
        now.unknown_pools = unknown(&said.unknown_pools);
        return;
    }
    now.message = Some(match &s.named {
        NamedPolicy::Unusable { why, stays, .. } => {
            cut(&format!("{why}; {}", what_stays(stays.as_deref())))
        }
        _ => "it is being handed over".into(),
    });
}

/// What is in force in a policy's place, in words.
pub(in crate::licenseserver) fn what_stays(stays: Option<&str>) -> String {
    match stays {
        Some(name) => format!("policy {name}, as it was handed over last, stays in force"),
        None => "no policy is in force".to_owned(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_TEXT).collect()
}

fn uses(all: &[GroupUse]) -> Vec<GroupStatus> {
    let told = all.iter().take(MOST_USES).map(GroupStatus::from);
    told.collect()
}

fn unknown(pools: &[PoolName]) -> Vec<String> {
    let told = pools.iter().take(MOST_USES);
    told.map(ToString::to_string).collect()
}

struct Word(&'static str, &'static str, String);

fn conditions(j: &PolicyFacts<'_>, before: &LicensePolicyStatus) -> Vec<Condition> {
    let all = [
        (ACCEPTED, accepted(j)),
        (GROUPS_MATCH, groups_match(j)),
        (POOLS_KNOWN, pools_known(j)),
        (SEATS_SUFFICE, seats_suffice(j)),
    ];
    let generation = j.policy.metadata.generation;
    let untold = told(j).is_empty();
    let now = Time(whole_seconds(j.now));
    let condition = |(kind, Word(status, reason, message)): (&str, Word)| {
        let old = before.condition(kind);
        let stands = old.filter(|c| c.observed_generation == generation && untold);
        if let Some(c) = stands.filter(|_| reason == NO_CONTACT) {
            return c.clone();
        }
        let old = old.filter(|c| c.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.chars().take(2000).collect(),
            last_transition_time: old
                .map_or_else(|| now.clone(), |c| c.last_transition_time.clone()),
            observed_generation: generation,
        }
    };
    all.into_iter().map(condition).collect()
}

fn accepted(j: &PolicyFacts<'_>) -> Word {
    match j.seats {
        Err(e) => Word("False", "PolicyInvalid", e.to_string()),
        Ok(_) if j.servers.is_empty() => Word(
            "True",
            "Accepted",
            "no LicenseServer of this namespace names it: set spec.policy.name of one".into(),
        ),
        Ok(_) => Word("True", "Accepted", "what it says can be done".into()),
    }
}

/// Groups that nobody comes to, since those before them take all, or selectors match nothing.
fn groups_match(j: &PolicyFacts<'_>) -> Word {
    let Ok(seats) = j.seats else {
        return Word("Unknown", "PolicyInvalid", "see Accepted".into());
    };
    let empty = seats.groups.iter().zip(&j.policy.spec.groups);
    let empty = empty.filter(|(g, _)| {
        let pods = [&g.namespaces, &g.service_accounts, &g.projects];
        pods.into_iter().all(Vec::is_empty) && g.subjects.is_empty()
    });
    let said: Vec<String> = empty
        .map(|(g, spec)| {
            let only_selects = spec.namespaces.is_empty()
                && spec.service_accounts.is_empty()
                && spec.subjects.is_empty()
                && !spec.has_every_namespace();
            let name = &g.name;
            let only_projects = !spec.projects.is_empty()
                && spec.service_accounts.is_empty()
                && spec.subjects.is_empty();
            if only_projects {
                format!("group {name} has nobody: none of its namespaces that no group before it has allows its projects by annotation {PROJECTS}")
            } else if only_selects {
                format!("group {name} has no namespace now: none matches its namespaceSelector that a group before it has not")
            } else {
                format!("group {name} has nobody: all that it names is in groups before it; put it before them")
            }
        })
        .collect();
    if said.is_empty() {
        return Word("True", "GroupsDiffer", "each group has somebody".into());
    }
    Word("False", "GroupNeverMatches", said.join("; "))
}

/// What license servers say of it: in force, or of a dry run.
fn told<'a>(j: &PolicyFacts<'a>) -> Vec<(&'a OnServer, &'a [GroupUse], &'a [PoolName])> {
    let said = |s: &'a OnServer| match (&s.tried, &s.snapshot.policy) {
        (Some(Ok(test)), _) if j.policy.spec.dry_run => {
            Some((s, &*test.groups, &*test.unknown_pools))
        }
        (_, Some(view)) if !j.policy.spec.dry_run && s.named.name() == Some(&view.name) => {
            Some((s, &*view.groups, &*view.unknown_pools))
        }
        _ => None,
    };
    j.servers.iter().filter_map(said).collect()
}

fn untold() -> Word {
    let text = "no license server has said anything of it yet";
    Word("Unknown", NO_CONTACT, text.into())
}

/// A pool that one server sells is no slip where another one does not.
fn pools_known(j: &PolicyFacts<'_>) -> Word {
    let told = told(j);
    let mut unknown = told
        .iter()
        .map(|(_, _, u)| u.iter().collect::<BTreeSet<_>>());
    let Some(first) = unknown.next() else {
        return untold();
    };
    let to_all = unknown.fold(first, |all, u| all.intersection(&u).copied().collect());
    if to_all.is_empty() {
        return Word("True", "PoolsSold", "licenses sell what it names".into());
    }
    let names: Vec<String> = to_all.into_iter().map(ToString::to_string).collect();
    let text = format!(
        "{}: no license of its servers has a pool of this name; `mooring license inspect` and GET /v1/products name those that there are",
        names.join(", ")
    );
    Word("False", "PoolUnknown", text)
}

fn seats_suffice(j: &PolicyFacts<'_>) -> Word {
    let (told, Ok(seats)) = (told(j), j.seats) else {
        return untold();
    };
    if told.is_empty() {
        return untold();
    }
    let mut short = Vec::new();
    for (s, uses, unknown) in told {
        for g in &seats.groups {
            for (pool, rights) in &g.pools {
                let mut of = uses.iter();
                let of = of.find(|u| u.group.as_ref() == Some(&g.name) && u.pool == *pool);
                let owned = of.map_or(rights.owned, |u| u.owned);
                if owned < rights.owned && !unknown.contains(pool) {
                    let (group, says, on) = (&g.name, rights.owned, &s.name);
                    short.push(format!(
                        "group {group} owns {owned} of {pool} on {on} where it says {says}: groups before it own the rest of what there is"
                    ));
                }
            }
        }
    }
    if short.is_empty() {
        return Word("True", "SeatsEnough", "what groups own is there".into());
    }
    Word("False", "OwnsTooMany", short.join("; "))
}

#[cfg(test)]
mod tests;
