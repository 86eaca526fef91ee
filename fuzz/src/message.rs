//! Every message of the server's API and of the sidecar's socket.

use crate::readable;
use mooring_core::identity::Holder;
use mooring_core::license::Bundle;
use mooring_core::receipt::Sealed;
use mooring_core::wire::{
    ClaimRequest, ClaimStatus, Expected, Gone, Grant, HeldProof, LeaseView, Leases, NonceRequest,
    Policies, Problem, Products, RenewRequest, RenewResponse, Revoke, ServerState, SocketClaim,
    Status, TokenResponse, Waiting, WatchEvent,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Refused, or read to what is written and read again.
fn stands<T: Serialize + DeserializeOwned>(json: &[u8]) {
    match serde_json::from_slice::<T>(json) {
        Err(e) => readable(&e),
        Ok(read) => {
            let written = serde_json::to_vec(&read).unwrap();
            let again: T = serde_json::from_slice(&written)
                .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&written)));
            assert_eq!(written, serde_json::to_vec(&again).unwrap());
        }
    }
}

/// The order is part of the corpus: new ones go to the end.
const ALL: &[fn(&[u8])] = &[
    stands::<ClaimRequest>,
    stands::<Grant>,
    stands::<Waiting>,
    stands::<Problem>,
    stands::<RenewRequest>,
    stands::<RenewResponse>,
    stands::<NonceRequest>,
    stands::<TokenResponse>,
    stands::<SocketClaim>,
    stands::<ClaimStatus>,
    stands::<Status>,
    stands::<Gone>,
    stands::<Expected>,
    stands::<Policies>,
    stands::<Revoke>,
    stands::<Holder>,
    stands::<HeldProof>,
    stands::<Bundle>,
    stands::<Sealed>,
    stands::<LeaseView>,
    stands::<Leases>,
    stands::<WatchEvent>,
    stands::<Products>,
    stands::<ServerState>,
];

/// The first byte says which message it is.
pub fn message(data: &[u8]) {
    if let Some((first, json)) = data.split_first()
        && let Some(f) = ALL.get(usize::from(*first))
    {
        f(json);
    }
}
