//! The functions as C calls them, as far as they go without a sidecar and without a signature: so
//! Miri runs them, which has neither sockets nor ring's assembly.
#![allow(clippy::unwrap_used)]
use crate::border::Sized32 as _;
use crate::claim::mooring_claim;
use crate::last::mooring_code::{self, MOORING_ANSWER, MOORING_INVALID};
use crate::last::{mooring_last_error, mooring_last_reason};
use crate::mooring::*;
use crate::opts::mooring_opts;
use crate::proof::{mooring_clock, mooring_proof, mooring_verify};
use crate::seat::*;
use crate::state::*;
use mooring_client::MAX_BODY;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{dangling_mut, null, null_mut};

/// Text of C's: what is handed out by the library, or what a test holds.
fn text(p: *const c_char) -> String {
    // SAFETY: it ends with a zero, and lives until this thread's next call.
    unsafe { CStr::from_ptr(p) }.to_str().unwrap().to_owned()
}

#[track_caller]
fn invalid(code: mooring_code, field: &str) {
    assert_eq!(code, MOORING_INVALID);
    let words = text(mooring_last_error());
    assert!(words.contains(field), "{words}");
    assert_eq!(text(mooring_last_reason()), "Argument");
}

extern "C" fn never(_: *const mooring_state, _: *mut c_void) {
    std::process::abort();
}

#[test]
fn null_everywhere_is_said_and_leaves_null() {
    let product = c"render".as_ptr();
    let claim = mooring_claim::zeros();
    let (mut m, mut s) = (dangling_mut(), dangling_mut());
    let mut json = dangling_mut();
    // SAFETY: what is not NULL is as the header says.
    unsafe {
        invalid(mooring_connect(null(), &raw mut m), "opts:");
        assert!(m.is_null());
        invalid(mooring_connect(null(), null_mut()), "m:");
        invalid(mooring_hold(m, product, 1, 0, &raw mut s), "m:");
        assert!(s.is_null());
        invalid(mooring_hold(m, product, 1, 0, null_mut()), "s:");
        invalid(mooring_hold_claim(m, &raw const claim, &raw mut s), "m:");
        invalid(mooring_begin(m, &raw const claim, &raw mut s), "m:");
        invalid(mooring_begun(s), "s:");
        assert!(!mooring_check(s));
        assert_eq!(mooring_fd(s), -1);
        invalid(mooring_get_state(s, null_mut()), "s:");
        invalid(mooring_get_details(s, null_mut()), "s:");
        invalid(mooring_poll(s), "s:");
        invalid(mooring_wait(s, 0, -1), "s:");
        invalid(mooring_on_change(s, Some(never), null_mut()), "s:");
        invalid(mooring_prove(m, product, null_mut()), "m:");
        invalid(mooring_status(m, &raw mut json), "m:");
        assert!(json.is_null());
        invalid(mooring_put_claim(m, product, null(), 1, 0), "m:");
        invalid(mooring_delete_claim(m, product), "m:");
        mooring_release(s);
        mooring_close(m);
        mooring_free(json);
    }
}

/// What an application says of itself, in memory that is just large enough.
struct Said {
    keys: Box<[[u8; 32]]>,
    version: CString,
    built_on: CString,
    socket: CString,
}

impl Said {
    fn new() -> Self {
        Self {
            keys: Box::new([[1; 32], [2; 32]]),
            version: CString::from(c"2026.1"),
            built_on: CString::from(c"2026-03-01"),
            socket: CString::from(c"/nowhere/mooring.sock"),
        }
    }

    fn opts(&self) -> mooring_opts {
        mooring_opts {
            size: size_of::<mooring_opts>() as u32,
            vendor_keys_len: self.keys.len() as u32,
            vendor_keys: self.keys.as_ptr(),
            app_version: self.version.as_ptr(),
            built_on: self.built_on.as_ptr(),
            socket: self.socket.as_ptr(),
            ..mooring_opts::zeros()
        }
    }
}

