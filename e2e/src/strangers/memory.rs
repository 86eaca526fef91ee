//! What a pod's program took of memory at most, by the kernel's own count. On the project's own
//! cluster, whose nodes' processes are this machine's.

use crate::lab::{Lab, NAMESPACE, Server};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

/// Their limits are 256 Mi, and 817 Mi with the connections that a license server takes by default.
const OPERATOR_MIB: u64 = 200;
const SERVER_MIB: u64 = 256;

pub(super) async fn operators(lab: &Lab) -> Result<Vec<Pod>> {
    let pods = Api::<Pod>::namespaced(lab.client.clone(), NAMESPACE);
    let ours = ListParams::default().labels("app.kubernetes.io/component=operator");
    let found = pods.list(&ours).await?.items;
    ensure!(!found.is_empty(), "the operator has no pod");
    Ok(found)
}

/// Where the nodes' processes can be seen: the operator took no more than that, whatever strangers
/// did.
pub(super) async fn operator_is_bounded(lab: &Lab) -> Result<()> {
    if !lab.own {
        return Ok(());
    }
    for pod in operators(lab).await? {
        is_bounded(&pod, "mooring-operator", OPERATOR_MIB)?;
    }
    Ok(())
}

/// The same of a license server.
pub(super) async fn server_is_bounded(lab: &Lab, server: &Server) -> Result<()> {
    if lab.own {
        is_bounded(&server.pod(lab).await?, "mooring-server", SERVER_MIB)?;
    }
    Ok(())
}

fn is_bounded(pod: &Pod, program: &str, most: u64) -> Result<()> {
    let (mib, name) = (peak_mib(pod, program)?, pod.name_any());
    println!("  {name}: at most {mib} MiB");
    ensure!(
        mib <= most,
        "{name} took {mib} MiB, expected at most {most}"
    );
    Ok(())
}

/// The peak of what was resident, in MiB, of the program with this name in the pod.
fn peak_mib(pod: &Pod, program: &str) -> Result<u64> {
    let uid = pod.metadata.uid.as_deref().context("a pod without a UID")?;
    // The kubelet writes it either way into a control group's name.
    let names = [uid.to_owned(), uid.replace('-', "_")];
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let file = |name: &str| std::fs::read_to_string(entry.path().join(name));
        let (Ok(groups), Ok(command)) = (file("cgroup"), file("cmdline")) else {
            continue;
        };
        let first = command.split('\0').next().unwrap_or_default();
        if !first.ends_with(program) || !names.iter().any(|n| groups.contains(n)) {
            continue;
        }
        let status = file("status")?;
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|p| p.split_whitespace().next()?.parse::<u64>().ok());
        return Ok(kib.context("no VmHWM")? / 1024);
    }
    anyhow::bail!("no process of this machine is {program} of pod {uid}")
}
