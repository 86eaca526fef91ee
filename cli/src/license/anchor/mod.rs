//! What a customer sends to the vendor: the description of an anchor, made where the hardware is.
//!
//! A description is not signed. It is as good as the way it came: a vendor who sells dongles makes
//! it before the dongle is sent.

mod description;
mod flags;
mod hwid;
mod key_file;
mod keys;
mod pkcs11;
mod token;
mod usb;

use clap::Subcommand;

pub use description::{Description, read};
pub use flags::Pkcs11Args;

#[derive(Debug, Subcommand)]
pub enum AnchorCommand {
    /// A PKCS#11 token: a YubiKey, Nitrokey, SmartCard-HSM, TPM 2.0 … (or SoftHSM, for tests)
    Pkcs11(Pkcs11Args),
    /// A USB device that must be plugged in, and a key in a file
    Usb(usb::UsbArgs),
    /// This machine, by what it is known by, and a key in a file: the weak tier
    Hwid(hwid::HwidArgs),
}

pub fn run(command: &AnchorCommand) -> anyhow::Result<()> {
    match command {
        AnchorCommand::Pkcs11(a) => pkcs11::run(a),
        AnchorCommand::Usb(a) => usb::run(a),
        AnchorCommand::Hwid(a) => hwid::run(a),
    }
}
