//! Runs scenarios one after another and counts them.

use crate::lab::Lab;
use anyhow::Result;
use futures::future::LocalBoxFuture;
use std::time::Instant;

/// A scenario: its name, which is also its namespace's last part, and what it does.
pub struct Scenario {
    pub name: &'static str,
    pub run: fn(Lab) -> LocalBoxFuture<'static, Result<()>>,
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Scenarios from the paths of their functions, `file::name`.
macro_rules! scenarios {
    ($($file:ident :: $name:ident),* $(,)?) => {
        vec![$($crate::suite::Scenario { name: stringify!($name), run: |lab| Box::pin(async move { $file::$name(&lab).await }) }),*]
    };
}
pub(crate) use scenarios;

/// The namespace of a scenario.
pub fn namespace(name: &str) -> String {
    format!("e2e-{}", name.replace('_', "-"))
}

/// Whether a scenario's name contains one of `only`, if any is given.
pub fn is_chosen(scenario: &Scenario, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|o| scenario.name.contains(o.as_str()))
}

/// Runs, inside a `LocalSet`, those whose name contains one of `only` (all, if none is given).
/// Returns whether all passed.
pub async fn run(topic: &str, scenarios: &[Scenario], lab: &Lab, only: &[String]) -> bool {
    let (mut passed, mut failed) = (0, Vec::new());
    for s in scenarios.iter().filter(|s| is_chosen(s, only)) {
        let (name, ns) = (format!("{topic}::{}", s.name), namespace(s.name));
        println!("scenario {name} …");
        let start = Instant::now();
        // A panic of the test's own code is a failure like any other.
        let done = tokio::task::spawn_local((s.run)(lab.clone())).await;
        let secs = start.elapsed().as_secs_f64();
        let result = done.unwrap_or_else(|e| Err(anyhow::anyhow!("panicked: {e}")));
        match result {
            Ok(()) => {
                passed += 1;
                println!("scenario {name} … ok ({secs:.1} s)");
            }
            Err(e) => {
                println!("scenario {name} … FAILED ({secs:.1} s)\n  {e:#}");
                lab.dump(&[&ns, "mooring-system"]).await;
                failed.push(format!("scenario {name} failed: {e:#}"));
            }
        }
        lab.drop_namespace(&ns).await;
    }
    // At the end, since the end is what a reader of a long log sees.
    for failed in &failed {
        println!("{failed}");
    }
    println!("{passed} passed, {} failed", failed.len());
    failed.is_empty() && passed > 0
}
