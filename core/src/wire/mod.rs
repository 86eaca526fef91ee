//! The messages: JSON of the server's API (version 1) and of the sidecar's socket.
//!
//! Unknown fields are ignored, so that servers and sidecars of neighbouring versions understand
//! each other. Durations are whole numbers whose field name ends in the unit (`leaseForSecs`,
//! `sinceMs`).

#![warn(missing_docs)]

pub mod calls;
mod claim;
mod operator;
mod owners;
mod policy;
mod problem;
mod renew;
mod second;
mod socket;
pub mod version;
mod view;

pub use claim::{ClaimRequest, Grant, HeldProof, Stance, Standing, WaitReason, Waiting};
pub use operator::{
    AllowedNamespaces, ChangeRevocations, Every, Expected, Gone, Policies, ReplacedElsewhere,
    Revoke, RevokedHolder, RevokedHolders,
};
pub use owners::{MAX_OWNERS, OwnerClaim, OwnerStands, Owners, OwnersAnswer, Replacing};
pub use policy::{GroupUse, PolicyChange, PolicyTest, PolicyView, UnderPolicy};
pub use problem::{BASE as PROBLEM_BASE, Problem, ProblemType};
pub use renew::{
    Have, MAX_DOCUMENTS, MAX_RENEWALS, NonceRequest, RenewRequest, RenewResponse, Renewal, Renewed,
    TokenResponse, True, is_nonce,
};
pub use second::{counted_twice, replaced, still_replaced};
pub use socket::{ClaimKind, ClaimStatus, HoldState, SocketClaim, Status};
pub use version::{VERSIONS, Versions, WIRE_HEADER};
pub use view::{
    AnchorView, ClockSkew, EndReason, LeaseView, Leases, LicenseFileView, PoolView, ProductView,
    Products, SeatChange, SecondServer, ServerState, ViewState, WatchEvent, WatchPosition,
};

/// Header with a claim's secret on `DELETE /v1/claims/{name}`.
pub const SECRET_HEADER: &str = "mooring-secret";
/// Header with the holder's counter on `DELETE /v1/claims/{name}`: a copy that fell behind gives
/// nothing back.
pub const COUNTER_HEADER: &str = "mooring-counter";
/// Header of every response of a license server: the run that answers. What comes without it is
/// somebody else's word, as a proxy's in front of a server that is away, and no answer.
pub const INSTANCE_HEADER: &str = "mooring-instance";
