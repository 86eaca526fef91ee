use super::*;
use std::ffi::CStr;

fn words() -> String {
    // SAFETY: it ends with a zero, and lives until this thread's next call.
    let words = unsafe { CStr::from_ptr(mooring_last_error()) };
    words.to_string_lossy().into_owned()
}

#[test]
fn each_thread_has_a_last_error_of_its_own() {
    remember(Fault::invalid("here", "wrong"));
    let other = std::thread::spawn(|| {
        let before = (words(), mooring_last_code());
        remember(Fault::again());
        (before, mooring_last_code())
    });
    let ((before, none), after) = other
        .join()
        .unwrap_or_else(|e| std::panic::resume_unwind(e));
    assert_eq!((before.as_str(), none), ("", c::MOORING_OK));
    assert_eq!(after, c::MOORING_AGAIN);
    assert_eq!(words(), "here: wrong");
    clear();
    assert_eq!((words().as_str(), mooring_last_code()), ("", c::MOORING_OK));
}

#[test]
fn a_zero_within_a_text_is_not_its_end() {
    remember(Fault::new(c::MOORING_REFUSED, "a\0b", "c\0d\0"));
    assert_eq!(words(), "cd");
    // SAFETY: as in `words`.
    let reason = unsafe { CStr::from_ptr(mooring_last_reason()) };
    assert_eq!(reason.to_str(), Ok("ab"));
}

/// Calls the library while its thread ends.
struct Late;

impl Drop for Late {
    fn drop(&mut self) {
        remember(Fault::again());
        assert!(["", "not yet"].contains(&words().as_str()));
    }
}

#[test]
fn a_thread_that_is_ending_may_still_call() {
    thread_local! { static BEFORE: Late = const { Late }; static AFTER: Late = const { Late }; }
    let thread = std::thread::spawn(|| {
        BEFORE.with(|_| ());
        remember(Fault::again());
        AFTER.with(|_| ());
    });
    assert!(thread.join().is_ok());
}
