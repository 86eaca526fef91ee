//! A chain that verified.

use crate::border::{Sized32, call, field, fill, optional, read, text};
use crate::last::{Fault, mooring_code};
use crate::opts::{builder, mooring_opts};
use mooring_client::{
    AnchorKind, AppClock, Bundle, Error, FirstProof, Licensed, MAX_BODY, Timestamp, Verified,
};
use std::ffi::c_char;
use std::time::Duration;

/// A kind that this version does not know.
pub const MOORING_ANCHOR_OTHER: u32 = 0;
/// A token that signs.
pub const MOORING_ANCHOR_PKCS11: u32 = 1;
/// A USB device that is there, and a software key.
pub const MOORING_ANCHOR_USB: u32 = 2;
/// A machine's identity, and a software key.
pub const MOORING_ANCHOR_HWID: u32 = 3;

/// A lease that verified: signed by the anchored server under the vendor's license, for this
/// application. Set size to sizeof(mooring_proof), or begin with MOORING_PROOF_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct mooring_proof {
    /// sizeof(mooring_proof), as the application was compiled.
    pub size: u32,
    /// Seats of the product.
    pub seats: u32,
    /// Seats over what was sold.
    pub overdraft: u32,
    /// One of MOORING_ANCHOR_PKCS11, _USB, _HWID.
    pub anchor: u32,
    /// 1: the anchor's key can be copied.
    pub software: u32,
    /// 1: it answers the application's own question, and so is no replay.
    pub fresh: u32,
    /// 1: the license is one for tests.
    pub test: u32,
    /// 1: the license is one for an emergency: until a broken anchor is replaced.
    pub emergency: u32,
    /// How long the application may go on without contact, in milliseconds: from the asking if
    /// fresh.
    pub run_for_ms: u64,
    /// The lease, in 32 hexadecimal digits.
    pub lease: [c_char; 40],
    /// When the token was made by the server's clock, as "2026-06-01T12:05:00Z"; "" in
    /// mooring_details.
    pub issued_at: [c_char; 40],
    /// The license's id.
    pub license_id: [c_char; 256],
}

// SAFETY: repr(C), begins with a u32; zeros are numbers and empty text.
unsafe impl Sized32 for mooring_proof {
    const INIT: &'static str = "MOORING_PROOF_INIT";
}

impl Default for mooring_proof {
    fn default() -> Self {
        Self {
            size: size_of::<Self>() as u32,
            ..Self::zeros()
        }
    }
}

const fn anchor(kind: AnchorKind) -> u32 {
    match kind {
        AnchorKind::Pkcs11 => MOORING_ANCHOR_PKCS11,
        AnchorKind::Usb => MOORING_ANCHOR_USB,
        AnchorKind::Hwid => MOORING_ANCHOR_HWID,
    }
}

fn ms(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

impl mooring_proof {
    pub(crate) fn of_lease(l: &Licensed) -> Self {
        Self {
            seats: l.seats,
            overdraft: l.overdraft,
            anchor: anchor(l.anchor),
            software: l.software.into(),
            fresh: l.fresh.into(),
            test: l.test.into(),
            emergency: l.emergency.into(),
            run_for_ms: ms(l.remaining()),
            lease: field(&l.lease.to_string()),
            license_id: field(&l.license_id),
            ..Self::default()
        }
    }

    fn of_chain(v: &Verified) -> Self {
        Self {
            seats: v.seats,
            overdraft: v.overdraft,
            anchor: anchor(v.anchor),
            software: v.software.into(),
            fresh: v.fresh.into(),
            test: v.test.into(),
            emergency: v.emergency.into(),
            run_for_ms: ms(v.run_for),
            lease: field(&v.lease.to_string()),
            issued_at: field(&v.issued_at.to_string()),
            license_id: field(&v.license_id),
            ..Self::default()
        }
    }
}

/// The clocks by which a chain's date is judged, where they are not this machine's. Set size to
/// sizeof(mooring_clock), or begin with MOORING_CLOCK_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct mooring_clock {
    /// sizeof(mooring_clock), as the application was compiled.
    pub size: u32,
    /// Nothing.
    pub reserved: u32,
    /// The wall clock, in milliseconds since 1970 (UTC).
    pub now_ms: i64,
    /// The date of the first fresh proof of the process, in the same way; 0: there was none.
    pub first_issued_ms: i64,
    /// How long ago that was, in milliseconds of the boot clock.
    pub first_ago_ms: u64,
}

// SAFETY: repr(C), begins with a u32; zeros are numbers.
unsafe impl Sized32 for mooring_clock {
    const INIT: &'static str = "MOORING_CLOCK_INIT";
}

impl mooring_clock {
    fn read(&self) -> Result<AppClock, Fault> {
        let time = |name: &str, ms: i64| {
            let t = Timestamp::from_millisecond(ms);
            t.map_err(|_| Fault::invalid(name, "expected a time before the year 9999"))
        };
        let issued_at = time("clock.first_issued_ms", self.first_issued_ms)?;
        let first = (self.first_issued_ms != 0).then(|| FirstProof {
            issued_at,
            ago: Duration::from_millis(self.first_ago_ms),
        });
        let now = time("clock.now_ms", self.now_ms)?;
        Ok(AppClock { now, first })
    }
}

/// Verifies a chain that came from anywhere, offline, with the vendor's keys alone: license,
/// anchor, delegation, lease, product, this application's version and day. `bundle` is the JSON of
/// GET /v1/token, `len` bytes; with a `nonce` it must answer that one (NULL: it need not), and with
/// a `bind` be the seat of who sent that with POST /v1/hold?bind=… (NULL: it may be anybody's). Its
/// date is judged by `clock` (NULL: by this machine's). `proof` may be NULL. MOORING_NOT_VERIFIED:
/// mooring_last_reason() says at which link.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_verify(
    opts: *const mooring_opts,
    product: *const c_char,
    nonce: *const c_char,
    bind: *const c_char,
    bundle: *const c_char,
    len: usize,
    clock: *const mooring_clock,
    proof: *mut mooring_proof,
) -> mooring_code {
    // SAFETY: the header's rules for pointers.
    call(|| unsafe {
        let builder = builder(opts)?;
        let product = text("product", product)?;
        let nonce = optional("nonce", nonce)?;
        let bind = optional("bind", bind)?;
        if bundle.is_null() {
            return Err(Fault::null("bundle"));
        }
        if len > MAX_BODY {
            let most = format!("expected at most {MAX_BODY}");
            return Err(Fault::invalid("len", &most));
        }
        let clock = if clock.is_null() {
            None
        } else {
            Some(read("clock", clock)?.read()?)
        };
        let bytes = std::slice::from_raw_parts(bundle.cast::<u8>(), len);
        let bundle = serde_json::from_slice::<Bundle>(bytes);
        let bundle = bundle.map_err(|e| Error::answer("bundle", e))?;
        let verified = builder.judge(product, &bundle, nonce, bind, clock.as_ref())?;
        if proof.is_null() {
            return Ok(());
        }
        fill("proof", proof, &mooring_proof::of_chain(&verified))
    })
}
