//! The license server over real token stacks: SoftHSM2; a virtual PIV card behind vpcd, pcscd and
//! OpenSC; a TPM emulator behind tpm2-pkcs11. Pulled out, hanging, plugged in again, exchanged,
//! shared by two processes. What was done to a card is read from the card's own counters.
//!
//! Each test has a pcscd or a TPM of its own, in namespaces of its own. Needs root, and Debian's
//! softhsm2, opensc, opensc-pkcs11, pcscd, vsmartcard-vpcd, swtpm, libtpm2-pkcs11-1 and
//! libtss2-tcti-swtpm0 (`e2e/unit` installs them).

mod alike;
mod card;
mod faulty;
mod pins;
mod programs;
mod shared;
mod stack;
mod tpm;
