//! The controller of LicenseServers: dereference, validate, build, apply, report.
//!
//! Children belong to their LicenseServer by owner reference and to the operator in nothing: while
//! it is away they run on. No finalizer: what cannot be owned (a ClusterRoleBinding, mirrors) is
//! swept when its LicenseServer is gone.

mod apply;
pub mod build;
mod certificate;
mod context;
mod controller;
mod dead_node;
pub mod dereference;
pub mod external;
pub mod facts;
pub mod ownership;
pub mod placement;
pub mod platform;
mod policies;
mod reconcile;
pub mod replug;
pub mod seat_policy;
pub mod standby;
pub mod status;
mod sweep;
pub mod trust;
pub mod validate;

pub use controller::run;
