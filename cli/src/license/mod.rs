//! `mooring license …`: from a vendor's key to a customer's licence file, and back to what it says.
//!
//! | module | what it holds |
//! |---|---|
//! | [`keygen`], [`vendor_key`] | the vendor's key: made, read, named |
//! | [`order`], [`issue`] | an order becomes a licence, or is refused with field, value and what was expected |
//! | [`anchor`] | what a customer sends: which key a licence shall be bound to |
//! | [`inspect`], [`verify`] | what a file says; whether it holds |
//! | [`date`], [`file`] | dates as people write them; files that are never overwritten by accident |
//!
//! Nothing here talks to a network.

pub mod anchor;
pub mod date;
pub mod file;
pub mod inspect;
pub mod issue;
pub mod keygen;
pub mod order;
pub mod vendor_key;
pub mod verify;

use clap::Subcommand;

/// The vendor's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a vendor's key (Ed25519), and print the public half to compile into the application
    Keygen(keygen::Args),
    /// Sign a licence file, from an order file, from flags, or both
    Issue(Box<issue::Args>),
    /// Print what a licence file (or a bundle from the sidecar's socket) says, and what of it was verified
    Inspect(inspect::Args),
    /// Verify a licence file or a bundle against the vendor's public key; exit 1 if it does not hold
    Verify(verify::Args),
    /// Describe the hardware that a licence shall be bound to; run where the hardware is
    #[command(subcommand)]
    Anchor(anchor::Command),
}

/// Does one of them.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Keygen(a) => keygen::run(&a),
        Command::Issue(a) => issue::run(*a),
        Command::Inspect(a) => inspect::run(&a),
        Command::Verify(a) => verify::run(&a),
        Command::Anchor(anchor::Command::Pkcs11(a)) => anchor::run_pkcs11(&a),
    }
}
