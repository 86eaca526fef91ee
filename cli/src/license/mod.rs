//! `mooring license …`: from a vendor's key to a customer's license file, and back to what it says.
//!
//! | module | what it holds |
//! |---|---|
//! | [`keygen`], [`vendor_key`] | the vendor's key: made, read, named |
//! | [`order`], [`issue`] | an order becomes a license, or is refused with field, value and what was expected |
//! | [`anchor`] | what a customer sends: which key a license shall be bound to |
//! | [`attestation`] | what a YubiKey says of a key |
//! | [`inspect`], [`verify`] | what a file says; whether it holds |
//! | [`revoke`], [`voucher`] | licenses taken back; starts without a server permitted |
//! | [`schema`] | JSON Schemas of what is signed |
//! | [`signer`], [`pkcs11`] | who signs: a file's key, or one in an HSM |
//! | [`date`], [`file`] | dates as people write them; files that are never overwritten by accident |
//!
//! Nothing here talks to a network.

pub mod anchor;
pub mod attestation;
pub mod date;
pub mod file;
pub mod inspect;
pub mod issue;
pub mod keygen;
pub mod order;
pub mod pkcs11;
pub mod revoke;
pub mod schema;
pub mod signer;
pub mod vendor_key;
pub mod verify;
pub mod voucher;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum LicenseCommand {
    /// Make a vendor's key (Ed25519), and print the public half to compile into the application
    Keygen(keygen::KeygenArgs),
    /// Print the public half of a vendor's key, from its file or from the HSM
    Public(keygen::PublicArgs),
    /// Sign a license file, from an order file, from flags, or both
    Issue(Box<issue::IssueArgs>),
    /// Print what a license file, a revocation list, a voucher or a bundle from the sidecar's
    /// socket says, and what of it was verified
    Inspect(inspect::InspectArgs),
    /// Verify a license file, a revocation list, a voucher or a bundle against the vendor's public
    /// key; exit 1 if it does not hold
    Verify(verify::VerifyArgs),
    /// Take licenses back: make the next revocation list, numbered and signed
    Revoke(revoke::RevokeLicenseArgs),
    /// Permit a start with no license server in reach, for products of a license, until a day
    Voucher(voucher::VoucherArgs),
    /// Print the JSON Schema of a signed document
    Schema(schema::SchemaArgs),
    /// Describe the hardware that a license shall be bound to; run where the hardware is
    #[command(subcommand)]
    Anchor(anchor::AnchorCommand),
}

pub fn run(command: LicenseCommand) -> anyhow::Result<()> {
    match command {
        LicenseCommand::Keygen(a) => keygen::run(&a),
        LicenseCommand::Public(a) => keygen::public(&a),
        LicenseCommand::Revoke(a) => revoke::run(&a),
        LicenseCommand::Voucher(a) => voucher::run(&a),
        LicenseCommand::Schema(a) => schema::run(&a),
        LicenseCommand::Issue(a) => issue::run(*a),
        LicenseCommand::Inspect(a) => inspect::run(&a),
        LicenseCommand::Verify(a) => verify::run(&a),
        LicenseCommand::Anchor(a) => anchor::run(&a),
    }
}
