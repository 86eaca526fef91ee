//! What a pod's program took of memory at most, by the kernel's own count. On the project's own
//! cluster, whose nodes' processes are this machine's.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;

/// The peak of what was resident, in MiB, of the program with this name in the pod.
pub(super) fn peak_mib(pod: &Pod, program: &str) -> Result<u64> {
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
