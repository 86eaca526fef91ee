//! The webhook's command line, checked at the start: a bad value ends the process with the flag,
//! the value and what was expected.

use super::{CONFIGURATION, Clients, PORT, SERVICE, WebhookConfig};
use crate::inject::{Budget, Images, Settings};
use mooring_api::RunAs;
use mooring_api::names::ServerRef;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Flags of the webhook and of the sidecars it adds; `#[command(flatten)]` them.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Webhook")]
pub struct Flags {
    /// Where the webhook listens.
    #[arg(long, default_value_t = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, PORT)), value_name = "ADDRESS:PORT")]
    webhook_listen: SocketAddr,
    /// The webhook's Service in the operator's namespace.
    #[arg(long, default_value = SERVICE, value_name = "NAME")]
    webhook_service: String,
    /// The MutatingWebhookConfiguration whose caBundle is kept.
    #[arg(long, default_value = CONFIGURATION, value_name = "NAME")]
    webhook_configuration: String,
    /// Answer the API server alone, known by a client certificate that chains to these roots (a
    /// file, PEM); without it whoever reaches the port is answered.
    #[arg(long, value_name = "FILE")]
    webhook_client_ca: Option<PathBuf>,
    /// The common name of that certificate; without it any will do. May be given several times.
    #[arg(long, value_name = "NAME", requires = "webhook_client_ca")]
    webhook_client_name: Vec<String>,
    /// The LicenseServer of pods that name none.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = server_ref)]
    default_server: Option<ServerRef>,
    /// The sidecar's image.
    #[arg(long, value_name = "IMAGE")]
    sidecar_image: String,
    /// Another image that may stand in its place when a mirror or a policy puts it there. May be
    /// given several times.
    #[arg(long, value_name = "IMAGE")]
    sidecar_image_also: Vec<String>,
    /// When nodes pull it.
    #[arg(long, default_value = "IfNotPresent", value_parser = ["Always", "IfNotPresent", "Never"])]
    sidecar_image_pull_policy: String,
    /// A Secret to pull it with, which must be there in the pods' namespaces. May be given several
    /// times.
    #[arg(long, value_name = "NAME")]
    sidecar_image_pull_secret: Vec<String>,
    /// The sidecar's user; `platform` where the platform assigns one (OpenShift).
    #[arg(long, default_value = "65532", value_name = "UID|platform", value_parser = not_root)]
    sidecar_run_as_user: RunAs,
    /// CPU set aside for a sidecar.
    #[arg(long, default_value = "20m", value_name = "AMOUNT")]
    sidecar_cpu_request: String,
    /// CPU a sidecar may use; in Guaranteed pods this much is set aside.
    #[arg(long, default_value = "80m", value_name = "AMOUNT")]
    sidecar_cpu_limit: String,
    /// Memory set aside for a sidecar.
    #[arg(long, default_value = "32Mi", value_name = "AMOUNT")]
    sidecar_memory_request: String,
    /// Memory a sidecar may use.
    #[arg(long, default_value = "32Mi", value_name = "AMOUNT")]
    sidecar_memory_limit: String,
    /// The sidecar's log filter (`MOORING_LOG`).
    #[arg(long, default_value = "info", value_name = "FILTER")]
    sidecar_log: String,
}

fn not_root(s: &str) -> Result<RunAs, String> {
    let user = s.parse::<RunAs>().ok().filter(|u| *u != RunAs::User(0));
    user.ok_or_else(|| "expected a user id from 1 to 2147483647, or platform".to_owned())
}

fn server_ref(s: &str) -> Result<ServerRef, String> {
    match s.split_once('/') {
        Some((ns, name)) if !ns.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(ServerRef::new(ns, name))
        }
        _ => Err("expected namespace/name of a LicenseServer".to_owned()),
    }
}

impl Flags {
    /// The webhook's configuration; an amount that is none is an error.
    pub fn config(self, namespace: &str) -> Result<WebhookConfig, String> {
        let cpu = (&*self.sidecar_cpu_request, &*self.sidecar_cpu_limit);
        let memory = (&*self.sidecar_memory_request, &*self.sidecar_memory_limit);
        let budget = Budget::parse(cpu, memory).map_err(|e| format!("flags --sidecar-…: {e}"))?;
        let names = self.webhook_client_name;
        let clients = self.webhook_client_ca.map(|path| {
            let roots = std::fs::read_to_string(&path);
            let roots = roots.map_err(|e| {
                let path = path.display();
                format!("flag --webhook-client-ca {path}: {e}, expected a file with certificates")
            })?;
            Ok::<_, String>(Clients { roots, names })
        });
        Ok(WebhookConfig {
            clients: clients.transpose()?,
            listen: self.webhook_listen,
            namespace: namespace.to_owned(),
            service: self.webhook_service,
            configuration: self.webhook_configuration,
            default_server: self.default_server,
            settings: Settings {
                images: Images {
                    image: self.sidecar_image,
                    also: self.sidecar_image_also,
                },
                pull_policy: self.sidecar_image_pull_policy,
                pull_secrets: self.sidecar_image_pull_secret,
                run_as_user: self.sidecar_run_as_user.user(),
                budget,
                log: self.sidecar_log,
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            discovery: None,
        })
    }
}

#[cfg(test)]
mod tests;
