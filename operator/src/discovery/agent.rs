//! The agent on each node: reads which USB devices are plugged in, and posts the list to every
//! replica of the operator.
//!
//! It needs no rights in the cluster, no host path and no user: a container sees the node's devices
//! in its own `/sys`. Whose list it is the operator knows by the agent's token, which is bound to
//! its pod and node.

use super::{PATH, Report};
use http::{Method, header};
use mooring_api::Device;
use mooring_core::time::BootTime;
use mooring_hardware::{Unreadable, usb};
use mooring_net::client::{Call, Client};
use mooring_net::{clock, shutdown::Shutdown, tls};
use std::collections::{BTreeSet, HashMap};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it looks.
const LOOK: Duration = Duration::from_secs(2);
/// How often it posts although nothing changed: four times before it counts as silent.
const AGAIN: Duration = Duration::from_secs(15);
/// How long one post may take.
const TIME: Duration = Duration::from_secs(5);

/// The agent's command line.
#[derive(Clone, Debug, clap::Args)]
pub struct AgentArgs {
    /// The operator, as its certificate names it. Each address of the name is a replica, and hears
    /// of the devices.
    #[arg(long, env = "MOORING_OPERATOR", value_name = "https://NAME:PORT")]
    operator: String,
    /// The certificates to trust: ConfigMap mooring-roots, which the operator writes.
    #[arg(long, default_value = "/etc/mooring/roots/ca.crt", value_name = "FILE")]
    roots: PathBuf,
    /// The service-account token for the audience mooring.dev/discovery; read anew for each use.
    #[arg(
        long,
        default_value = "/var/run/secrets/mooring.dev/token",
        value_name = "FILE"
    )]
    token_file: PathBuf,
    /// Where sysfs is.
    #[arg(long, env = "MOORING_SYSFS_ROOT", default_value = usb::SYSFS, value_name = "FOLDER")]
    sysfs_root: PathBuf,
    /// What is logged: a level, or a filter such as mooring_operator=debug,info.
    #[arg(
        long,
        env = "MOORING_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
}

/// What is plugged in. A kernel without any USB has no such folder: that is no device, not an
/// error.
fn plugged(sysfs: &Path) -> Result<BTreeSet<Device>, Unreadable> {
    let all = match usb::devices(sysfs) {
        Ok(all) => all,
        Err(e) if e.error.kind() == ErrorKind::NotFound && sysfs.is_dir() => vec![],
        Err(e) => return Err(e),
    };
    let device = |p: usb::Plugged| Device {
        vendor_id: p.vendor_id,
        product_id: p.product_id,
        serial: p.serial,
    };
    Ok(all.into_iter().map(device).collect())
}

/// One replica of the operator.
struct Replica {
    client: Client,
    /// What it took in last, and when.
    told: Option<(BTreeSet<Device>, BootTime)>,
    /// What it, or the way to it, last said instead: each is logged once.
    trouble: Option<String>,
}

impl Replica {
    /// Whether it should be told now.
    fn is_due(&self, devices: &BTreeSet<Device>, now: BootTime) -> bool {
        self.told
            .as_ref()
            .is_none_or(|(told, at)| told != devices || now.since(*at) >= AGAIN)
    }
}

/// Runs until asked to end.
pub async fn run(args: AgentArgs, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut agent = Agent::new(args)?;
    loop {
        agent.round().await;
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shutdown.asked() => return Ok(()),
        }
    }
}

struct Agent {
    args: AgentArgs,
    /// `name:port`.
    host: String,
    roots: String,
    replicas: HashMap<SocketAddr, Replica>,
    trouble: Option<String>,
}

impl Agent {
    fn new(args: AgentArgs) -> anyhow::Result<Self> {
        let uri: http::Uri = args.operator.parse()?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let Some(host) = host else {
            anyhow::bail!(
                "--operator {:?}: expected https://NAME:PORT, such as https://mooring-discovery.mooring-system.svc:9443",
                args.operator
            );
        };
        Ok(Self {
            host: format!("{host}:{}", uri.port_u16().unwrap_or(443)),
            args,
            roots: String::new(),
            replicas: HashMap::new(),
            trouble: None,
        })
    }

    async fn round(&mut self) {
        let done = self.look().await.err();
        if let Some(e) = done.as_ref().filter(|e| self.trouble.as_ref() != Some(e)) {
            tracing::warn!(error = %e, "no devices can be reported; tried again");
        }
        self.trouble = done;
    }

    async fn look(&mut self) -> Result<(), String> {
        let devices = plugged(&self.args.sysfs_root).map_err(|e| e.to_string())?;
        self.find().await?;
        let token = read(&self.args.token_file)?;
        let report = Report {
            devices: devices.iter().cloned().collect(),
        };
        let call = Call::new(Method::POST, PATH)
            .header(header::AUTHORIZATION, &format!("Bearer {}", token.trim()))
            .json(&report)
            .map_err(|e| e.to_string())?;
        let now = clock::boot();
        let replicas = self.replicas.iter_mut();
        let due = replicas.filter(|(_, r)| r.is_due(&devices, now));
        let posts = due.map(|(address, r)| post(*address, r, &call, &devices));
        futures::future::join_all(posts).await;
        Ok(())
    }

    /// The replicas are the addresses of the name; what they must show may change.
    async fn find(&mut self) -> Result<(), String> {
        let roots = read(&self.args.roots)?;
        if roots != self.roots {
            self.replicas.clear();
        }
        let found = tokio::time::timeout(TIME, tokio::net::lookup_host(&self.host)).await;
        let found = found.map_err(|_| format!("{}: no answer of the DNS", self.host))?;
        let found: BTreeSet<SocketAddr> =
            found.map_err(|e| format!("{}: {e}", self.host))?.collect();
        self.replicas.retain(|a, _| found.contains(a));
        for address in found {
            if self.replicas.contains_key(&address) {
                continue;
            }
            let config = tls::client_config(&roots, None)
                .map_err(|e| format!("{}: {e}", self.args.roots.display()))?;
            let client = Client::new(&self.args.operator, vec![address.to_string()], config)
                .map_err(|e| e.to_string())?;
            let (told, trouble) = (None, None);
            let replica = Replica {
                client,
                told,
                trouble,
            };
            self.replicas.insert(address, replica);
        }
        self.roots = roots;
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

async fn post(address: SocketAddr, r: &mut Replica, call: &Call, devices: &BTreeSet<Device>) {
    let answer = r.client.call(call, TIME).await;
    let trouble = match answer {
        Ok(a) if a.status.is_success() => None,
        Ok(a) => {
            let said = String::from_utf8_lossy(&a.body);
            let said: String = said.trim().chars().take(300).collect();
            Some(format!("status {}: {said}", a.status))
        }
        Err(e) => Some(e.to_string()),
    };
    match &trouble {
        None => {
            let news = r.told.as_ref().is_none_or(|(told, _)| told != devices);
            if news || r.trouble.is_some() {
                tracing::info!(operator = %address, devices = devices.len(), "reported");
            }
            r.told = Some((devices.clone(), clock::boot()));
        }
        Some(e) if r.trouble.as_ref() != Some(e) => {
            tracing::warn!(operator = %address, error = %e, "a report was not taken in; tried again");
        }
        Some(_) => {}
    }
    r.trouble = trouble;
}

#[cfg(test)]
mod tests;
