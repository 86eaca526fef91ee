//! What the operator knows of an owner: plain data.

use crate::history::{HolderNo, Ms};
use crate::plan::Owner;
use mooring_core::names::InstanceId;
use mooring_core::receipt::Sealed;

/// An owner, as the operator has it.
pub(super) struct Owned {
    pub(super) plan: Owner,
    pub(super) since: Ms,
    /// Its pods that are there and do not end.
    pub(super) pods: Vec<HolderNo>,
    /// Which of them are to be replaced, and by which.
    pub(super) replaces: Vec<(HolderNo, HolderNo)>,
    /// How many of a gang's pods have not done their work.
    pub(super) left: u32,
    pub(super) started: bool,
    pub(super) over: bool,
    pub(super) papers: Papers,
}

/// What the server gave for it, and for how many seats.
#[derive(Default)]
pub(super) struct Papers {
    pub(super) heard: Option<InstanceId>,
    pub(super) receipt: Option<(Sealed, Ms)>,
    pub(super) ticket: Option<Sealed>,
    pub(super) seats: u32,
}
