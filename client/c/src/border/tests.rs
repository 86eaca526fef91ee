//! Each piece of memory here is exactly as large as C says: under Miri a byte too far is an error.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(
    clippy::cast_ptr_alignment,
    reason = "C's memory, and how it is aligned is looked at"
)]
use super::*;
use crate::last::{mooring_last_code, mooring_last_error};
use std::cell::Cell;
use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::rc::Rc;

/// A structure in its second version: the first had no `later`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Grown {
    size: u32,
    number: u32,
    later: u64,
}

// SAFETY: repr(C), begins with a u32; zeros are numbers.
unsafe impl Sized32 for Grown {
    const FIRST: usize = 8;
    const INIT: &'static str = "GROWN_INIT";
}

/// What C has there: its size, then words of four bytes.
fn memory(words: &[u32]) -> Box<[u32]> {
    let size = u32::try_from(4 + size_of_val(words)).unwrap();
    [&[size], words].concat().into()
}

fn said<T>(result: Result<T, Fault>) -> String {
    assert_eq!(
        call(|| result.map(|_| ())),
        mooring_code::MOORING_INVALID,
        "it was not refused"
    );
    last_words()
}

fn last_words() -> String {
    // SAFETY: it ends with a zero, and lives until this thread's next call.
    let words = unsafe { CStr::from_ptr(mooring_last_error()) };
    words.to_str().unwrap().to_owned()
}

#[test]
fn structures_of_an_earlier_application_are_touched_as_far_as_they_go() {
    let mut there = memory(&[7]);
    let p = there.as_mut_ptr().cast::<Grown>();
    // SAFETY: as many bytes as it says.
    let mine = unsafe { read("g", p) }.unwrap();
    assert_eq!((mine.size, mine.number, mine.later), (8, 7, 0));
    let told = Grown {
        size: 16,
        number: 9,
        later: 10,
    };
    // SAFETY: as above.
    unsafe { fill("g", p, &told) }.unwrap();
    assert_eq!(*there, [8, 9], "the size stays what C said");
}

#[test]
fn structures_of_a_later_application_are_read_unless_they_ask_for_something_new() {
    let mut there = memory(&[7, 8, 0, 0, 0]);
    let p = there.as_mut_ptr().cast::<Grown>();
    // SAFETY: as many bytes as it says.
    let mine = unsafe { read("g", p) }.unwrap();
    assert_eq!((mine.number, mine.later), (7, 8));
    there[5] = 1 << 31;
    let p = there.as_mut_ptr().cast::<Grown>();
    // SAFETY: as above.
    let words = said(unsafe { read("g", p) });
    assert!(words.contains("later library"), "{words}");
    let told = Grown {
        size: 16,
        number: 9,
        later: 10,
    };
    // SAFETY: as above.
    unsafe { fill("g", p, &told) }.unwrap();
    assert_eq!(*there, [24, 9, 10, 0, 0, 0], "what it does not know is 0");
}

#[test]
fn a_size_that_cannot_be_is_said_and_nothing_is_touched_behind_it() {
    for size in [0, 7, (1 << 16) + 1, u32::MAX] {
        let mut there = Box::new(size);
        let p = (&raw mut *there).cast::<Grown>();
        // SAFETY: the u32 is there.
        let words = said(unsafe { read("g", p) });
        let expected = format!("g: size is {size}; expected sizeof, which GROWN_INIT sets");
        assert_eq!(words, expected);
        // SAFETY: as above.
        assert_eq!(said(unsafe { fill("g", p, &Grown::zeros()) }), expected);
        assert_eq!(*there, size);
    }
}

#[test]
fn null_and_what_is_not_aligned_is_said() {
    let mut there = [0_u64; 2];
    let odd = there.as_mut_ptr().cast::<u8>().wrapping_add(1);
    // SAFETY: NULL, or within the array.
    unsafe {
        assert!(said(look("x", null::<u64>())).starts_with("x: it is NULL"));
        assert!(said(look("x", odd.cast::<u64>())).contains("not aligned"));
        assert!(said(read("x", odd.cast::<Grown>())).contains("not aligned"));
        assert!(said(out("x", null_mut(), || Ok(1))).starts_with("x:"));
        assert!(said(out("x", odd.cast::<*mut u8>(), || Ok(1))).starts_with("x:"));
    }
    assert_eq!(there, [0; 2]);
}

#[test]
fn text_is_utf8_or_said() {
    let (good, bad) = (CString::new("Straße").unwrap(), CString::new([0xff]));
    let bad = bad.unwrap();
    // SAFETY: NULL, or text that lives.
    unsafe {
        assert_eq!(text("t", good.as_ptr()).unwrap(), "Straße");
        assert_eq!(optional("t", null()).unwrap(), None);
        assert!(said(text("t", null())).starts_with("t: it is NULL"));
        assert_eq!(said(optional("t", bad.as_ptr())), "t: expected UTF-8");
    }
}

/// Counts its end, and may not survive it.
struct Counted(Rc<Cell<u32>>, bool);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
        assert!(!self.1, "on purpose");
    }
}

#[test]
fn an_object_is_put_where_c_wants_it_and_ended_once() {
    let ended = Rc::new(Cell::new(0));
    for panics in [false, true] {
        let mut there = Box::new(null_mut::<Counted>());
        // SAFETY: room for a pointer.
        unsafe { out("o", &raw mut *there, || Ok(Counted(ended.clone(), panics))) }.unwrap();
        // SAFETY: it came from `out`.
        unsafe { end(*there) };
    }
    assert_eq!(ended.get(), 2);
    assert_eq!(Rc::strong_count(&ended), 1, "something was not freed");
    // SAFETY: NULL is nothing.
    unsafe { end(null_mut::<Counted>()) };
}

#[test]
fn what_fails_leaves_null_where_the_object_would_be() {
    let mut there = std::ptr::dangling_mut::<u8>();
    // SAFETY: room for a pointer.
    let words = said(unsafe { out("o", &raw mut there, || Err(Fault::invalid("a", "wrong"))) });
    assert_eq!(words, "a: wrong");
    assert!(there.is_null());
}

#[test]
fn a_panic_goes_no_further_and_is_the_last_error() {
    assert_eq!(
        call(|| panic!("on purpose")),
        mooring_code::MOORING_INTERNAL
    );
    assert!(last_words().contains("please report it"));
    assert_eq!(give(-1, || panic!("on purpose")), -1);
    assert_eq!(mooring_last_code(), mooring_code::MOORING_INTERNAL);
    assert_eq!(give(-1, || Ok(3)), 3);
    assert_eq!(last_words(), "");
}

#[test]
fn text_in_a_field_is_cut_at_a_character_and_ends_with_a_zero() {
    let read = |f: &[c_char]| {
        let bytes: Vec<u8> = f.iter().map(|c| c.cast_unsigned()).collect();
        let text = CStr::from_bytes_until_nul(&bytes).unwrap();
        text.to_str().unwrap().to_owned()
    };
    assert_eq!(read(&field::<8>("seven77")), "seven77");
    assert_eq!(read(&field::<8>("eight888")), "eight88");
    assert_eq!(read(&field::<4>("aßß")), "aß");
    assert_eq!(read(&field::<4>("aaß")), "aa");
    assert_eq!(read(&field::<1>("ß")), "");
}

#[test]
fn a_negative_time_is_for_ever_and_no_time_is_longer() {
    assert_eq!(time(0), Duration::ZERO);
    assert_eq!(time(1500), Duration::from_millis(1500));
    assert_eq!(time(-1), FOREVER);
    assert_eq!(time(i64::MAX), FOREVER);
}
