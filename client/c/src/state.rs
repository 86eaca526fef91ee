//! What is told of a seat.

use crate::border::{Sized32, field};
use crate::proof::mooring_proof;
use mooring_client::{Details, State, Why, boot};
use std::ffi::c_char;

/// How an application stands with a seat.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum mooring_standing {
    /// Not licensed: stop the licensed work. The seat goes on trying.
    MOORING_UNLICENSED = 0,
    /// Licensed, and confirmed by the license server.
    MOORING_LICENSED = 1,
    /// Still licensed, but nothing moves the limit on at present: save the work, tell the user.
    MOORING_ENDING = 2,
}

/// How it stands now. Set size to sizeof(mooring_state), or begin with MOORING_STATE_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct mooring_state {
    /// sizeof(mooring_state), as the application was compiled.
    pub size: u32,
    /// Licensed, ending, or not.
    pub standing: mooring_standing,
    /// Why it ends or has ended, one of MOORING_WHY_…; MOORING_WHY_NONE while it is licensed.
    pub why: u32,
    /// Nothing.
    pub reserved: u32,
    /// Until when, in milliseconds of the boot clock (CLOCK_BOOTTIME); 0 if it is not licensed.
    pub until_boot_ms: u64,
    /// The same from now.
    pub remaining_ms: u64,
    /// Grows with each change; for mooring_wait().
    pub changes: u64,
}

// SAFETY: repr(C), begins with a u32; zeros are numbers and MOORING_UNLICENSED.
unsafe impl Sized32 for mooring_state {
    const INIT: &'static str = "MOORING_STATE_INIT";
}

impl mooring_state {
    pub(crate) fn of(state: State, changes: u64) -> Self {
        use mooring_standing::{MOORING_ENDING, MOORING_LICENSED, MOORING_UNLICENSED};
        let now = boot();
        let (standing, until) = match state {
            State::Licensed { until, .. } => (MOORING_LICENSED, until.as_millis()),
            State::Ending { in_, .. } => (MOORING_ENDING, (now + in_).as_millis()),
            State::Unlicensed { .. } => (MOORING_UNLICENSED, 0),
        };
        Self {
            size: size_of::<Self>() as u32,
            standing,
            why: state.why().map_or(0, |w| w.code() as u32),
            reserved: 0,
            until_boot_ms: until,
            remaining_ms: until.saturating_sub(now.as_millis()),
            changes,
        }
    }
}

/// More about a seat. Set size to sizeof(mooring_details), or begin with MOORING_DETAILS_INIT.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct mooring_details {
    /// sizeof(mooring_details), as the application was compiled.
    pub size: u32,
    /// The place in line, from 1; 0 if it is in none.
    pub place: u32,
    /// The claim's name; "" if it has none yet.
    pub claim: [c_char; 64],
    /// What the sidecar says of it, unverified: "Held", "Grace", "Waiting", …; "" if nothing yet.
    pub told: [c_char; 32],
    /// What happened, in words, where there is something to say; else "".
    pub message: [c_char; 512],
    /// 1: proof is the last token that verified. 0: none has yet.
    pub proved: u32,
    /// Nothing.
    pub reserved: u32,
    /// The last token that verified.
    pub proof: mooring_proof,
}

// SAFETY: repr(C), begins with a u32; zeros are numbers and empty text.
unsafe impl Sized32 for mooring_details {
    const INIT: &'static str = "MOORING_DETAILS_INIT";
}

impl mooring_details {
    pub(crate) fn of(d: &Details) -> Self {
        let claim = d.claim.as_ref().map(ToString::to_string);
        let told = d.told.map(|t| t.to_string());
        let proof = d.proof.as_ref().map(mooring_proof::of_lease);
        Self {
            size: size_of::<Self>() as u32,
            place: d.place.unwrap_or_default(),
            claim: field(&claim.unwrap_or_default()),
            told: field(&told.unwrap_or_default()),
            message: field(d.message.as_deref().unwrap_or_default()),
            proved: proof.is_some().into(),
            reserved: 0,
            proof: proof.unwrap_or_default(),
        }
    }
}

/// Nothing ends it.
pub const MOORING_WHY_NONE: u32 = 0;

