//! `mooring revoke` and `mooring release`: by a LicenseLease's `spec`, which the operator heeds; or
//! at a license server itself.

use super::api::{self, Place};
use crate::direct::{self, Direct};
use crate::license::date;
use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use mooring_api::{ClaimStatus, LeaseState, LicenseLease};
use mooring_core::names::LeaseId;
use mooring_core::time::Timestamp;
use mooring_core::wire::Revoke;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// In whose name the fields are written.
const MANAGER: &str = "kubectl-mooring";
/// How long the operator and the license server may take to do what is asked for.
const IN_FORCE: Duration = Duration::from_secs(15);
/// How often the LicenseLease is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(300);

/// Whose lease, and who is asked.
#[derive(Debug, clap::Args)]
struct Of {
    /// The pod, its LicenseLease, or a lease's id, as `mooring leases` lists them; with --server
    /// the id
    #[arg(value_name = "LEASE")]
    lease: String,
    /// Ask a license server outside Kubernetes: https://NAME:PORT
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    #[command(flatten)]
    direct: Direct,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The lease's holder is told at its next renewal, within a third of a lease, and its application loses its license
there and then. It gets nothing more from this license server, whatever it shows, until that is lifted. That outlives a
restart of the license server and of the operator. Deleting the LicenseLease lifts nothing.

On Kubernetes the holder is the pod, and not what made it: a Deployment's next pod is another holder. To keep a whole
namespace out take it from the LicenseServer's spec.allowedNamespaces. It takes the right to patch LicenseLeases
(ClusterRole mooring-licenselease-editor); what it writes is spec.revoked.

Examples:
  mooring revoke job-1 -n studio --reason 'hangs, and holds four seats'
  mooring revoke job-1 -n studio --lift
  mooring revoke 9f2c… --reason 'laptop stolen' \\
      --server https://license.example.com:8443 --roots ca.crt --token-file admin.token
  mooring revoke 9f2c… --lift --server https://license.example.com:8443 --roots ca.crt \\
      --client-cert admin.crt --client-key admin.key"
)]
pub struct RevokeArgs {
    #[command(flatten)]
    of: Of,
    /// Why: the holder reads it
    #[arg(long, conflicts_with = "lift")]
    reason: Option<String>,
    /// Until when: 2027-01-01 (UTC) or RFC 3339; without it until it is lifted
    #[arg(long, value_name = "DATE", conflicts_with = "lift", value_parser = date::start)]
    until: Option<Timestamp>,
    /// Lift it again
    #[arg(long)]
    lift: bool,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The lease's holder is told at its next renewal, within a third of a lease: its application loses its license, and may
claim anew, behind those who wait. The seats are free when it has heard, or when the lease has run out. For an
application that hangs; to keep a holder out there is `mooring revoke`.

On Kubernetes it takes the right to patch LicenseLeases (ClusterRole mooring-licenselease-editor).

Examples:
  mooring release job-1 -n studio
  mooring release job-1 -n studio --claim extra
  mooring release 9f2c… --server https://license.example.com:8443 --roots ca.crt --token-file admin.token"
)]
pub struct ReleaseArgs {
    #[command(flatten)]
    of: Of,
    /// Which of its claims, where it has several
    #[arg(long, value_name = "NAME", conflicts_with = "server")]
    claim: Option<String>,
}

/// `mooring revoke`.
pub fn revoke(a: &RevokeArgs) -> anyhow::Result<()> {
    if let Some(url) = &a.of.server {
        a.of.place.none_of_a_cluster()?;
        let revoke = (!a.lift).then(|| Revoke {
            reason: a.reason.clone(),
            until: a.until,
        });
        return direct::revoke(url, &a.of.direct, id(&a.of.lease)?, revoke.as_ref());
    }
    a.of.direct.none_of_a_server()?;
    if let Some(until) = a.until.filter(|u| *u <= Timestamp::now()) {
        bail!("--until {until}: has passed; expected an instant to come, or none");
    }
    let said = api::in_namespace(
        &a.of.place,
        ("patch", "licenseleases"),
        async |client, namespace| {
            let leases: Api<LicenseLease> = Api::namespaced(client.clone(), namespace);
            let lease = find(&leases, namespace, &a.of.lease).await?;
            if a.lift {
                lift(&leases, namespace, &lease).await
            } else {
                bar(a, client, &leases, namespace, &lease).await
            }
        },
    )?;
    eprintln!("{said}");
    Ok(())
}

