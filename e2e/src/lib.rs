//! The demo and the scenarios: on a real Kubernetes, and as processes on one machine.
//!
//! | module | what it does |
//! |---|---|
//! | [`lab`] | the cluster at hand: kubectl, helm, objects, waiting for conditions, what a failure prints |
//! | [`seats`] | counts seats on the holders' side, from what the test applications wrote down |
//! | [`demo`] | the main job, shown step by step |
//! | [`main_job`] | the scenarios of the main job |
//! | [`corpus`] | pods as people write them, on clusters as platforms run them, by dry runs |
//! | [`gate`] | the scenarios of the gate: kubelets killed while pods wait, what comes before it, what it costs |
//! | [`leases`] | the scenarios of the lease protocol in full |
//! | [`anchors`] | the scenarios of anchors: a virtual card pulled out, plugged in, moved to another node |
//! | [`outage`] | what people are told while a license server is in trouble |
//! | [`revoke`] | what administrators take away: holders, leases, namespaces |
//! | [`servers`] | one license server on two nodes, and several servers |
//! | [`kueue`] | the scenarios of Kueue's Workloads that need a license |
//! | [`devices`] | the scenarios of devices: discovery, a device plugin |
//! | [`servers`] | the scenarios of many servers: outside of the cluster, and clients outside of it |
//! | [`skew`] | this version and the one before it on one cluster |
//! | [`kept`] | whether an API's description still says what the one of the version before said |
//! | [`strangers`] | what pods, people and servers without a right do, and that others are unharmed |
//! | [`rotation`] | the scenarios of the operator's CA: replaced, deleted, lost, restored |
//! | [`processes`] | servers and sidecars as plain processes, killed, stopped, on clocks that jump; no cluster |
//! | [`suite`] | runs scenarios one after another and counts them |

#![allow(clippy::too_many_lines)] // a list of cases, or a scenario, is read from its top to its end

pub mod anchors;
pub mod corpus;
pub mod demo;
pub mod devices;
pub mod gate;
pub mod kept;
pub mod kueue;
pub mod lab;
pub mod leases;
pub mod main_job;
pub mod outage;
pub mod pods;
pub mod processes;
pub mod revoke;
pub mod rotation;
pub mod seats;
pub mod servers;
pub mod skew;
pub mod strangers;
pub mod suite;
