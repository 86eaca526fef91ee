//! What was seen of Kueue's Workloads: each version of each, since what is asked of Kueue (`Retry`)
//! is there for some milliseconds only.

use crate::lab::{Lab, eventually, within};
use anyhow::Result;
use futures::{Stream, TryStreamExt as _};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, WatchEvent, WatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// For how long a Workload's turn has just begun: it stands in line with its quota for 10 s.
const FRESH: Duration = Duration::from_secs(5);

/// A Workload as it was at one time; it has one admission check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) name: String,
    owners: Vec<String>,
    /// The state of its check, and what that says.
    pub(super) state: String,
    pub(super) message: String,
    pub(super) retry_secs: Option<u64>,
    /// It has its quota.
    pub(super) reserved: bool,
    admitted: bool,
}

/// The Workloads of a namespace from now on, and when each version was seen.
pub(super) struct Workloads(Arc<Mutex<History>>);

type History = Vec<(Instant, Seen)>;

impl Workloads {
    pub(super) fn follow(lab: &Lab, ns: &str) -> Self {
        let kind = GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta2", "Workload");
        let kind = ApiResource::from_gvk(&kind);
        let api = Api::namespaced_with(lab.client.clone(), ns, &kind);
        let all = Arc::default();
        tokio::spawn(record(api, Arc::downgrade(&all)));
        Self(all)
    }

    /// All that was seen of a Job's, or a pod group's.
    fn of(&self, who: &str) -> History {
        let mut all = self.0.lock().map(|all| all.clone()).unwrap_or_default();
        all.retain(|(_, s)| s.name == who || s.owners.iter().any(|o| o == who));
        all
    }

    /// How it is now.
    fn now(&self, who: &str) -> Option<Seen> {
        Some(self.of(who).pop()?.1)
    }

    /// Waits until its check has this state and says all of these.
    pub(super) async fn is(&self, who: &str, state: &str, says: &[&str]) -> Result<Seen> {
        let what = format!("the check of {who} is {state} and says {says:?}");
        let now = self.until(who, &what, 90, || {
            let says = |s: &Seen| says.iter().all(|t| s.message.contains(t));
            self.now(who).filter(|s| s.state == state && says(s))
        });
        let now = now.await?;
        println!("  {who}: {state}: {}", now.message);
        Ok(now)
    }

    /// Waits until its check has been in this state.
    pub(super) async fn was(&self, who: &str, state: &str) -> Result<Seen> {
        let what = format!("the check of {who} has been {state}");
        let found = self.until(who, &what, 90, || {
            let mut all = self.of(who).into_iter().map(|(_, s)| s);
            all.find(|s| s.state == state)
        });
        let then = found.await?;
        println!("  {who}: {state}: {}", then.message);
        Ok(then)
    }

    /// Waits until it has no quota, which is long before it comes back.
    pub(super) async fn gives_back(&self, who: &str) -> Result<()> {
        let what = format!("{who} has given its quota back");
        let has_none = || self.now(who).filter(|s| !s.reserved);
        self.until(who, &what, 10, has_none).await.map(drop)
    }

    /// Waits for its turn: it has just got its quota, and stands in line with it.
    pub(super) async fn turn(&self, who: &str) -> Result<()> {
        let what = format!("{who} has just got its quota, and stands in line");
        let just = || {
            let all = self.of(who);
            let (since, _) = all.iter().rev().take_while(|(_, s)| s.reserved).last()?;
            let just = since.elapsed() < FRESH;
            self.now(who).filter(|s| just && s.state == "Pending")
        };
        self.until(who, &what, 180, just).await.map(drop)
    }

    async fn until(
        &self,
        who: &str,
        what: &str,
        secs: u64,
        find: impl Fn() -> Option<Seen>,
    ) -> Result<Seen> {
        eventually(what, within(secs), async || {
            let all = || self.of(who).into_iter().map(|(_, s)| s);
            Ok(find().ok_or_else(|| format!("{:?}", all().collect::<Vec<_>>())))
        })
        .await
    }
}

/// Writes down whatever the API server says of them, for as long as somebody wants to know.
async fn record(api: Api<DynamicObject>, all: Weak<Mutex<History>>) {
    // An etcd as old as Debian's has no bookmarks for who watches from what is there.
    let params = WatchParams::default().disable_bookmarks();
    while all.strong_count() > 0 {
        // What is known already is not written down again.
        let ended = match api.watch(&params, "0").await {
            Ok(stream) => keep(stream, &all).await,
            Err(e) => Err(e),
        };
        if let Err(e) = ended {
            println!("  watching Workloads: {e}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn keep(
    stream: impl Stream<Item = kube::Result<WatchEvent<DynamicObject>>>,
    all: &Weak<Mutex<History>>,
) -> kube::Result<()> {
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.try_next().await? {
        let Some(all) = all.upgrade() else { break };
        match event {
            WatchEvent::Error(e) => return Err(kube::Error::Api(e)),
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                let seen = seen(&object);
                if let Ok(mut all) = all.lock()
                    && all
                        .iter()
                        .rfind(|(_, s)| s.name == seen.name)
                        .map(|(_, s)| s)
                        != Some(&seen)
                {
                    all.push((Instant::now(), seen));
                }
            }
            WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
        }
    }
    Ok(())
}

fn seen(object: &DynamicObject) -> Seen {
    let status = &object.data["status"];
    let check = &status["admissionChecks"][0];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let is = |kind: &str| {
        let mut all = status["conditions"].as_array().into_iter().flatten();
        all.any(|c| c["type"] == kind && c["status"] == "True")
    };
    Seen {
        name: object.name_any(),
        owners: object
            .owner_references()
            .iter()
            .map(|o| o.name.clone())
            .collect(),
        state: text(&check["state"]),
        message: text(&check["message"]),
        retry_secs: check["requeueAfterSeconds"].as_u64(),
        reserved: is("QuotaReserved"),
        admitted: is("Admitted"),
    }
}