/// `mooring release`.
pub fn release(a: &ReleaseArgs) -> anyhow::Result<()> {
    if let Some(url) = &a.of.server {
        a.of.place.none_of_a_cluster()?;
        return direct::release(url, &a.of.direct, id(&a.of.lease)?);
    }
    a.of.direct.none_of_a_server()?;
    let said = api::in_namespace(
        &a.of.place,
        ("patch", "licenseleases"),
        async |client, namespace| {
            let leases: Api<LicenseLease> = Api::namespaced(client, namespace);
            let lease = find(&leases, namespace, &a.of.lease).await?;
            take_back(a, &leases, namespace, &lease).await
        },
    )?;
    eprintln!("{said}");
    Ok(())
}

fn id(text: &str) -> anyhow::Result<LeaseId> {
    let id = text.parse::<LeaseId>();
    id.map_err(|e| anyhow!("LEASE {text:?}: {e}; mooring leases --server lists them"))
}

fn named(namespace: &str, lease: &LicenseLease) -> String {
    format!("{namespace}/{}", lease.spec.holder.name)
}

/// By its own name, by its holder's, or by the id of one of its leases.
async fn find(
    leases: &Api<LicenseLease>,
    namespace: &str,
    given: &str,
) -> anyhow::Result<LicenseLease> {
    let all = leases.list(&ListParams::default()).await?.items;
    let of = |l: &LicenseLease| {
        let claims = l.status.iter().flat_map(|s| &s.claims);
        l.name_any() == given
            || l.spec.holder.name == given
            || claims.map(|c| &c.lease).any(|id| id == given)
    };
    let mut found: Vec<LicenseLease> = all.into_iter().filter(of).collect();
    match found.len() {
        1 => found.pop().context("one was found"),
        0 => bail!(
            "no pod, LicenseLease or lease {given:?} in namespace {namespace:?}; `mooring leases -n {namespace} -o wide` lists them"
        ),
        _ => {
            let names: Vec<String> = found.iter().map(LicenseLease::name_any).collect();
            bail!(
                "{given:?} has {} leases in namespace {namespace:?}; name one of them: {}",
                names.len(),
                names.join(", ")
            )
        }
    }
}

async fn patch(
    leases: &Api<LicenseLease>,
    lease: &LicenseLease,
    spec: Value,
) -> Result<(), kube::Error> {
    let patch = json!({ "metadata": { "uid": lease.uid() }, "spec": spec });
    let params = PatchParams::apply(MANAGER);
    let patch = Patch::Merge(&patch);
    leases
        .patch(&lease.name_any(), &params, &patch)
        .await
        .map(drop)
}

async fn bar(
    a: &RevokeArgs,
    client: Client,
    leases: &Api<LicenseLease>,
    namespace: &str,
    lease: &LicenseLease,
) -> anyhow::Result<String> {
    let until = a.until.map(|t| t.to_string());
    let revoked = json!({ "reason": a.reason, "until": until, "by": me(client).await });
    patch(leases, lease, json!({ "revoked": revoked })).await?;
    let is_revoked = |l: &LicenseLease| state(l) == Some(LeaseState::Revoked);
    let now = until_so(leases, namespace, lease, is_revoked).await?;
    let free = now.status.and_then(|s| s.until);
    let free = free.map(|u| format!("; its seats are free at {u} at the latest"));
    Ok(format!(
        "Revoked: {}. Its application loses its license within a third of a lease{}",
        named(namespace, lease),
        free.unwrap_or_default()
    ))
}

