//! LicensePolicies: a table of them, and one that is tried out.

use super::api::{self, ClusterArgs, Listed, Place};
use super::operator;
use crate::output::{self, or_dash, problems, table};
use crate::policy::print::{NO_GROUP, Tried, says};
use anyhow::{anyhow, bail};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use mooring_api::{GroupSpec, LicensePolicy, LicensePolicyStatus, LicenseServer, PolicyOnServer};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// The label of a policy that is there to be tried out and deleted.
const TEST_LABEL: &str = "mooring.dev/policy-test";
/// How long the operator and the license server may take.
const TRIED: Duration = Duration::from_secs(20);
/// How often the status is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(300);
/// How old a test must be that nobody waits for any more.
const LEFT_BEHIND_SECS: i64 = 600;

/// `mooring policy`.
pub fn list(common: &ClusterArgs, name: Option<&str>) -> anyhow::Result<()> {
    let found = api::list::<LicensePolicy>(common, "license policies")?;
    let mut policies: Vec<LicensePolicy> = found.read()?;
    policies.retain(|p| name.is_none() || name == p.metadata.name.as_deref());
    if let (Some(n), true) = (name, policies.is_empty()) {
        let place = found.place();
        bail!("no license policy {n:?} in {place}; see mooring policy -A");
    }
    let text = match common.output.data() {
        Some(d) => d.render(&found.as_list(policies.iter().map(|p| &p.metadata)))?,
        None => text(&policies, &found),
    };
    Ok(output::print(&text)?)
}

fn text(policies: &[LicensePolicy], found: &Listed) -> String {
    let said = operator::said(&found.operator, found.now).into_iter();
    let all = found.namespace.is_none();
    let wrong: Vec<String> = said
        .chain(policies.iter().flat_map(|p| wrong(p, all)))
        .collect();
    if policies.is_empty() {
        return found.nothing("") + &problems(&wrong);
    }
    let rows: Vec<Vec<String>> = policies.iter().flat_map(|p| rows(p, all)).collect();
    let header = [
        "POLICY", "SERVER", "IN FORCE", "GROUP", "POOL", "OWNED", "USED", "LENT", "MAX",
    ];
    table(&header, &rows) + &would_change(policies, all) + &problems(&wrong)
}

fn shown(p: &LicensePolicy, all: bool) -> String {
    if all {
        format!("{}/{}", p.namespace().unwrap_or_default(), p.name_any())
    } else {
        p.name_any()
    }
}

fn servers(p: &LicensePolicy) -> &[PolicyOnServer] {
    p.status.as_ref().map_or(&[], |s| &s.servers)
}

/// By server what it says of each group; as the policy says it where none does.
fn rows(p: &LicensePolicy, all: bool) -> Vec<Vec<String>> {
    let name = shown(p, all);
    let mut rows = Vec::new();
    for s in servers(p).iter().filter(|s| !s.groups.is_empty()) {
        let in_force = match (s.in_force, p.spec.dry_run) {
            (_, true) => "dry run",
            (true, false) => "True",
            (false, false) => "False",
        };
        for g in s.groups.iter().filter(|g| says(g)) {
            let spec = p
                .spec
                .groups
                .iter()
                .find(|spec| Some(&spec.name) == g.group.as_ref());
            rows.push(vec![
                name.clone(),
                s.name.clone(),
                in_force.to_owned(),
                g.group.clone().unwrap_or_else(|| NO_GROUP.to_owned()),
                g.pool.clone(),
                g.owned.to_string(),
                g.used.to_string(),
                or_dash(spec.and_then(|spec| lent(spec, &g.pool, g.owned))),
                or_dash(g.max),
            ]);
        }
    }
    if rows.is_empty() {
        for g in &p.spec.groups {
            for (pool, r) in &g.pools {
                rows.push(vec![
                    name.clone(),
                    "-".to_owned(),
                    "False".to_owned(),
                    g.name.clone(),
                    pool.clone(),
                    r.owned.to_string(),
                    "-".to_owned(),
                    or_dash(lent(g, pool, r.owned)),
                    or_dash(r.max),
                ]);
            }
        }
    }
    rows
}

