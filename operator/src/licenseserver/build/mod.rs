//! A LicenseServer's objects, from its spec and a few facts. Pure: data in, objects out.

mod anchor;
mod config;
pub mod inputs;
mod network;
mod parts;
mod paths;
mod state;
mod volumes;
mod workload;

pub use config::{config_hash, server_config};
pub use inputs::{Defaults, Inputs, meta};
pub use network::network_policy;
pub use parts::{config_map, role_binding, service, service_account, service_at, tls_secret};
pub use paths::POLICIES_FILE;
pub use state::{STATE, role, role_binding as state_binding, secret as state_secret};
pub use workload::stateful_set;

#[cfg(test)]
mod tests;
