//! The scenarios of strangers: what a pod without any right does to operator and license servers,
//! and that others are unharmed meanwhile.

mod adopt;
mod editor;
mod forged;
mod liar;
mod memory;
mod network;
mod stolen;

use crate::suite::Scenario;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        adopt::nothing_is_adopted,
        editor::a_hostile_editor_of_license_servers,
        forged::forged_pods_labels_and_leases,
        liar::a_license_server_that_lies,
        network::silent_connections_and_slow_bodies_harm_nobody,
        stolen::who_has_the_operators_token_makes_nothing_but_license_servers,
    ]
}
