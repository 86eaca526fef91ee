//! A license server outside of the cluster: where it is, whom to believe that it is it, and with
//! what the operator signs its pods' tokens.

use crate::names::ServerRef;
use mooring_core::client_token::MAX_PREFIX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A license server outside of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// Where it is, and the name that its certificate must have: `https://license.example.com:8443`,
    /// or an IP address in the name's place.
    #[schemars(
        length(max = 300),
        regex(pattern = r"^https://([a-z0-9.-]+|\[[0-9a-f:]+\]):[0-9]{1,5}$")
    )]
    pub address: String,
    /// Where to connect, `ip:port`, so that no name need be resolved. Where none of them answers,
    /// the name in `address` is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
    pub addresses: Vec<String>,
    /// The CA certificates that its own chains to: nobody else is believed.
    pub roots: RootsRef,
    /// Its own name (`name` in its configuration), which client tokens name; without it this
    /// object's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
    /// As whom the operator signs a token for each pod.
    pub issuer: IssuerRef,
}

/// Where certificates are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootsRef {
    /// A ConfigMap in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub config_map_name: String,
    /// The key in it, PEM.
    #[serde(default = "roots_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn roots_key() -> String {
    "ca.crt".to_owned()
}

/// An issuer of client tokens, as the server lists it (`clients.issuers`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerRef {
    /// A Secret in the same namespace with the client key (`mooring client keygen`).
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// The key in it, PEM.
    #[serde(default = "issuer_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
    /// What the pods' subjects begin with, as the server lists it: `pod:cluster-a/`. A pod's is
    /// that, its namespace, `/` and its UID. No two clusters have the same.
    #[schemars(length(min = 2, max = MAX_PREFIX), regex(pattern = "^[^ ].*/$"))]
    pub subjects: String,
}

fn issuer_key() -> String {
    "client.key".to_owned()
}

impl External {
    /// What client tokens name.
    pub fn server_name<'a>(&'a self, server: &'a ServerRef) -> &'a str {
        self.server_name.as_deref().unwrap_or(&server.name)
    }

    /// Its port, if the address can be read.
    pub fn port(&self) -> Option<u16> {
        self.address.rsplit_once(':')?.1.parse().ok()
    }
}
