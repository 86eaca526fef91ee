//! `mooring audit …`: a license server's audit log, verified; and what of it a vendor is given.
//!
//! | module | what it holds |
//! |---|---|
//! | [`log`] | the lines of a log, out of its folder, its files, or what `kubectl logs` gives |
//! | [`verify`] | whether they are a chain |
//! | [`extract`] | the same with the customer's names hidden |
//!
//! Works offline.

pub mod extract;
pub mod log;
pub mod verify;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Verify a license server's audit log; exit 1 where it does not hang together
    Verify(verify::VerifyLogArgs),
    /// Print what a vendor is given of an audit log: your own names are hidden, the rest stays
    Extract(extract::ExtractArgs),
}

pub fn run(command: AuditCommand) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify(a) => verify::run(&a),
        AuditCommand::Extract(a) => extract::run(&a),
    }
}
