//! The scenarios of several license servers, of one that may serve from two nodes, of servers
//! outside of the cluster, and of clients outside of it.

mod mixed;
mod outside;
mod pool;
mod site;
mod standby;
mod vendors;

use crate::suite::Scenario;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        pool::who_has_the_products_is_found,
        pool::two_servers_are_one_pool_and_one_goes_for_good,
        vendors::twelve_pods_of_two_vendors_all_have_both_in_the_end,
        vendors::two_hundred_pods_of_two_vendors,
        standby::a_standby_elsewhere_serves_on_proof_alone,
        standby::a_handover_ends_one_side_before_the_other_begins,
        outside::pods_hold_seats_of_a_server_outside_of_the_cluster,
        outside::a_machine_outside_holds_a_seat_of_the_clusters_server,
        mixed::a_server_outside_and_one_within_are_one_pool,
    ]
}
