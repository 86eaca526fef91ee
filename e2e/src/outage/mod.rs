//! What people are told while a license server is in trouble: one scenario for each kind of it, the
//! words of LicenseLeases, Events, `mooring status` and `leases`, and the socket.

mod anchor;
mod away;
mod line;
mod operator;
mod start;
mod steps;

pub(crate) use steps::first_problem;

use crate::suite::Scenario;
pub(crate) use steps::{event, lease, mooring, shown, socket};

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        line::seats_that_gather_for_the_head_are_told_as_free,
        anchor::a_wrong_pin_is_told_to_who_waits_and_who_holds,
        anchor::a_license_that_ends_is_told_to_its_holders,
        start::a_server_that_cannot_start_says_what_it_lacks,
        away::a_drained_node,
        away::a_deleted_license_server_with_holders,
        operator::the_operator_is_away_and_the_server_settles,
    ]
}
