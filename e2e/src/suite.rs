//! Runs scenarios one after another and counts them.

use crate::lab::Lab;
use anyhow::Result;
use futures::future::LocalBoxFuture;
use std::time::Instant;

/// A scenario: its name, which is also its namespace's last part, and what it does.
pub struct Scenario {
    /// The name.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(Lab) -> LocalBoxFuture<'static, Result<()>>,
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Scenario {
    /// The namespaces that a failure prints.
    fn namespaces(&self) -> Vec<String> {
        vec![namespace(self.name), "mooring-system".into()]
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

/// Runs, inside a `LocalSet`, those whose name contains one of `only` (all, if none is given).
/// Returns whether all passed.
pub async fn run(topic: &str, scenarios: &[Scenario], lab: &Lab, only: &[String]) -> bool {
    let chosen: Vec<&Scenario> = scenarios
        .iter()
        .filter(|s| only.is_empty() || only.iter().any(|o| s.name.contains(o.as_str())))
        .collect();
    let (mut passed, mut failed) = (0, Vec::new());
    for s in &chosen {
        println!("scenario {topic}::{} …", s.name);
        let start = Instant::now();
        // A panic of the test's own code is a failure like any other.
        let done = tokio::task::spawn_local((s.run)(lab.clone())).await;
        let secs = start.elapsed().as_secs_f64();
        let result = done.unwrap_or_else(|e| Err(anyhow::anyhow!("panicked: {e}")));
        match result {
            Ok(()) => {
                passed += 1;
                println!("scenario {topic}::{} … ok ({secs:.1} s)", s.name);
            }
            Err(e) => {
                println!(
                    "scenario {topic}::{} … FAILED ({secs:.1} s)\n  {e:#}",
                    s.name
                );
                lab.dump(&s.namespaces()).await;
                println!("\nscenario {topic}::{} failed: {e:#}\n", s.name);
                failed.push(s.name);
            }
        }
        lab.drop_namespace(&namespace(s.name)).await;
    }
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
    }
    println!("{passed} passed, {} failed", failed.len());
    failed.is_empty() && passed > 0
}
