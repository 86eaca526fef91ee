//! Crossing from C to Rust and back: pointers, text, structures of another age, panics.

use crate::last::{Fault, clear, mooring_code, remember};
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// As long as anybody waits: what "for ever" means.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Runs what a call is for; its fault, or its panic, becomes the last error.
pub(crate) fn call(f: impl FnOnce() -> Result<(), Fault>) -> mooring_code {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(())) => {
            clear();
            mooring_code::MOORING_OK
        }
        Ok(Err(fault)) => remember(fault),
        Err(_) => remember(Fault::internal()),
    }
}

/// The same for a call that gives something else than a code.
pub(crate) fn give<T>(failed: T, f: impl FnOnce() -> Result<T, Fault>) -> T {
    let mut given = failed;
    call(|| {
        given = f()?;
        Ok(())
    });
    given
}

/// What C handed in behind `p`.
///
/// # Safety
/// `p` is NULL or points to a `T` that lives, and that nobody changes, for as long as the result is
/// used.
pub(crate) unsafe fn look<'a, T>(name: &str, p: *const T) -> Result<&'a T, Fault> {
    if !p.is_null() && !p.is_aligned() {
        return Err(Fault::invalid(name, "a pointer that is not aligned"));
    }
    // SAFETY: the caller's promise, and it is aligned.
    unsafe { p.as_ref() }.ok_or_else(|| Fault::null(name))
}

/// Text that must be there.
///
/// # Safety
/// `p` is NULL or points to bytes that end with a zero, and that nobody changes for as long as the
/// result is used.
pub(crate) unsafe fn text<'a>(name: &str, p: *const c_char) -> Result<&'a str, Fault> {
    // SAFETY: the caller's promise.
    unsafe { optional(name, p) }?.ok_or_else(|| Fault::null(name))
}

/// Text that may be NULL.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn optional<'a>(name: &str, p: *const c_char) -> Result<Option<&'a str>, Fault> {
    if p.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the caller's promise.
    let text = unsafe { CStr::from_ptr(p) };
    let text = text.to_str().map(Some);
    text.map_err(|_| Fault::invalid(name, "expected UTF-8"))
}

/// Puts a new object where C wants it, as [`put`] does.
///
/// # Safety
/// As for [`put`].
pub(crate) unsafe fn out<T>(
    name: &str,
    out: *mut *mut T,
    make: impl FnOnce() -> Result<T, Fault>,
) -> Result<(), Fault> {
    // SAFETY: the caller's promise.
    unsafe { put(name, out, || Ok(Box::into_raw(Box::new(make()?)))) }
}

/// Puts a pointer where C wants it. On failure that place is NULL, so that it can be closed or
/// freed all the same.
///
/// # Safety
/// `out` is NULL or points to room for a pointer.
pub(crate) unsafe fn put<T>(
    name: &str,
    out: *mut *mut T,
    make: impl FnOnce() -> Result<*mut T, Fault>,
) -> Result<(), Fault> {
    if out.is_null() || !out.is_aligned() {
        return Err(Fault::null(name));
    }
    // SAFETY: not NULL, aligned, and the caller's promise.
    unsafe { out.write(std::ptr::null_mut()) };
    let pointer = make()?;
    // SAFETY: as above.
    unsafe { out.write(pointer) };
    Ok(())
}

/// Takes an object back from C and drops it; NULL is nothing. A panic in it goes no further.
///
/// # Safety
/// `p` is NULL or came from [`out`], and is not used any more.
pub(crate) unsafe fn end<T>(p: *mut T) {
    if p.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let object = unsafe { Box::from_raw(p) };
    let _ = catch_unwind(AssertUnwindSafe(|| drop(object)));
}

/// A structure of C's whose first field is its size, and whose every value is sound as zeros.
///
/// # Safety
/// `#[repr(C)]`, begins with a `u32`, and zeros are a value of each field.
pub(crate) unsafe trait Sized32: Copy {
    /// The size that its first version had.
    const FIRST: usize = size_of::<Self>();
    /// The macro that sets the size.
    const INIT: &'static str;

    fn zeros() -> Self {
        // SAFETY: zeros are a value of each field, as the trait promises.
        unsafe { std::mem::zeroed() }
    }
}

/// The size that C says, if it can be.
///
/// # Safety
/// `p` is NULL or points to at least the `u32` at its beginning.
unsafe fn size<T: Sized32>(name: &str, p: *const T) -> Result<usize, Fault> {
    // SAFETY: a T begins with a u32.
    let size = *unsafe { look(name, p.cast::<u32>()) }? as usize;
    if size < T::FIRST || size > 1 << 16 {
        let expected = format!("size is {size}; expected sizeof, which {} sets", T::INIT);
        return Err(Fault::invalid(name, &expected));
    }
    Ok(size)
}

/// Reads a structure that C filled in, of this version, an earlier or a later one.
///
/// # Safety
/// `p` is NULL or points to as many readable bytes as the `u32` at its beginning says.
pub(crate) unsafe fn read<T: Sized32>(name: &str, p: *const T) -> Result<T, Fault> {
    // SAFETY: the caller's promise.
    let size = unsafe { size(name, p) }?;
    let mut mine = T::zeros();
    let known = size.min(size_of::<T>());
    let to = std::ptr::from_mut(&mut mine).cast::<u8>();
    // SAFETY: `known` bytes can be read there and written here, and the two do not overlap; C wrote
    // values.
    unsafe { std::ptr::copy_nonoverlapping(p.cast::<u8>(), to, known) };
    for at in known..size {
        // SAFETY: within the size that the caller promises.
        if unsafe { p.cast::<u8>().add(at).read() } != 0 {
            let words =
                "it asks for what this version of the library does not know; use a later library";
            return Err(Fault::invalid(name, words));
        }
    }
    Ok(mine)
}

/// Fills in C's structure as far as both know it; a later part is zeros. Its size stays what C
/// said.
///
/// # Safety
/// `p` is NULL or points to as many writable bytes as the `u32` at its beginning says.
pub(crate) unsafe fn fill<T: Sized32>(name: &str, p: *mut T, value: &T) -> Result<(), Fault> {
    // SAFETY: the caller's promise.
    let size = unsafe { size(name, p) }?;
    let known = size.min(size_of::<T>());
    let from = std::ptr::from_ref(value).cast::<u8>();
    // SAFETY: `size` bytes can be written at p, `known` of them read here; the first four, the
    // size, are left alone.
    unsafe {
        p.cast::<u8>().add(4).write_bytes(0, size - 4);
        std::ptr::copy_nonoverlapping(from.add(4), p.cast::<u8>().add(4), known - 4);
    }
    Ok(())
}

/// A time to wait: negative is for ever.
pub(crate) fn time(ms: i64) -> Duration {
    u64::try_from(ms).map_or(FOREVER, |ms| Duration::from_millis(ms).min(FOREVER))
}

/// Text in a field of fixed length, cut at a character if it is longer; it ends with a zero.
pub(crate) fn field<const N: usize>(text: &str) -> [c_char; N] {
    let mut end = text.len().min(N - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(&text.as_bytes()[..end]) {
        *to = from.cast_signed() as c_char;
    }
    out
}

#[cfg(test)]
mod tests;
