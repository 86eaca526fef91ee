//! Whose seats are whose: policies, loans that are called back, limits, lines that may be passed;
//! pods that wait before they are scheduled, that others replace, that have lost their license;
//! projects; many that come and go.

mod churn;
mod curve;
mod drain;
mod fill;
mod fleet;
mod gated;
mod loans;
mod lost;
mod projects;
mod steps;
mod surge;
mod trial;

pub(crate) use churn::{count_seats, start};
pub(crate) use gated::{List, until_all_end};

use crate::suite::Scenario;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        loans::a_loan_is_back_with_its_owner_within_its_notice,
        projects::a_project_counts_where_its_namespace_allows_it,
        trial::a_dry_run_says_what_would_change_and_changes_nothing,
        fill::one_that_fits_passes_one_that_does_not_for_a_while,
        gated::pods_that_have_no_seat_take_no_node,
        gated::groups_are_there_as_a_whole_or_not_at_all,
        churn::a_lease_costs_three_writes_at_most,
        drain::every_replacement_gets_its_predecessors_seat,
        surge::a_rollout_at_full_seats_hands_over,
        surge::without_it_the_event_says_who_waits_for_whom,
        lost::who_asks_for_it_is_evicted_when_its_license_is_lost,
    ]
}

/// The same with more pods, and for longer.
pub fn soak() -> Vec<Scenario> {
    crate::suite::scenarios![
        gated::fifty_pods_for_five_seats,
        gated::two_groups_ten_times,
        churn::five_hundred_pods_in_a_minute,
    ]
}
