//! Thin edges that several parts share.
//!
//! | module | what it does |
//! |---|---|
//! | [`clock`] | reads the boot clock and the wall clock |
//! | [`random`] | ids and secrets from the kernel |
//! | [`tls`] | server and client configurations; certificates read anew when their files change |
//! | [`http`] | a bounded HTTP/1.1 and 2 server, problems as answers, bodies with a limit |
//! | [`head`] | credentials, preferences and queries in a request's head |
//! | [`health`] | `/healthz`, `/readyz`, `/metrics` |
//! | [`client`] | a small HTTP/1.1 client over one kept TLS connection |
//! | [`watched`] | files that are read anew when they change |
//! | [`durable`] | a file is replaced so that a crash loses nothing |
//! | [`key_file`] | a software anchor's key, from a file that others cannot read |
//! | [`log`] | how a Mooring process writes its log |
//! | [`notify`] | tells systemd that a service is ready, or ending |
//! | [`shutdown`] | SIGTERM and SIGINT as one future |

pub mod client;
pub mod clock;
pub mod durable;
pub mod head;
pub mod health;
pub mod http;
pub mod key_file;
pub mod log;
pub mod notify;
pub mod random;
pub mod shutdown;
pub mod tls;
pub mod watched;
