//! This version and the one before it (`e2e/previous`) on one cluster: an upgrade and a step back,
//! license servers that stay behind, pods that live through all of it.

mod steps;
mod upgrade;

use crate::suite::Scenario;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![upgrade::an_upgrade_and_a_step_back_lose_nothing]
}
