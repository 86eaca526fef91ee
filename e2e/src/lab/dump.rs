//! What a failure prints: pods, logs, Events and Mooring's objects of the namespaces concerned.

use super::Lab;

impl Lab {
    /// Prints what a person needs to understand a failure in these namespaces.
    pub async fn dump(&self, namespaces: &[&str]) {
        for ns in namespaces {
            println!("\n======== namespace {ns} ========");
            for what in [
                "pods -o wide",
                "licenseservers,licenseleases,licensepolicies -o wide",
                "licenseservers,licenseleases,licensepolicies -o yaml",
                "workloads,clusterqueues,admissionchecks -o yaml",
                "events --sort-by=.lastTimestamp",
            ] {
                self.show(&format!("-n {ns} get {what}")).await;
            }
            let names = self.kubectl(format!("-n {ns} get pods -o name")).await;
            for pod in names.map(|o| o.out).unwrap_or_default().lines() {
                let logs = format!("-n {ns} logs {pod} --all-containers --prefix");
                self.show(&format!("{logs} --tail=40")).await;
                self.show(&format!("{logs} --previous --tail=15")).await;
            }
        }
    }

    async fn show(&self, line: &str) {
        if let Ok(o) = self.kubectl(line).await
            && o.success
            && !o.out.trim().is_empty()
        {
            println!("\n$ {}\n{}", o.command, o.out.trim_end());
        }
    }
}
