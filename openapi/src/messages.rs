//! The messages' schemas by the names that the tables of calls give them.

use anyhow::{Result, bail};
use mooring_core::license::{Bundle, Envelope};
use mooring_core::wire::{
    ClaimRequest, ClaimStatus, Expected, Gone, Grant, Leases, NonceRequest, Policies, Problem,
    Products, RenewRequest, RenewResponse, Revoke, SocketClaim, Status, TokenResponse, Waiting,
    WatchEvent,
};
use schemars::generate::SchemaGenerator;
use serde_json::{Value, json};

/// The schema of the message of this name, or a reference to it.
pub(crate) fn schema(g: &mut SchemaGenerator, name: &str) -> Result<Value> {
    let schema = match name {
        "Bundle" => g.subschema_for::<Bundle>(),
        "ClaimRequest" => g.subschema_for::<ClaimRequest>(),
        "ClaimStatus" => g.subschema_for::<ClaimStatus>(),
        "Envelope" => g.subschema_for::<Envelope>(),
        "Expected" => g.subschema_for::<Expected>(),
        "Gone" => g.subschema_for::<Gone>(),
        "Grant" => g.subschema_for::<Grant>(),
        "Leases" => g.subschema_for::<Leases>(),
        "NonceRequest" => g.subschema_for::<NonceRequest>(),
        "Policies" => g.subschema_for::<Policies>(),
        "Problem" => g.subschema_for::<Problem>(),
        "Products" => g.subschema_for::<Products>(),
        "RenewRequest" => g.subschema_for::<RenewRequest>(),
        "RenewResponse" => g.subschema_for::<RenewResponse>(),
        "Revoke" => g.subschema_for::<Revoke>(),
        "SocketClaim" => g.subschema_for::<SocketClaim>(),
        "Status" => g.subschema_for::<Status>(),
        "TokenResponse" => g.subschema_for::<TokenResponse>(),
        "Waiting" => g.subschema_for::<Waiting>(),
        "WatchEvent" => g.subschema_for::<WatchEvent>(),
        // Without a type of their own: the one is written in place, the other is a document.
        "Versions" => {
            return Ok(json!({"type": "object", "required": ["versions"],
                "properties": {"versions": {"type": "array", "items": {"type": "string"}}}}));
        }
        "OpenApi" => return Ok(json!({"type": "object"})),
        other => bail!("the table of calls names {other:?}, of which there is no schema here"),
    };
    Ok(schema.to_value())
}
