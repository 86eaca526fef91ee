//! A seat policy tried out on a license server, over a connection of its own: the session's may be
//! in the middle of a list, and nobody waits for this.

use super::error::{ConnectionError, tls};
use super::server::{ConnectionContext, Endpoint};
use super::session::made;
use mooring_api::names::{API_PORT, ServerRef};
use mooring_core::policy::SeatPolicy;
use mooring_core::wire::PolicyTest;
use mooring_core::wire::calls::server;
use mooring_net::client::{Call, Client};

/// How much of an answer is read: a hundred claims of 64 products, and each group's use.
const MOST: usize = 4 * 1024 * 1024;

pub(super) async fn try_policy(
    name: &ServerRef,
    target: Endpoint,
    policy: &SeatPolicy,
    context: &ConnectionContext,
) -> Result<PolicyTest, ConnectionError> {
    let url = format!("https://{}:{API_PORT}", name.dns_name());
    let client = Client::new(&url, target.addresses, tls(&context.ca)?)?;
    let call = Call::of(&server::TEST_POLICY, "").json(policy)?;
    Ok(made(&client, call.at_most(MOST)).await?.json()?)
}
