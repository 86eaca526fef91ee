//! The scenarios of anchors: a virtual PIV card as the dongle of a LicenseServer, in the reader of
//! a pcscd beside the server.

mod moved;
mod pin;
mod plugged;
mod standby;
mod steps;

pub(crate) use steps::{anchor, serve};

use crate::suite::Scenario;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        plugged::unplugged_nothing_new_is_granted_and_replugged_all_is_well,
        moved::the_server_follows_its_dongle_to_the_other_node,
        pin::a_wrong_pin_costs_one_login_and_the_right_one_heals_it,
        pin::a_wrong_pin_over_ten_pods_costs_the_card_one_login,
        pin::a_wrong_pin_that_has_no_name_costs_two_logins,
        pin::a_pin_changed_there_and_back_works,
        standby::a_standby_keeps_its_count_over_pods,
    ]
}
