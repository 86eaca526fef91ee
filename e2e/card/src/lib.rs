//! A virtual PIV card (NIST SP 800-73-4) for the tests.
//!
//! Behind Debian's `vpcd`, `pcscd` and OpenSC it is what a USB dongle is to the license server.
//! Ending its process is pulling the dongle out, SIGSTOP is a dongle that hangs. What it counts
//! (logins, signatures) it counts on the card, in a folder of its own, so that a test need not
//! believe those who use it.
//!
//! | module | idea |
//! |---|---|
//! | [`apdu`] | commands and answers as bytes |
//! | [`tlv`] | tag, length, value |
//! | [`piv`] | the card's rules: a command and its memory in, an answer out. No I/O |
//! | [`store`] | the card's memory as files |
//! | [`personal`] | a new card: keys and certificates |

pub mod apdu;
pub mod personal;
pub mod piv;
pub mod store;
pub mod tlv;
