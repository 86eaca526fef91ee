//! Thin edges that several parts share, one a module.

pub mod client;
pub mod clock;
pub mod durable;
pub mod head;
pub mod health;
pub mod http;
pub mod key_file;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod random;
mod resting;
pub mod serve;
pub mod shares;
pub mod shutdown;
pub mod sync;
pub mod tls;
mod vitals;
pub mod watched;