async fn lift(
    leases: &Api<LicenseLease>,
    namespace: &str,
    lease: &LicenseLease,
) -> anyhow::Result<String> {
    let name = named(namespace, lease);
    if lease.spec.revoked.is_none() && state(lease) != Some(LeaseState::Revoked) {
        bail!("{name} is not revoked");
    }
    patch(leases, lease, json!({ "revoked": null })).await?;
    let is_lifted = |l: &LicenseLease| state(l) != Some(LeaseState::Revoked);
    until_so(leases, namespace, lease, is_lifted).await?;
    Ok(format!("Lifted: {name}. It asks again within a minute"))
}

async fn take_back(
    a: &ReleaseArgs,
    leases: &Api<LicenseLease>,
    namespace: &str,
    lease: &LicenseLease,
) -> anyhow::Result<String> {
    let name = named(namespace, lease);
    let has = |c: &&ClaimStatus| {
        let refused = matches!(c.state, LeaseState::Refused | LeaseState::Revoked);
        let is_named = a.claim.as_ref().is_none_or(|n| *n == c.name);
        !refused && is_named && (c.lease == a.of.lease || !is_id(&a.of.lease))
    };
    let status = lease.status.as_ref();
    let open: Vec<&ClaimStatus> = status.iter().flat_map(|s| &s.claims).filter(has).collect();
    let taken = match open.as_slice() {
        [one] => one.lease.clone(),
        [] => bail!("{name} holds nothing and is not in line, so there is nothing to take back"),
        several => {
            let names: Vec<&str> = several.iter().map(|c| c.name.as_str()).collect();
            bail!(
                "{name} has several claims; expected --claim with one of {}",
                names.join(", ")
            );
        }
    };
    // What ended long ago is left out.
    let there = |id: &&String| status.is_some_and(|s| s.claims.iter().any(|c| c.lease == **id));
    let mut release: Vec<&String> = lease.spec.release.iter().filter(there).collect();
    if !release.contains(&&taken) {
        release.push(&taken);
    }
    patch(leases, lease, json!({ "release": release })).await?;
    let is_taken = |l: &LicenseLease| {
        let claims = l.status.iter().flat_map(|s| &s.claims);
        !claims
            .filter(|c| c.lease == taken)
            .any(|c| c.state != LeaseState::Silent)
    };
    let now = until_so(leases, namespace, lease, is_taken).await?;
    let claims = now.status.iter().flat_map(|s| &s.claims);
    let free = claims
        .filter(|c| c.lease == taken)
        .find_map(|c| c.until.clone());
    let free = free.map(|u| format!("; its seats are free then, or at {u} at the latest"));
    Ok(format!(
        "Taken back: lease {taken} of {name}. Its application is told when it next renews{}",
        free.unwrap_or_default()
    ))
}

fn is_id(text: &str) -> bool {
    text.parse::<LeaseId>().is_ok()
}

fn state(lease: &LicenseLease) -> Option<LeaseState> {
    lease.status.as_ref().map(|s| s.state)
}

/// Whose credentials these are, as the API server knows them, if it says.
async fn me(client: Client) -> Option<String> {
    let api: Api<SelfSubjectReview> = Api::all(client);
    let asked = SelfSubjectReview::default();
    let review = api.create(&PostParams::default(), &asked).await.ok()?;
    review.status?.user_info?.username
}

/// Waits until the license server has done it, and the mirror says so.
async fn until_so(
    leases: &Api<LicenseLease>,
    namespace: &str,
    lease: &LicenseLease,
    so: impl Fn(&LicenseLease) -> bool,
) -> anyhow::Result<LicenseLease> {
    let (name, begun) = (named(namespace, lease), Instant::now());
    loop {
        // A mirror that is gone had nothing left to take away.
        let Some(now) = leases.get_opt(&lease.name_any()).await? else {
            return Ok(lease.clone());
        };
        if so(&now) {
            return Ok(now);
        }
        if begun.elapsed() > IN_FORCE {
            let said = now.status.and_then(|s| s.message).unwrap_or_default();
            bail!(
                "{name}: it stands in the LicenseLease, and is not in force after {} s ({said}); it will be, once operator and license server do their work: see `mooring status`",
                IN_FORCE.as_secs()
            );
        }
        tokio::time::sleep(LOOK).await;
    }
}
