//! Mooring's operator: controllers, the injecting webhook, certificates, the mirror of leases.
//!
//! Rules are pure functions of data and time (`build`, `leases::plan`, `gone`, `inject`); what
//! reads and writes is thin around them. A pod that did not opt in never depends on any of it, and
//! running pods do not notice when it is gone.
//!
//! | module | what it does |
//! |---|---|
//! | [`licenseserver`] | LicenseServer to StatefulSet, Service, certificates, status |
//! | [`connection`] | one connection to each license server: roster, list, watch |
//! | [`leases`] | what the server knows, as LicenseLease objects and Events |
//! | [`cache`] | pods, nodes and LicenseLeases, as the API server shows them |
//! | [`pods`], [`gone`] | what a pod says of itself; which pods are proven gone |
//! | [`inject`], [`webhook`] | the sidecar in pods that opt in |
//! | [`discovery`] | which node holds a license's device, as labels |
//! | [`certs`] | the CA and what it signs |
//! | [`run`], [`election`], [`health`], [`metrics`] | a replica's life, one writer, probes, counters |

#![cfg_attr(test, allow(clippy::too_many_lines))]

pub mod cache;
pub mod certs;
pub mod connection;
pub mod discovery;
pub mod election;
pub mod gone;
pub mod health;
pub mod inject;
pub mod leases;
pub mod licenseserver;
pub mod metrics;
pub mod pods;
pub mod run;
pub mod webhook;
