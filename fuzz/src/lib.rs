//! What the fuzz targets do with their bytes, and what must hold whatever these are
//! (docs/development.md, "Fuzzing").
//!
//! | target | bytes are | what must hold |
//! |---|---|---|
//! | `license` | a license file | it is refused with words, or read to what is written again; with pinned keys only genuine ones are read |
//! | `chain` | the documents inside of the envelopes, each signed by the right key; revocation lists and vouchers, too | verifying ends, and accepts nothing that the rules exclude |
//! | `token` | a bundle | it verifies only if each of its links is a genuine one |
//! | `client_token` | a client token, or a list of revoked ones | refused with words, or read; never taken for another |
//! | `annotation` | the annotation `mooring.dev/licenses` | refused with a place, or read to what is printed and read again |
//! | `message` | a message of server's or socket's API; the first byte says which | refused, or read to what is written and read again |

mod chain;
mod genuine;
mod message;
mod text;

pub use chain::{chain, token};
pub use message::message;
pub use text::{annotation, client_token, license};

/// An error is for people: it says something, and not more than can be read, whatever was in the
/// input.
fn readable(e: &dyn std::fmt::Display) {
    let words = e.to_string();
    assert!(!words.trim().is_empty(), "an error without words");
    assert!(
        words.len() <= 4000,
        "an error of {} bytes: {words:.300}",
        words.len()
    );
}
