//! Kueue's AdmissionChecks whose controller is `mooring.dev/license`: a Workload that has quota
//! passes once the seats of all its pods are reserved, and gives its quota back while it is to wait
//! for long (docs/kueue.md).
//!
//! | file | |
//! |---|---|
//! | [`check`] | which license server a check names, and whether Kueue may go by it: pure |
//! | [`asks`] | what a Workload asks of a license server: pure |
//! | [`answer`] | what the check says of it, by how its claim stands: pure |
//! | [`status`] | that as it stands in a Workload's status: pure |
//! | [`desk`] | all checks and Workloads: what is claimed, and what is to be written: pure |
//! | [`run`](mod@run) | watches, hands claims to the connections, writes |
//!
//! A Workload's claim is an owner's ([`crate::owners`]): it has a place in line, is all or nothing,
//! and its pods take their shares of it over.

mod answer;
mod asks;
mod check;
mod desk;
mod run;
mod status;

pub(crate) use run::run;
