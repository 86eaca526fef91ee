//! What a failure prints: pods, logs, Events and Mooring's objects of the namespaces concerned.

use super::{Lab, run};

impl Lab {
    /// Prints what a person needs to understand a failure in these namespaces.
    pub async fn dump(&self, namespaces: &[String]) {
        for ns in namespaces {
            println!("\n======== namespace {ns} ========");
            for args in [
                &["get", "pods", "-o", "wide"][..],
                &["get", "licenseservers,licenseleases", "-o", "wide"][..],
                &["get", "licenseservers,licenseleases", "-o", "yaml"][..],
                &["get", "events", "--sort-by=.lastTimestamp"][..],
            ] {
                self.show(&[&["-n", ns], args].concat()).await;
            }
            let names = run("kubectl", &["-n", ns, "get", "pods", "-o", "name"], None).await;
            for pod in names.map(|o| o.out).unwrap_or_default().lines() {
                self.show(&[
                    "-n",
                    ns,
                    "logs",
                    pod,
                    "--all-containers",
                    "--prefix",
                    "--tail=40",
                ])
                .await;
                self.show(&[
                    "-n",
                    ns,
                    "logs",
                    pod,
                    "--all-containers",
                    "--prefix",
                    "--previous",
                    "--tail=15",
                ])
                .await;
            }
        }
    }

    async fn show(&self, args: &[&str]) {
        if let Ok(o) = self.kubectl(args).await
            && o.success
            && !o.out.trim().is_empty()
        {
            println!("\n$ {}\n{}", o.command, o.out.trim_end());
        }
    }
}
