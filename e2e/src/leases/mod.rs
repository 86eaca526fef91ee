//! The scenarios of the lease protocol in full: starting without a server, the grace, claims at run
//! time, and answers that are waited for.

mod files;
mod grace;
mod run_time;
mod start;
mod steps;

use crate::lab::{Helm, Lab};
use crate::suite::Scenario;
use anyhow::Result;

/// All of them, in the order in which they run.
pub fn scenarios() -> Vec<Scenario> {
    crate::suite::scenarios![
        start::it_starts_without_a_server_and_is_held_when_it_comes,
        grace::the_grace_ends_after_20_s_and_not_before,
        run_time::an_application_claims_at_run_time,
        run_time::a_waiting_claim_is_answered_without_polling,
        files::one_token_has_several_licenses_and_none_is_counted_twice,
    ]
}

/// Installs the chart, where no earlier set did.
pub async fn prepare(lab: &Lab) -> Result<()> {
    Helm::upgrade(lab, &[]).await?.ok("helm install").map(drop)
}