/// How many of what a group owns others may have.
fn lent(g: &GroupSpec, pool: &str, owned: u32) -> Option<u32> {
    let mut pools = g.pools.iter();
    let (_, spec) = pools.find(|(name, _)| name.eq_ignore_ascii_case(pool))?;
    Some(spec.lend.map_or(owned, |lend| lend.min(owned)))
}

fn would_change(policies: &[LicensePolicy], all: bool) -> String {
    let mut out = String::new();
    for p in policies {
        for s in servers(p).iter().filter(|s| !s.would_change.is_empty()) {
            let more = s.would_change_more.map(|n| format!("\n  and {n} more"));
            let _ = writeln!(
                out,
                "\n{} would change on {}:\n  {}{}",
                shown(p, all),
                s.name,
                s.would_change.join("\n  "),
                more.unwrap_or_default()
            );
        }
    }
    out
}

/// What is not as it should be.
fn wrong(p: &LicensePolicy, all: bool) -> Vec<String> {
    let name = shown(p, all);
    let Some(status) = &p.status else {
        return vec![format!(
            "{name}: it has no status yet; does the operator run?"
        )];
    };
    let mut out: Vec<String> = conditions(status)
        .map(|said| format!("{name}: {said}"))
        .collect();
    if status.servers.is_empty() {
        out.push(format!(
            "{name}: no LicenseServer of its namespace names it (spec.policy.name), so it is in force nowhere"
        ));
    }
    for s in &status.servers {
        if let Some(m) = s.message.as_ref().filter(|_| !s.in_force && !s.tried) {
            out.push(format!("{name}: {}: {m}", s.name));
        }
    }
    out
}

fn conditions(status: &LicensePolicyStatus) -> impl Iterator<Item = String> {
    let bad = status.conditions.iter().filter(|c| c.status == "False");
    bad.map(|c| format!("{} is False ({}): {}", c.type_, c.reason, c.message))
}

/// `mooring policy test`.
pub fn try_out(
    place: &Place,
    policy: &LicensePolicy,
    server: Option<&str>,
) -> anyhow::Result<Tried> {
    let given = (&place.namespace, &policy.metadata.namespace);
    if let (Some(flag), Some(file)) = given
        && flag != file
    {
        bail!("--namespace {flag}: the file says {file}; expected one of the two");
    }
    let place = Place {
        namespace: place
            .namespace
            .clone()
            .or(policy.metadata.namespace.clone()),
        ..place.clone()
    };
    api::in_namespace(
        &place,
        ("create", "licensepolicies"),
        async |client, namespace| {
            let on = servers_for(&client, namespace, policy, server).await?;
            let policies: Api<LicensePolicy> = Api::namespaced(client, namespace);
            sweep(&policies).await?;
            let made = policies
                .create(&PostParams::default(), &dry_run(policy, on))
                .await?;
            let tried = tokio::select! {
                tried = until_tried(&policies, &made) => tried,
                _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
            };
            let name = made.name_any();
            if let Err(e) = policies.delete(&name, &DeleteParams::default()).await {
                eprintln!(
                    "LicensePolicy {namespace}/{name} could not be deleted ({e}); it enforces nothing: delete it"
                );
            }
            Ok(told(&policy.name_any(), &name, &tried?))
        },
    )
}

/// Where to try it: where one says, where it is named, or where there is only one place.
async fn servers_for(
    client: &Client,
    namespace: &str,
    policy: &LicensePolicy,
    server: Option<&str>,
) -> anyhow::Result<Vec<String>> {
    let servers: Api<LicenseServer> = Api::namespaced(client.clone(), namespace);
    let all = servers.list(&ListParams::default()).await?.items;
    choose(&all, namespace, policy, server)
}

