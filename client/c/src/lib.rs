//! The C API of the client library: `include/mooring.h` is made from this crate, and says to C
//! programmers what they need.
//!
//! What it promises at the border:
//! - each pointer is looked at before it is used: NULL is an error in words, never a crash;
//! - text is UTF-8 or an error; what is handed out ends with a zero byte;
//! - no panic leaves it: a mistake of the library's own is
//!   [`MOORING_INTERNAL`](last::mooring_code::MOORING_INTERNAL);
//! - structures begin with their size, so an application and a library of different ages understand
//!   each other;
//! - no state but the last error, which each thread has for itself; no thread unless one is asked
//!   for.
//!
//! | module | what it holds |
//! |---|---|
//! | `border` | pointers, text, sizes, panics |
//! | [`last`] | the codes, and the last error of this thread |
//! | [`opts`], [`mooring`] | the vendor's keys; connecting, claims by name, the sidecar's word |
//! | [`seat`], [`claim`] | taking a seat, checking it, waiting for its changes |
//! | [`state`], [`proof`] | what is told of a seat, and of a chain that verified |
//! | [`gate`], `sync` | no callback after the seat is given back |

#![warn(missing_docs)]
#![allow(
    clippy::missing_errors_doc,
    clippy::module_name_repetitions,
    reason = "the names are C's"
)]

mod border;
pub mod claim;
pub mod gate;
pub mod last;
pub mod mooring;
pub mod opts;
pub mod proof;
pub mod seat;
pub mod state;
mod sync;

use std::ffi::{CStr, c_char};

/// The library's version in words, as in `"0.1.0"`.
const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(v) => v,
        Err(_) => c"",
    };

/// The version of this interface. It changes only if programs that were compiled before would not
/// run any more; then the library's file has another name, too.
pub const MOORING_ABI: u32 = 1;

/// The library's version, as in `"0.1.0"`. It need not be freed.
#[unsafe(no_mangle)]
pub extern "C" fn mooring_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The interface that the library at hand has: MOORING_ABI of its own header.
#[unsafe(no_mangle)]
pub extern "C" fn mooring_abi() -> u32 {
    MOORING_ABI
}

/// Is there in a library of this interface, and in no other: to be looked up by programs that load
/// the library at run time.
#[unsafe(no_mangle)]
pub extern "C" fn mooring_abi_1() -> u32 {
    1
}

#[cfg(test)]
mod tests;