#[test]
fn what_an_application_says_wrongly_of_itself_is_said_by_field() {
    let said = Said::new();
    let connect = |change: fn(&mut mooring_opts)| {
        let (mut opts, mut m) = (Box::new(said.opts()), dangling_mut());
        change(&mut opts);
        // SAFETY: as the header says; what is wrong with it may be.
        let code = unsafe { mooring_connect(&raw const *opts, &raw mut m) };
        assert!(m.is_null());
        code
    };
    invalid(connect(|o| o.size = 4), "MOORING_OPTS_INIT");
    invalid(connect(|o| o.vendor_keys = null()), "opts.vendor_keys");
    invalid(connect(|o| o.vendor_keys_len = 0), "vendor keys");
    invalid(connect(|o| o.vendor_keys_len = 65), "opts.vendor_keys_len");
    invalid(
        connect(|o| o.app_version = c"two words".as_ptr()),
        "app_version",
    );
    invalid(connect(|o| o.app_version = c"\xff".as_ptr()), "UTF-8");
    invalid(connect(|o| o.built_on = c"yesterday".as_ptr()), "built_on");
    invalid(connect(|o| o.socket = c"\xc3(".as_ptr()), "opts.socket");
    invalid(connect(|o| o.min_anchor = 7), "opts.min_anchor");
    let unverified = "opts.allow_unverified_start";
    invalid(connect(|o| o.allow_unverified_start = 3), unverified);
}

#[test]
fn a_bundle_is_read_as_far_as_its_length_and_the_clock_as_far_as_its_size() {
    let (said, product) = (Said::new(), CString::from(c"render"));
    let opts = said.opts();
    let mut proof = Box::new(mooring_proof::default());
    let mut verify = |bundle: &[u8], bind: *const c_char, clock: Option<mooring_clock>| {
        let bundle: Box<[u8]> = bundle.into();
        let clock = clock.map(Box::new);
        let clock = clock.as_deref().map_or(null(), std::ptr::from_ref);
        // SAFETY: as the header says; the bundle need not end with a zero.
        unsafe {
            mooring_verify(
                &raw const opts,
                product.as_ptr(),
                null(),
                bind,
                bundle.as_ptr().cast(),
                bundle.len(),
                clock,
                &raw mut *proof,
            )
        }
    };
    for unreadable in [&b""[..], b"{", b"{}", b"[1]", b"\xff"] {
        assert_eq!(verify(unreadable, null(), None), MOORING_ANSWER);
        let words = text(mooring_last_error());
        assert!(words.contains("bundle"), "{words}");
    }
    // A license comes with each lease, and may sell ten thousand products.
    let longest = verify(&vec![0xff; MAX_BODY], null(), None);
    assert_eq!(longest, MOORING_ANSWER);
    invalid(verify(&vec![0xff; MAX_BODY + 1], null(), None), "len");
    let empty = r#"{"payloadType":"","payload":"","signatures":[]}"#;
    let whole = format!(r#"{{"licenses":[{empty}],"delegation":{empty},"lease":{empty}}}"#);
    invalid(verify(whole.as_bytes(), c"short".as_ptr(), None), "bind");
    let clock = mooring_clock {
        size: size_of::<mooring_clock>() as u32,
        ..mooring_clock::zeros()
    };
    let mut at = |now_ms, first_issued_ms, field| {
        let clock = mooring_clock {
            now_ms,
            first_issued_ms,
            ..clock
        };
        invalid(verify(b"{}", null(), Some(clock)), field);
    };
    at(i64::MAX, 0, "clock.now_ms");
    at(0, i64::MIN, "clock.first_issued_ms");
}

#[test]
fn what_need_not_be_freed_is_text_at_any_time() {
    assert_eq!(text(crate::mooring_version()), env!("CARGO_PKG_VERSION"));
    for get in [mooring_why_name, mooring_why_words, mooring_why_action] {
        for why in MOORING_WHY_NO_SERVER..=MOORING_WHY_CLOCK_OR_STALE {
            assert!(!text(get(why)).is_empty(), "{why}");
        }
        for none in [MOORING_WHY_NONE, MOORING_WHY_CLOCK_OR_STALE + 1, u32::MAX] {
            assert_eq!(text(get(none)), "");
        }
    }
}
