//! Mooring's operator: controllers, the injecting webhook, certificates, the mirror of leases.
//!
//! Rules are pure functions of data and time (`build`, `mirror`, `gone`, `inject`); what reads and writes is thin
//! around them. A pod that did not opt in never depends on any of it, and running pods do not notice when it is gone.
//!
//! | module | what it does |
//! |---|---|
//! | [`server`] | LicenseServer to StatefulSet, Service, certificates, status |
//! | [`link`] | one connection to each license server: roster, list, watch |
//! | [`mirror`] | what the server knows, as LicenseLease objects and Events |
//! | [`gone`] | which pods are proven gone |
//! | [`world`] | pods, nodes and mirrors, as the API server shows them |
//! | [`inject`], [`webhook`] | the sidecar in pods that opt in |
//! | [`discovery`] | which node holds a license's device, as labels |
//! | [`certs`] | the CA and what it signs |
//! | [`run`], [`election`], [`health`], [`metrics`] | a replica's life, one writer, probes, counters |

pub mod certs;
pub mod discovery;
pub mod election;
pub mod gone;
pub mod health;
pub mod inject;
pub mod link;
pub mod metrics;
pub mod mirror;
pub mod run;
pub mod server;
pub mod webhook;
pub mod world;
