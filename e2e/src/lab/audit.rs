//! Who wrote what at the API server, from its audit log.

use anyhow::{Context as _, Result};
use mooring_core::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::PathBuf;

/// The writes of one object's, each as its verb.
pub type Writes = BTreeMap<String, Vec<String>>;

/// The writes since then that succeeded of `resource` in a namespace, by object, of those whose
/// user's name has `user` in it. A cluster that has run this before has those of that time, too.
pub fn writes(namespace: &str, resource: &str, user: &str, since: Timestamp) -> Result<Writes> {
    let path = path();
    let file = std::fs::File::open(&path);
    let file = file.with_context(|| format!("the audit log {}", path.display()))?;
    let mut all = Writes::new();
    for line in std::io::BufReader::new(file).lines() {
        let line = line?;
        // There are many lines, and most are of others.
        if !line.contains(namespace) {
            continue;
        }
        let event: Value = serde_json::from_str(&line).context("a line of the audit log")?;
        let object = &event["objectRef"];
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let verb = text(&event["verb"]);
        let wrote = matches!(verb.as_str(), "create" | "update" | "patch" | "delete");
        let succeeded = event["responseStatus"]["code"].as_u64() < Some(300);
        let by = text(&event["user"]["username"]).contains(user);
        let received = text(&event["requestReceivedTimestamp"]).parse::<Timestamp>();
        let is_late = received.context("requestReceivedTimestamp")? >= since;
        if wrote
            && is_late
            && succeeded
            && by
            && object["namespace"] == namespace
            && object["resource"] == resource
        {
            all.entry(text(&object["name"])).or_default().push(verb);
        }
    }
    Ok(all)
}

/// Where `e2e/cluster/up` has the API server of this cluster write it.
fn path() -> PathBuf {
    let named = |name, else_: &str| std::env::var(name).unwrap_or_else(|_| else_.to_owned());
    let runs = PathBuf::from(named("MOORING_RUN", "/var/lib/mooring-e2e"));
    runs.join(named("MOORING_CLUSTER", "mooring"))
        .join("audit.log")
}
