//! What is asked for.

use crate::border::{Sized32, optional, read, text, time};
use crate::last::Fault;
use mooring_client::{Claim, Mooring};
use std::ffi::c_char;

/// A seat of the application's own: given back with mooring_release(), or when the process ends,
/// however.
pub const MOORING_OWN: u32 = 0;
/// What the pod holds by its annotation mooring.dev/licenses: followed and verified, never given
/// back by the application.
pub const MOORING_POD: u32 = 1;
/// The claim of a name, made by mooring_put_claim(): followed and verified.
pub const MOORING_NAMED: u32 = 2;

/// What is asked for. Begin with MOORING_CLAIM_INIT, which sets the size; what is zero has its
/// default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct mooring_claim {
    /// sizeof(mooring_claim), as the application was compiled.
    pub size: u32,
    /// How many seats; 0 is 1.
    pub seats: u32,
    /// The product, by its name in the license; case does not matter.
    pub product: *const c_char,
    /// The version to ask for, if the license server is to tell them apart; NULL: none.
    pub version: *const c_char,
    /// The claim's name, for MOORING_NAMED alone; else NULL.
    pub name: *const c_char,
    /// How long to wait for a free seat and for its proof, in milliseconds. 0: not at all for a
    /// seat, 20 s for an answer. Negative: for ever.
    pub wait_ms: i64,
    /// MOORING_OWN, MOORING_POD or MOORING_NAMED.
    pub kind: u32,
    /// 1: a thread named "mooring" drives the seat. 0: no thread; mooring_check(), mooring_poll()
    /// and mooring_wait() do.
    pub with_thread: u32,
}

// SAFETY: repr(C), begins with a u32; zeros are NULL pointers and zeros.
unsafe impl Sized32 for mooring_claim {
    const INIT: &'static str = "MOORING_CLAIM_INIT";
}

/// What is asked for, and whether a thread is.
///
/// # Safety
/// `claim` is NULL or as the header says.
pub(crate) unsafe fn claim(
    m: &Mooring,
    claim: *const mooring_claim,
) -> Result<(Claim<'_>, bool), Fault> {
    // SAFETY: the caller's promise.
    let c = unsafe { read("claim", claim) }?;
    // SAFETY: C's promise for text.
    let (product, name) = unsafe {
        let product = text("claim.product", c.product)?;
        (product, optional("claim.name", c.name)?)
    };
    let asked = match (c.kind, name) {
        (MOORING_OWN, None) => m.claim(product),
        (MOORING_POD, None) => m.pod(product),
        (MOORING_NAMED, Some(name)) => m.named(name, product),
        (MOORING_NAMED, None) => return Err(Fault::null("claim.name")),
        (MOORING_OWN | MOORING_POD, Some(_)) => {
            let words = "expected NULL, unless kind is MOORING_NAMED";
            return Err(Fault::invalid("claim.name", words));
        }
        _ => {
            let words = "expected MOORING_OWN, MOORING_POD or MOORING_NAMED";
            return Err(Fault::invalid("claim.kind", words));
        }
    };
    let mut asked = asked.seats(c.seats.max(1));
    // SAFETY: as above.
    if let Some(v) = unsafe { optional("claim.version", c.version) }? {
        asked = asked.version(v);
    }
    if c.wait_ms != 0 {
        asked = asked.wait(time(c.wait_ms));
    }
    match c.with_thread {
        0 => Ok((asked.without_thread(), false)),
        1 => Ok((asked, true)),
        _ => Err(Fault::invalid("claim.with_thread", "expected 0 or 1")),
    }
}
