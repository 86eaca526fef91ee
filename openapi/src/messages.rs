//! The messages' schemas by the names that the tables of calls give them.

use anyhow::{Result, bail};
use mooring_core::license::{Bundle, Envelope};
use mooring_core::policy::SeatPolicy;
use mooring_core::wire::{
    ChangeRevocations, ClaimRequest, ClaimStatus, Expected, Gone, Grant, Leases, NonceRequest,
    Owners, OwnersAnswer, Policies, PolicyTest, Problem, Products, RenewRequest, RenewResponse,
    Revoke, RevokedHolders, SocketClaim, Status, TokenResponse, Versions, Waiting, WatchEvent,
};
use schemars::generate::SchemaGenerator;
use serde_json::{Value, json};

macro_rules! by_name {
    ($g:ident, $name:ident; $($t:ident)*) => {
        match $name {
            $(stringify!($t) => $g.subschema_for::<$t>().to_value(),)*
            // A document, and so without a type of its own.
            "OpenApi" => json!({"type": "object"}),
            other => bail!("the table of calls names {other:?}, of which there is no schema here"),
        }
    };
}

/// The schema of the message of this name, or a reference to it.
pub(crate) fn schema(g: &mut SchemaGenerator, name: &str) -> Result<Value> {
    Ok(by_name!(g, name;
        Bundle ChangeRevocations ClaimRequest ClaimStatus Envelope Expected Gone Grant Leases NonceRequest Owners OwnersAnswer Policies PolicyTest
        Problem Products RenewRequest RenewResponse Revoke RevokedHolders SeatPolicy SocketClaim Status
        TokenResponse Versions Waiting WatchEvent))
}
