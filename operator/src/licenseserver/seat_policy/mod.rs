//! LicensePolicies: whose a license server's seats are.
//!
//! | file | what it holds |
//! |---|---|
//! | [`named`] | what a LicenseServer's `spec.policy` comes to; pure |
//! | [`resolve`] | a policy with its selectors resolved |
//! | [`status`] | what a LicensePolicy's status says; pure |
//! | [`agenda`] | which policy is looked at when; pure |
//! | [`watch`] | what makes policies be looked at, and the look |
//!
//! What a LicenseServer is under is decided where its other policies are, in its own
//! reconciliation, and handed over with them: so it holds while the operator is away. Here its
//! policy is told how it stands, and a dry run is tried out. Namespaces are read where a policy
//! selects them by labels.

pub mod agenda;
pub mod named;
pub mod resolve;
pub mod status;
pub mod watch;
