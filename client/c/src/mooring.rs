//! Connecting, claims by name, the sidecar's word.

use crate::border::{call, end, fill, look, optional, out, put, text, time};
use crate::last::{Fault, mooring_code};
use crate::opts::{builder, mooring_opts};
use crate::proof::mooring_proof;
use mooring_client::{
    ClaimName, Error, Item, Mooring, NAME, PRODUCT, ProductName, Seats, SocketClaim, VERSION,
    Version,
};
use std::ffi::{CString, c_char};

/// An application's keys and its way to the sidecar; from mooring_connect().
pub struct mooring(pub(crate) Mooring);

/// A product and seats of it, for mooring_put_claim().
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct mooring_item {
    /// The product, by its name in the license; case does not matter.
    pub product: *const c_char,
    /// The version to ask for; NULL: none.
    pub version: *const c_char,
    /// How many seats; 0 is 1.
    pub seats: u32,
    /// 0.
    pub reserved: u32,
}

/// Checks what the application says of itself, and that the sidecar answers. `*m` is to be closed
/// with mooring_close(); it is NULL unless the call succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_connect(
    opts: *const mooring_opts,
    m: *mut *mut mooring,
) -> mooring_code {
    // SAFETY: the header's rules for pointers.
    call(|| unsafe { out("m", m, || Ok(mooring(builder(opts)?.connect()?))) })
}

/// Ends what mooring_connect() began. Seats that were taken with it stay. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_close(m: *mut mooring) {
    // SAFETY: the header's rules for pointers.
    unsafe { end(m) }
}

/// Asks the license server through the sidecar whether the pod's claim has this product, with a
/// question it cannot have been asked before, and verifies the answer. If the license server is out
/// of reach the sidecar's last token is verified instead, and `proof->fresh` is 0. Waits for the
/// answer, at most 15 s. `proof` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_prove(
    m: *const mooring,
    product: *const c_char,
    proof: *mut mooring_proof,
) -> mooring_code {
    // SAFETY: the header's rules for pointers.
    call(|| unsafe {
        let m = look("m", m)?;
        let licensed = m.0.verify(text("product", product)?)?;
        if proof.is_null() {
            return Ok(());
        }
        fill("proof", proof, &mooring_proof::of_lease(&licensed))
    })
}

/// How all claims stand, as the sidecar says: the JSON of GET /v1/status, unverified. `*json` is to
/// be freed with mooring_free(); it is NULL unless the call succeeds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_status(m: *const mooring, json: *mut *mut c_char) -> mooring_code {
    // SAFETY: the header's rules for pointers.
    call(|| unsafe {
        put("json", json, || {
            let text = CString::new(look("m", m)?.0.sidecar().status_text()?);
            let text = text.map_err(|e| Error::answer("/v1/status", e))?;
            Ok(text.into_raw())
        })
    })
}

/// Frees the text of mooring_status(). NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: it came from CString::into_raw.
        drop(unsafe { CString::from_raw(text) });
    }
}

/// # Safety
/// `name` is NULL or as C's text is.
unsafe fn claim_name(name: *const c_char) -> Result<ClaimName, Fault> {
    // SAFETY: the caller's promise.
    let name = unsafe { text("name", name) }?;
    Ok(ClaimName::new(name).map_err(|_| Error::argument("name", name, NAME))?)
}

/// Asks for seats under a name, until mooring_delete_claim(); waits at most `wait_ms` until they
/// are held or refused (negative: for ever). Asking again for the same changes nothing.
/// MOORING_AGAIN: they are still waited for. Not verified: follow it with a mooring_claim of kind
/// MOORING_NAMED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_put_claim(
    m: *const mooring,
    name: *const c_char,
    items: *const mooring_item,
    items_len: usize,
    wait_ms: i64,
) -> mooring_code {
    // SAFETY: the header's rules for pointers; behind `items` there are as many as C says.
    call(|| unsafe {
        let (m, name) = (look("m", m)?, claim_name(name)?);
        look("items", items)?;
        if !(1..=1024).contains(&items_len) {
            return Err(Fault::invalid("items_len", "expected 1 to 1024"));
        }
        let items = std::slice::from_raw_parts(items, items_len);
        let items = items.iter().map(|i| item(i));
        let items = items.collect::<Result<_, Fault>>()?;
        let asked = SocketClaim { items, start: None };
        let status = m.0.sidecar().put_claim(&name, &asked, time(wait_ms))?;
        if status.licensed {
            return Ok(());
        }
        match status.problem {
            Some(p) => Err(Error::Problem(p).into()),
            None => Err(Fault::again()),
        }
    })
}

/// # Safety
/// Its text is NULL or as C's is.
unsafe fn item(i: &mooring_item) -> Result<Item, Fault> {
    // SAFETY: the caller's promise.
    let (product, version) = unsafe {
        let product = text("items.product", i.product)?;
        (product, optional("items.version", i.version)?)
    };
    let checked = version.map(Version::new).transpose();
    let bad = |field, value: &str, expected| Fault::from(Error::argument(field, value, expected));
    Ok(Item {
        product: ProductName::new(product).map_err(|_| bad("items.product", product, PRODUCT))?,
        seats: Seats::new(i.seats.max(1))
            .ok_or_else(|| bad("items.seats", &i.seats.to_string(), "1 or more"))?,
        version: checked.map_err(|_| bad("items.version", version.unwrap_or_default(), VERSION))?,
    })
}

/// Gives the seats of a name back. One that is not there is given back already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mooring_delete_claim(
    m: *const mooring,
    name: *const c_char,
) -> mooring_code {
    // SAFETY: the header's rules for pointers.
    call(|| unsafe {
        let (m, name) = (look("m", m)?, claim_name(name)?);
        Ok(m.0.sidecar().delete_claim(&name)?)
    })
}
