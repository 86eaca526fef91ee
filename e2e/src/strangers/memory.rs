//! What a pod's program took of memory at most, by the kernel's own count. On the project's own
//! cluster, whose nodes' processes are this machine's.

use crate::lab::{Lab, NAMESPACE};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

/// The operator's limit is 256 Mi.
const MOST_MIB: u64 = 200;

pub(super) async fn operators(lab: &Lab) -> Result<Vec<Pod>> {
    let pods = Api::<Pod>::namespaced(lab.client.clone(), NAMESPACE);
    let ours = ListParams::default().labels("app.kubernetes.io/component=operator");
    Ok(pods.list(&ours).await?.items)
}

/// Where the nodes' processes can be seen: the operator took no more than that, whatever strangers
/// did.
pub(super) async fn operator_is_bounded(lab: &Lab) -> Result<()> {
    if !lab.own {
        return Ok(());
    }
    for pod in operators(lab).await? {
        let mib = peak_mib(&pod, "mooring-operator")?;
        println!("  {}: at most {mib} MiB", pod.name_any());
        ensure!(
            mib <= MOST_MIB,
            "the operator took {mib} MiB, expected at most {MOST_MIB}"
        );
    }
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
