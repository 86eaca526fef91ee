//! A LicenseServer that stands for a license server outside of the cluster: nothing is made for it.
//! What it names is read, who may use it is resolved, the operator connects as its issuer, and what
//! it says goes into the status.

use super::context::Error;
use super::dereference::{Reader, allowed_namespaces, need};
use super::facts::Missing;
use super::placement::{Placed, Whereabouts};
use super::reconcile::{LOOK, LOOK_SOON, Pass};
use super::seat_policy::named::NamedPolicy;
use super::{status, validate};
use crate::connection::{Endpoint, Outside};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::controller::Action;
use mooring_api::External;
use mooring_core::wire::Policies;
use std::sync::Arc;

/// What a LicenseServer names, as it is there.
#[derive(Debug, Default)]
struct Named {
    missing: Vec<Missing>,
    outside: Option<Arc<Outside>>,
}

impl Pass<'_> {
    /// One look at it.
    pub(super) async fn followed(&self, external: &External) -> Result<Action, Error> {
        let (server, reference, ctx) = (self.server, self.reference, self.ctx);
        let invalid = self.refusal().or_else(|| validate::validate(server).err());
        let named = match &invalid {
            None => self.named(external).await?,
            Some(_) => Named::default(),
        };
        let policies = Policies {
            allowed_namespaces: allowed_namespaces(server, reference, ctx).await?,
            ..Policies::default()
        };
        if let Some(outside) = named.outside {
            let target = Endpoint {
                addresses: external.addresses.clone(),
                port: external.port().unwrap_or_default(),
                policies: policies.clone(),
                outside: Some(outside),
            };
            ctx.connections.ensure(reference, target, &ctx.connection);
        }
        ctx.connections.begin(reference, &policies, &ctx.connection);
        let snapshot = ctx.connections.snapshot(reference);
        let judged = status::Judged {
            generation: server.metadata.generation,
            invalid: invalid.as_ref(),
            missing: &named.missing,
            taken: &[],
            placed: &Placed::Well,
            whereabouts: &Whereabouts::elsewhere(),
            pod: None,
            cordoned: &[],
            outside: true,
            serving: None,
            node: None,
            node_down: None,
            stuck: None,
            endpoint: server.endpoint(),
            cluster_ips: Vec::new(),
            snapshot: &snapshot,
            trust: &[],
            named: &NamedPolicy::Nothing,
            twin: None,
            now: mooring_net::clock::now().wall,
        };
        self.report(&judged, server.spec.lease.duration.0).await?;
        let well = named.missing.is_empty() && snapshot.connected;
        Ok(Action::requeue(if well { LOOK } else { LOOK_SOON }))
    }

    /// Reads the roots and the issuer's key.
    async fn named(&self, external: &External) -> Result<Named, Error> {
        let reader = Reader {
            ctx: self.ctx,
            namespace: &self.reference.namespace,
        };
        let (roots, issuer) = (&external.roots, &external.issuer);
        let map = reader.get::<ConfigMap>(&roots.config_map_name).await?;
        let secret = reader.get::<Secret>(&issuer.secret_name).await?;
        let map = map.map(|m| m.data.unwrap_or_default());
        let secret = secret.map(|s| s.data.unwrap_or_default());
        let ns = reader.namespace;
        let field = "spec.external.roots.configMapName";
        let what = format!("ConfigMap {ns}/{}", roots.config_map_name);
        let keys = map.as_ref().map(|d| d.keys().cloned().collect());
        let mut missing: Vec<Missing> = need(field, &what, Some(&roots.key), keys)
            .into_iter()
            .collect();
        let field = "spec.external.issuer.secretName";
        let what = format!("Secret {ns}/{}", issuer.secret_name);
        let keys = secret.as_ref().map(|d| d.keys().cloned().collect());
        missing.extend(need(field, &what, Some(&issuer.key), keys));
        let pem = map.and_then(|mut d| d.remove(&roots.key));
        let key = secret.and_then(|mut d| d.remove(&issuer.key));
        let (Some(pem), Some(key)) = (pem, key) else {
            let outside = None;
            return Ok(Named { missing, outside });
        };
        let outside = Outside::new(
            (external.address.clone(), pem),
            external.server_name(self.reference).to_owned(),
            issuer.subjects.clone(),
            &String::from_utf8_lossy(&key.0),
        );
        Ok(match outside {
            Ok(outside) => Named {
                missing,
                outside: Some(Arc::new(outside)),
            },
            // Nothing of the key is said.
            Err(e) => Named {
                missing: vec![Missing {
                    reason: "IssuerKeyInvalid",
                    message: format!("{field}: {what}, key {}: {e}", issuer.key),
                }],
                outside: None,
            },
        })
    }
}
