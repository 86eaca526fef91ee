//! Mooring's operator: controllers, the injecting webhook, certificates, the mirror of leases.
//!
//! Rules are pure functions of data and time (`build`, `leases::plan`, `gone`, `inject`); what
//! reads and writes is thin around them. A pod that did not opt in never depends on any of it, and
//! running pods do not notice when it is gone.

#![cfg_attr(test, allow(clippy::too_many_lines))]

mod allowance;
pub mod cache;
pub mod certs;
pub mod connection;
mod container;
pub mod discovery;
pub mod election;
pub mod gone;
pub mod health;
pub mod inject;
mod kubernetes;
mod kueue;
pub mod leases;
pub mod licenseserver;
pub mod metrics;
pub mod owners;
mod pauses;
pub mod pods;
pub mod rotation;
pub mod run;
mod watch;
pub mod watched;
pub mod webhook;