fn choose(
    all: &[LicenseServer],
    namespace: &str,
    policy: &LicensePolicy,
    server: Option<&str>,
) -> anyhow::Result<Vec<String>> {
    let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
    if let Some(name) = server {
        if !names.iter().any(|n| n == name) {
            bail!("no license server {name:?} in namespace {namespace:?}; see mooring status -A");
        }
        return Ok(vec![name.to_owned()]);
    }
    let name_it = |s: &&LicenseServer| {
        let named = s.spec.policy.as_ref().map(|p| &p.name);
        named.is_some() && named == policy.metadata.name.as_ref()
    };
    let naming: Vec<String> = all
        .iter()
        .filter(name_it)
        .map(ResourceExt::name_any)
        .collect();
    match (naming.is_empty(), names.as_slice()) {
        (false, _) => Ok(naming),
        (true, [one]) => Ok(vec![one.clone()]),
        (true, []) => bail!(
            "no license server in namespace {namespace:?}; expected -n with the namespace of one"
        ),
        (true, several) => bail!(
            "namespace {namespace:?} has several license servers, and none names this policy; expected --server with one of {}",
            several.join(", ")
        ),
    }
}

/// The policy as an object of its own that enforces nothing.
fn dry_run(policy: &LicensePolicy, on: Vec<String>) -> LicensePolicy {
    let name: String = policy.name_any().chars().take(40).collect();
    let name = if name.is_empty() { "policy" } else { &name };
    let mut test = LicensePolicy::new("", policy.spec.clone());
    test.metadata.name = None;
    test.metadata.generate_name = Some(format!("{name}-test-"));
    test.metadata.labels = Some([(TEST_LABEL.to_owned(), "true".to_owned())].into());
    test.spec.dry_run = true;
    test.spec.dry_run_on = on;
    test
}

/// Deletes what an earlier test left behind that was killed.
async fn sweep(policies: &Api<LicensePolicy>) -> Result<(), kube::Error> {
    let now = mooring_core::time::Timestamp::now().as_second();
    let tests = ListParams::default().labels(TEST_LABEL);
    for p in policies.list(&tests).await?.items {
        let made = p.metadata.creation_timestamp.as_ref();
        if made.is_some_and(|t| t.0.as_second() + LEFT_BEHIND_SECS < now) {
            let _ = policies
                .delete(&p.name_any(), &DeleteParams::default())
                .await;
        }
    }
    Ok(())
}

async fn until_tried(
    policies: &Api<LicensePolicy>,
    made: &LicensePolicy,
) -> anyhow::Result<LicensePolicyStatus> {
    let (name, begun) = (made.name_any(), Instant::now());
    loop {
        let status = policies.get(&name).await?.status.unwrap_or_default();
        let is_told = status.observed_generation == made.metadata.generation;
        let rejected = status
            .condition(mooring_api::policy_status::ACCEPTED)
            .filter(|c| is_told && c.status == "False");
        if let Some(c) = rejected {
            bail!("{}", c.message);
        }
        if is_told && !status.servers.is_empty() && status.servers.iter().all(|s| s.tried) {
            return Ok(status);
        }
        if begun.elapsed() > TRIED {
            let why = status.servers.iter().filter(|s| !s.tried);
            let why: Vec<String> = why
                .map(|s| format!("{}: {}", s.name, s.message.as_deref().unwrap_or_default()))
                .collect();
            let why = if is_told {
                why.join("; ")
            } else {
                "the operator has not looked at it".to_owned()
            };
            bail!(
                "it was not tried out within {} s: {why}; see `mooring status`",
                TRIED.as_secs()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What came of it, under the name that people gave it.
fn told(policy: &str, object: &str, status: &LicensePolicyStatus) -> Tried {
    let mut servers = status.servers.clone();
    for line in servers.iter_mut().flat_map(|s| &mut s.would_change) {
        *line = line.replace(object, policy);
    }
    let wrong: BTreeSet<String> = conditions(status).collect();
    Tried {
        policy: policy.to_owned(),
        servers,
        wrong: wrong.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests;
