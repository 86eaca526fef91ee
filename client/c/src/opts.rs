//! What an application compiles in.

use crate::border::{Sized32, optional, read};
use crate::last::Fault;
use mooring_client::{Builder, MinAnchor, Mooring, UnverifiedStart, VendorKey};
use std::ffi::c_char;

/// Any anchor that the vendor's license lists.
pub const MOORING_ANCHOR_ANY: u32 = 0;
/// Only an anchor whose key cannot be copied out.
pub const MOORING_ANCHOR_HARDWARE: u32 = 1;

/// More than any vendor has at a time.
const MAX_KEYS: usize = 64;

/// What an application says of itself. Begin with MOORING_OPTS_INIT, which sets the size; what is
/// zero has its default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct mooring_opts {
    /// sizeof(mooring_opts), as the application was compiled.
    pub size: u32,
    /// How many keys.
    pub vendor_keys_len: u32,
    /// The vendor's Ed25519 public keys: the only source of trust. Compile them in.
    pub vendor_keys: *const [u8; 32],
    /// The application's version, which the license must cover; NULL: no version is checked.
    pub app_version: *const c_char,
    /// The day of the release, "2026-03-01"; maintenance must not have ended before it. NULL: not
    /// checked.
    pub built_on: *const c_char,
    /// The sidecar's socket; NULL: what $MOORING_SOCKET names, else /run/mooring/mooring.sock. A
    /// way to the sidecar, no source of trust.
    pub socket: *const c_char,
    /// MOORING_ANCHOR_ANY or MOORING_ANCHOR_HARDWARE.
    pub min_anchor: u32,
    /// 1: a seat may start on the sidecar's word while no license server is in reach, for at most
    /// the grace. 0: it may not. 2: it may with a voucher that one of the vendor keys has signed.
    pub allow_unverified_start: u32,
}

// SAFETY: repr(C), begins with a u32; zeros are NULL pointers and zeros.
unsafe impl Sized32 for mooring_opts {
    const INIT: &'static str = "MOORING_OPTS_INIT";
}

/// The keys and what else the application says, for a builder.
///
/// # Safety
/// `opts` is NULL or as the header says.
pub(crate) unsafe fn builder(opts: *const mooring_opts) -> Result<Builder, Fault> {
    // SAFETY: the caller's promise.
    let o = unsafe { read("opts", opts) }?;
    let bytes: &[[u8; 32]] = match (o.vendor_keys.is_null(), o.vendor_keys_len as usize) {
        (_, 0) => &[],
        (true, _) => return Err(Fault::null("opts.vendor_keys")),
        (_, n) if n > MAX_KEYS => {
            return Err(Fault::invalid(
                "opts.vendor_keys_len",
                "expected at most 64",
            ));
        }
        // SAFETY: C says that there are that many keys; bytes have no alignment.
        (false, n) => unsafe { std::slice::from_raw_parts(o.vendor_keys, n) },
    };
    let keys: Vec<_> = bytes.iter().copied().map(VendorKey::from_bytes).collect();
    let mut builder = Mooring::builder(&keys);
    // SAFETY: C's promise for text.
    let text = |name, p| unsafe { optional(name, p) };
    if let Some(v) = text("opts.app_version", o.app_version)? {
        builder = builder.app_version(v);
    }
    if let Some(d) = text("opts.built_on", o.built_on)? {
        builder = builder.built_on(d);
    }
    if let Some(s) = text("opts.socket", o.socket)? {
        builder = builder.socket(s);
    }
    let min = match o.min_anchor {
        MOORING_ANCHOR_ANY => MinAnchor::Any,
        MOORING_ANCHOR_HARDWARE => MinAnchor::Hardware,
        _ => {
            let words = "expected MOORING_ANCHOR_ANY or MOORING_ANCHOR_HARDWARE";
            return Err(Fault::invalid("opts.min_anchor", words));
        }
    };
    let unverified = match o.allow_unverified_start {
        0 => UnverifiedStart::Deny,
        1 => UnverifiedStart::Allow,
        2 => UnverifiedStart::Voucher,
        _ => {
            let words = "expected 0, 1 or 2";
            return Err(Fault::invalid("opts.allow_unverified_start", words));
        }
    };
    Ok(builder.min_anchor(min).unverified_start(unverified))
}
