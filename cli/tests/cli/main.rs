//! The command line as its users run it: the real program, files in a folder of its own, a SoftHSM2
//! token, an API server that gives prepared answers.

#![allow(clippy::too_many_lines)] // a list of cases is read from its top to its end
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod anchor;
mod anchor_kinds;
mod audit;
mod client;
mod cluster;
mod common;
mod help;
mod hsm;
mod issue;
mod pki;
mod revoke;
mod verify;
mod voucher;
