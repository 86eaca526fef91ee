//! The operator's CA is replaced, put back, lost and restored while pods hold seats.

mod change;
mod fight;
mod loss;
mod steps;

use crate::suite::Scenario;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        fight::replicas_with_different_cas_do_not_fight,
        loss::without_its_namespace_pods_are_served_on,
        change::a_new_ca_takes_over_under_load,
    ]
}
