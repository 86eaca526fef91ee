//! A LicenseServer's objects, from its spec and a few facts. Pure: data in, objects out.
//!
//! | module | what it holds |
//! |---|---|
//! | [`inputs`] | what building needs to know, and what all objects have in common |
//! | `config` | the server's `config.yaml` |
//! | `anchor` | what each kind of anchor adds to configuration and pod |
//! | `workload`, `volumes`, `container` | the pod |
//! | `parts`, `paths` | the small objects around it; where its files are |

mod anchor;
mod config;
mod container;
pub mod inputs;
mod parts;
mod paths;
mod volumes;
mod workload;

pub use anchor::PCSCD;
pub use config::{config_hash, server_config};
pub use inputs::{Defaults, Inputs, meta};
pub use parts::{binding_name, config_map, role_binding, service, service_account, tls_secret};
pub use paths::{CONFIG_FILE, POLICIES_FILE};
pub use workload::stateful_set;

#[cfg(test)]
mod tests;
