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
//! | `admission` | an AdmissionReview, or a pod | the pod is refused with words, left alone, or patched: its author's parts stay as they are, ours are there, a second pass changes nothing |
//! | `route` | a request to the license server, whose first byte says who asks | the answer is one that the table of calls has for that call, and success is for those who may |
//! | `socket` | what an application says to its sidecar | refused as its own fault, or read to what is within the bounds |
//! | `answer` | what a sidecar answers to an application's library, an answer or events, in pieces | however it arrives the same is read; what waits to be read has a bound |
//! | `worker` | what an anchor's worker is asked, and what it answers | lines are cut where they end and have a bound; each is refused, or read to what is written and read again; none shows what it carries |

mod admission;
mod answer;
mod chain;
mod genuine;
mod message;
mod route;
mod socket;
mod text;
mod worker;

pub use admission::admission;
pub use answer::answer;
pub use chain::{chain, token};
pub use message::message;
pub use route::route;
pub use socket::socket;
pub use text::{annotation, client_token, license};
pub use worker::worker;

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
