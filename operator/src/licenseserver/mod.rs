//! The controller of LicenseServers: dereference, validate, build, apply, report.
//!
//! Children belong to their LicenseServer by owner reference and to the operator in nothing: while
//! it is away they run on. No finalizer: what cannot be owned (a ClusterRoleBinding, mirrors) is
//! swept when its LicenseServer is gone.
//!
//! | module | what it does |
//! |---|---|
//! | `controller`, `context` | what is watched; what every reconciliation needs and remembers |
//! | `reconcile` | one reconciliation: the steps below in their order |
//! | [`dereference`], [`facts`] | reads what a LicenseServer names, and what is there of it already |
//! | [`validate`] | what the API server's rules may have let through |
//! | [`build`] | the objects, from spec and facts |
//! | `apply`, `certificate` | writes them |
//! | [`placement`], [`replug`] | when the pod must move, or be made anew |
//! | [`status`] | conditions and Events |
//! | `sweep` | removes what a LicenseServer that is gone leaves behind |

mod apply;
pub mod build;
mod certificate;
mod context;
mod controller;
pub mod dereference;
pub mod facts;
pub mod placement;
mod reconcile;
pub mod replug;
pub mod status;
mod sweep;
pub mod validate;

pub use controller::run;