/// The sidecar lives, and has no contact with the license server.
pub const MOORING_WHY_NO_SERVER: u32 = 1;
/// The sidecar cannot be reached.
pub const MOORING_WHY_NO_SIDECAR: u32 = 2;
/// Nothing has proved the seat to this application yet.
pub const MOORING_WHY_UNPROVEN: u32 = 3;
/// The seat was given to another holder while there was no contact.
pub const MOORING_WHY_CONTESTED: u32 = 4;
/// The sidecar was away, and the seat was given back; it is being asked for anew.
pub const MOORING_WHY_GIVEN_BACK: u32 = 5;
/// No answer yet.
pub const MOORING_WHY_SEEKING: u32 = 6;
/// In line.
pub const MOORING_WHY_WAITING: u32 = 7;
/// The license server said no.
pub const MOORING_WHY_REFUSED: u32 = 8;
/// The lease was taken away.
pub const MOORING_WHY_LOST: u32 = 9;
/// Given back.
pub const MOORING_WHY_RELEASED: u32 = 10;
/// The limit passed without contact.
pub const MOORING_WHY_EXPIRED: u32 = 11;
/// The token does not verify.
pub const MOORING_WHY_NOT_VERIFIED: u32 = 12;
/// The token is for another lease.
pub const MOORING_WHY_OTHER_LEASE: u32 = 13;
/// The token is for fewer seats than were asked for.
pub const MOORING_WHY_FEWER_SEATS: u32 = 14;
/// This is a forked child; the seat is its parent's.
pub const MOORING_WHY_FORKED: u32 = 15;
/// Nothing here names this product.
pub const MOORING_WHY_NOT_ASKED: u32 = 16;
/// The license server's answer is dated more than a day from this machine's clock.
pub const MOORING_WHY_CLOCK_OR_STALE: u32 = 17;

/// One of a reason's texts; "" for MOORING_WHY_NONE and what this version does not know.
fn words(why: u32, which: usize) -> *const c_char {
    let why = Why::from_code(why.into());
    let text = why.and_then(|w| w.c_texts().get(which).copied());
    text.unwrap_or(c"").as_ptr()
}

/// The reason's name, the same in every client library: "NoServer", …; "" for MOORING_WHY_NONE. It
/// need not be freed.
#[unsafe(no_mangle)]
pub extern "C" fn mooring_why_name(why: u32) -> *const c_char {
    words(why, 0)
}

/// The reason in words for people. It need not be freed.
#[unsafe(no_mangle)]
pub extern "C" fn mooring_why_words(why: u32) -> *const c_char {
    words(why, 1)
}

/// What the user can do about it. It need not be freed.
#[unsafe(no_mangle)]
pub extern "C" fn mooring_why_action(why: u32) -> *const c_char {
    words(why, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each constant of the header beside the library's.
    const ALL: &[(u32, Why)] = &[
        (MOORING_WHY_NO_SERVER, Why::NoServer),
        (MOORING_WHY_NO_SIDECAR, Why::NoSidecar),
        (MOORING_WHY_UNPROVEN, Why::Unproven),
        (MOORING_WHY_CONTESTED, Why::Contested),
        (MOORING_WHY_GIVEN_BACK, Why::GivenBack),
        (MOORING_WHY_SEEKING, Why::Seeking),
        (MOORING_WHY_WAITING, Why::Waiting),
        (MOORING_WHY_REFUSED, Why::Refused),
        (MOORING_WHY_LOST, Why::Lost),
        (MOORING_WHY_RELEASED, Why::Released),
        (MOORING_WHY_EXPIRED, Why::Expired),
        (MOORING_WHY_NOT_VERIFIED, Why::NotVerified),
        (MOORING_WHY_OTHER_LEASE, Why::OtherLease),
        (MOORING_WHY_FEWER_SEATS, Why::FewerSeats),
        (MOORING_WHY_FORKED, Why::Forked),
        (MOORING_WHY_NOT_ASKED, Why::NotAsked),
        (MOORING_WHY_CLOCK_OR_STALE, Why::ClockOrStale),
    ];

    #[test]
    fn numbers_are_those_of_the_library() {
        for (n, why) in ALL {
            assert_eq!(u64::from(*n), why.code());
        }
        let listed: Vec<_> = ALL.iter().map(|(_, w)| *w).collect();
        assert_eq!(listed, Why::ALL, "a reason is missing in the header");
    }
}
