//! What administrators take away: holders that are revoked, leases that are taken back, namespaces
//! that are not allowed any more; and who may do that.

mod called_back;
mod rights;
mod taken;

use crate::suite::Scenario;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        rights::who_may_write_what_into_a_lease,
        taken::a_lease_that_is_taken_back_bars_nobody,
        called_back::a_namespace_that_is_not_allowed_any_more,
        taken::who_is_revoked_loses_its_seat_and_cannot_come_back,
    ]
}
