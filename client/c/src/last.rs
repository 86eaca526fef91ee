//! The codes of the calls, and what there is to say of the last one of a thread.

use mooring_client::Error;
use std::cell::RefCell;
use std::ffi::{CString, c_char};

/// How a call ended. Numbers never change; later versions may have more.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mooring_code {
    /// Done.
    MOORING_OK = 0,
    /// An argument is malformed: NULL, not UTF-8, no product's name. mooring_last_error() says
    /// which.
    MOORING_INVALID = 1,
    /// Nothing listens at the socket: the pod is not annotated, or this container is left out.
    MOORING_NO_SIDECAR = 2,
    /// The sidecar did not answer in time.
    MOORING_TIMEOUT = 3,
    /// The connection broke, or the system gave no descriptor, thread or random number.
    MOORING_BROKEN = 4,
    /// The answer cannot be read.
    MOORING_ANSWER = 5,
    /// The license server, or the sidecar, said no; mooring_last_reason() is the kind of problem,
    /// as "unknown-product".
    MOORING_REFUSED = 6,
    /// Not licensed now; mooring_last_reason() is the claim's state, as "Waiting".
    MOORING_NOT_LICENSED = 7,
    /// The sidecar says go on, and no license server confirms it.
    MOORING_UNPROVEN = 8,
    /// What came does not verify: edited, replayed, of another vendor, product, version, lease.
    MOORING_NOT_VERIFIED = 9,
    /// The seat is the parent's of this process; take one in the child.
    MOORING_FORKED = 10,
    /// Not yet: ask again. No error.
    MOORING_AGAIN = 11,
    /// A mistake of the library's own.
    MOORING_INTERNAL = 12,
}

use mooring_code as c;

/// What went wrong in a call.
#[derive(Debug)]
pub(crate) struct Fault {
    code: mooring_code,
    reason: String,
    words: String,
}

impl Fault {
    fn new(code: mooring_code, reason: &str, words: &str) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            words: words.to_owned(),
        }
    }

    pub(crate) fn invalid(name: &str, words: &str) -> Self {
        Self::new(c::MOORING_INVALID, "Argument", &format!("{name}: {words}"))
    }

    pub(crate) fn null(name: &str) -> Self {
        Self::invalid(name, "it is NULL; expected a pointer")
    }

    pub(crate) fn again() -> Self {
        Self::new(c::MOORING_AGAIN, "Again", "not yet")
    }

    pub(crate) fn internal() -> Self {
        let words = "the library made a mistake; please report it";
        Self::new(c::MOORING_INTERNAL, "Internal", words)
    }
}

impl From<Error> for Fault {
    fn from(e: Error) -> Self {
        let code = match &e {
            Error::Argument { .. } => c::MOORING_INVALID,
            Error::NoSidecar { .. } => c::MOORING_NO_SIDECAR,
            Error::Timeout { .. } => c::MOORING_TIMEOUT,
            Error::Broken(_) => c::MOORING_BROKEN,
            Error::Answer { .. } => c::MOORING_ANSWER,
            Error::Problem(_) => c::MOORING_REFUSED,
            Error::NotLicensed { .. } => c::MOORING_NOT_LICENSED,
            Error::Unproven { .. } => c::MOORING_UNPROVEN,
            Error::Verify(_) | Error::Voucher(_) | Error::Disbelieved { .. } => {
                c::MOORING_NOT_VERIFIED
            }
            Error::Forked => c::MOORING_FORKED,
        };
        Self::new(code, &e.reason(), &e.to_string())
    }
}

/// The last error, as C reads it.
struct Last {
    code: mooring_code,
    reason: CString,
    words: CString,
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Without what C would take for the end.
fn c_string(text: String) -> CString {
    let mut bytes = text.into_bytes();
    bytes.retain(|b| *b != 0);
    CString::new(bytes).unwrap_or_default()
}

/// What a thread keeps; one that is ending has no last error any more.
fn set(last: Option<Last>) {
    let _ = LAST.try_with(|l| l.try_borrow_mut().map(|mut l| *l = last));
}

pub(crate) fn remember(fault: Fault) -> mooring_code {
    set(Some(Last {
        code: fault.code,
        reason: c_string(fault.reason),
        words: c_string(fault.words),
    }));
    fault.code
}

pub(crate) fn clear() {
    set(None);
}

fn last<T>(none: T, f: impl FnOnce(&Last) -> T) -> T {
    let found = LAST.try_with(|l| l.try_borrow().ok().and_then(|l| l.as_ref().map(f)));
    found.ok().flatten().unwrap_or(none)
}

/// What went wrong in this thread's last call, in words for people; "" after one that succeeded.
/// Never NULL. It lives until this thread's next call of the library, and need not be freed.
#[unsafe(no_mangle)]
pub extern "C" fn mooring_last_error() -> *const c_char {
    last(c"".as_ptr(), |l| l.words.as_ptr())
}

/// The same as a short reason for programs: "LicenseExpired", "LeaseNonce", "unknown-product",
/// "Waiting", …; "" if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn mooring_last_reason() -> *const c_char {
    last(c"".as_ptr(), |l| l.reason.as_ptr())
}

/// The same as a code, for calls that do not give one; MOORING_OK if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn mooring_last_code() -> mooring_code {
    last(mooring_code::MOORING_OK, |l| l.code)
}

#[cfg(test)]
mod tests;
