//! The change of CAs, done by the replica that leads.
//!
//! A new CA takes over in one write of Secret `mooring-ca`, with a bridge: its key, signed by the
//! one before. License servers show the bridge behind their new certificates, so whoever trusts
//! either of the two verifies them, and nobody has to be made anew in time. What is made meanwhile
//! trusts both, until every license server was seen to show a certificate of the new one. The rules
//! are in [`plan`]; here is what it looks at, and what it has done.

mod plan;

use crate::cache::ClusterCache;
use crate::certs::Ca;
use crate::certs::stored::{StoredCa, certificates};
use crate::inject::addresses;
use crate::kubernetes::unless;
use crate::leases::{Note, publish};
use futures::future::join_all;
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::{ListParams, ObjectMeta, Patch, PatchParams};
use kube::runtime::events::{EventType, Recorder};
use kube::{Api, Client, Resource as _};
use mooring_api::LicenseServer;
use mooring_api::ca::STATUS;
use mooring_api::names::{CA_SECRET, ServerRef};
use mooring_core::time::Timestamp;
use mooring_core::wire::calls::server::PRODUCTS;
use mooring_net::client::{Call, Client as TlsClient};
use mooring_net::tls;
use plan::{Age, CaStep, Facts};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How often it looks, and how often while license servers take a new CA's certificates in.
const LOOK: Duration = Duration::from_secs(30);
const LOOK_SOON: Duration = Duration::from_secs(3);
/// How long a license server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What it looks at and writes with.
#[derive(Clone)]
pub struct Rotation {
    pub client: Client,
    pub namespace: String,
    pub ca: Arc<Ca>,
    pub cache: Arc<ClusterCache>,
    pub recorder: Recorder,
}

impl Rotation {
    /// Sees to the CA until dropped.
    pub async fn run(&self) {
        self.cache.complete().await;
        let mut changes = self.ca.follow();
        loop {
            changes.mark_unchanged();
            let ca = self.ca.get();
            if let Err(e) = self.look(&ca).await {
                tracing::warn!(secret = CA_SECRET, error = %e, "the change of CAs; tried again");
            }
            // The last third of a short life, as in tests, is soon over.
            let pause = LOOK.min(self.ca.lives.ca() / 20);
            let pause = if ca.previous.is_some() {
                LOOK_SOON
            } else {
                pause
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn look(&self, ca: &StoredCa) -> anyhow::Result<()> {
        let facts = self.facts(ca, SystemTime::now()).await?;
        let status = serde_json::to_string(&facts.status())?;
        match facts.step() {
            CaStep::Succeed => {
                let change = ca.succession(self.ca.lives.ca(), SystemTime::now())?;
                self.write(&change).await?;
                let text = format!(
                    "a new CA takes over from {}, which vouches for it: running pods go on",
                    facts.name
                );
                self.say("CaSucceeded", &text).await;
            }
            CaStep::Forget => {
                self.write(&ca.farewell()).await?;
                let text = format!(
                    "every license server shows a certificate of {}: new pods trust it alone",
                    facts.name
                );
                self.say("CaSwitched", &text).await;
            }
            CaStep::Stay if ca.annotation(STATUS) != Some(&status) => {
                self.write(&ca.annotated(STATUS, &status)).await?;
            }
            CaStep::Stay => {}
        }
        Ok(())
    }

    async fn facts(&self, ca: &StoredCa, now: SystemTime) -> anyhow::Result<Facts> {
        let authority = &ca.authority;
        let age = if authority.in_last(6, now) {
            Age::Last
        } else if authority.in_last(3, now) {
            Age::Late
        } else {
            Age::Young
        };
        let ours = certificates(authority.cert_pem());
        let trusts = |roots: &str| certificates(roots).is_superset(&ours);
        let pods = self.cache.roots(None).into_iter();
        let lagging = pods.filter(|(roots, _)| !trusts(roots));
        let mut lagging: Vec<String> = lagging.flat_map(|(_, pods)| pods).collect();
        lagging.sort();
        let bridge = ca.bridge.as_deref().and_then(tls::pem_not_after);
        let bridge = bridge.filter(|t| *t > now);
        Ok(Facts {
            name: authority.name().to_owned(),
            not_after: rfc3339(authority.not_after()),
            bridge_until: bridge.map(rfc3339),
            age,
            by_hand: !self.ca.lives.by_itself(),
            requested: ca.is_requested(),
            switching: ca.previous.is_some(),
            waits_for: match &ca.previous {
                Some(_) => self.waits_for(authority.cert_pem()).await?,
                None => Vec::new(),
            },
            lagging,
        })
    }

    /// License servers that a client which trusts only these roots cannot verify. One that has
    /// never run has nothing to show yet, and starts with the new certificate.
    async fn waits_for(&self, roots: &str) -> anyhow::Result<Vec<String>> {
        let api: Api<LicenseServer> = Api::all(self.client.clone());
        let servers = api.list(&ListParams::default()).await?.items;
        let ran = |s: &&LicenseServer| {
            let instance = s.status.as_ref().and_then(|s| s.instance.as_ref());
            instance.is_some() && s.metadata.deletion_timestamp.is_none()
        };
        let asked = servers.iter().filter(ran).map(|s| async move {
            let shown = self.shows(s, roots).await;
            shown.err().map(|e| format!("{}: {e}", s.reference()))
        });
        Ok(join_all(asked).await.into_iter().flatten().collect())
    }

    /// Asks a license server something, as a client that trusts only these roots; what it answers
    /// does not matter.
    async fn shows(&self, server: &LicenseServer, roots: &str) -> anyhow::Result<()> {
        let ServerRef { namespace, name } = server.reference();
        let port = server.spec.service.port;
        let services: Api<Service> = Api::namespaced(self.client.clone(), &namespace);
        let service = services.get_opt(&name).await?;
        let places = addresses(service.as_ref(), port).into_iter();
        let places = places.map(|a| a.to_string()).collect();
        let url = format!("https://{}:{port}", server.reference().dns_name());
        let client = TlsClient::new(&url, places, tls::client_config(roots, None)?)?;
        let call = Call::of(&PRODUCTS, "");
        Ok(client.call(&call, PATIENCE).await.map(drop)?)
    }

    async fn write(&self, change: &serde_json::Value) -> Result<(), kube::Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let (params, patch) = (PatchParams::default(), Patch::Merge(change));
        let written = api.patch_metadata(CA_SECRET, &params, &patch).await;
        // Somebody else wrote meanwhile, or the watch is behind: looked at again.
        unless(written, &[409]).map(drop)
    }

    async fn say(&self, reason: &'static str, text: &str) {
        tracing::info!(secret = CA_SECRET, reason, "{text}");
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(CA_SECRET.to_owned()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            ..Secret::default()
        };
        let note = Note::new(EventType::Normal, reason, "Rotate", text);
        publish(&self.recorder, &note, &secret.object_ref(&())).await;
    }
}

fn rfc3339(at: SystemTime) -> String {
    let text = Timestamp::try_from(at).map(|t| t.to_string());
    text.unwrap_or_default()
}
