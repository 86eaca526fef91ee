//! What the nodes' agents reported, kept in memory by every replica: whichever leads next knows it
//! already.

use super::SILENT;
use mooring_api::Device;
use mooring_core::time::BootTime;
use mooring_net::sync::lock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use tokio::sync::watch;

/// All reports, by node.
#[derive(Debug, Default)]
pub struct Sightings {
    nodes: Mutex<BTreeMap<String, Seen>>,
    changed: watch::Sender<()>,
}

#[derive(Clone, Debug)]
struct Seen {
    devices: BTreeSet<Device>,
    heard: BootTime,
}

/// A node's last report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub devices: BTreeSet<Device>,
    /// It is young enough to say what is not plugged in.
    pub fresh: bool,
}

/// By node.
pub type Views = BTreeMap<String, View>;

impl Sightings {
    /// Takes a node's report in; whether it says something new.
    pub fn report(&self, node: &str, devices: Vec<Device>, now: BootTime) -> bool {
        let devices: BTreeSet<Device> = devices.into_iter().collect();
        let seen = Seen {
            devices: devices.clone(),
            heard: now,
        };
        let before = lock(&self.nodes).insert(node.to_owned(), seen);
        let new = before.is_none_or(|b| b.devices != devices || now.since(b.heard) > SILENT);
        if new {
            self.changed.send_replace(());
        }
        new
    }

    /// All of them, as they count now.
    pub fn views(&self, now: BootTime) -> Views {
        let view = |s: &Seen| View {
            devices: s.devices.clone(),
            fresh: now.since(s.heard) <= SILENT,
        };
        let nodes = lock(&self.nodes);
        nodes.iter().map(|(n, s)| (n.clone(), view(s))).collect()
    }

    /// Forgets nodes that are not there any more.
    pub fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.nodes).retain(|n, _| is_there(n));
    }

    /// Hears when a report says something new.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn device(product: &str) -> Device {
        Device {
            vendor_id: "1050".into(),
            product_id: product.into(),
            serial: None,
        }
    }

    #[test]
    fn a_report_is_news_when_it_says_something_else_or_ends_a_silence() {
        let s = Sightings::default();
        let at = BootTime::from_millis;
        assert!(s.report("a", vec![device("0407")], at(0)));
        assert!(!s.report("a", vec![device("0407")], at(15_000)));
        assert!(s.report("a", vec![], at(30_000)));
        assert!(s.report("a", vec![], at(90_001)), "it was silent");
        assert!(s.views(at(150_001))["a"].fresh);
        assert!(!s.views(at(150_002))["a"].fresh);
        s.retain(|n| n != "a");
        assert!(s.views(at(150_002)).is_empty());
    }
}
