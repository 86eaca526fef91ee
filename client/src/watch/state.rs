//! What an application is told of its seat, in one word that fits an atomic: [`State`], [`Why`],
//! [`Word`].

use mooring_core::time::BootTime;
use std::ffi::CStr;
use std::fmt;
use std::time::Duration;

/// How the application stands with one seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The license server is in contact, and its answer to the application's own question has
    /// verified.
    #[non_exhaustive]
    Licensed {
        /// Until when on the boot clock (see [`boot`](crate::boot)) if there is no further contact.
        /// It moves on with each renewal.
        until: BootTime,
    },
    /// Still licensed, but nothing moves the limit on: save the work, tell the user. It may become
    /// `Licensed` again.
    Ending {
        /// How long from now.
        in_: Duration,
        /// Why it ends.
        why: Why,
    },
    /// Not licensed.
    Unlicensed {
        /// Why not.
        why: Why,
    },
}

impl State {
    /// Whether the application may go on: `Licensed` or `Ending`.
    pub const fn is_licensed(&self) -> bool {
        !matches!(self, Self::Unlicensed { .. })
    }

    /// Why it ends or has ended; none while it is `Licensed`.
    pub const fn why(&self) -> Option<Why> {
        match self {
            Self::Licensed { .. } => None,
            Self::Ending { why, .. } | Self::Unlicensed { why } => Some(*why),
        }
    }
}

const fn c_text(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => c"",
    }
}

macro_rules! whys {
    ($($(#[$doc:meta])* $v:ident = $n:literal, $text:literal, $action:literal;)*) => {
        /// Why a seat is ending, or is not licensed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Why { $($(#[$doc])* $v = $n,)* }

        impl Why {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$v,)*];

            /// In words.
            pub const fn explain(self) -> &'static str {
                match self { $(Self::$v => $text,)* }
            }

            /// What the user can do.
            pub const fn action(self) -> &'static str {
                match self { $(Self::$v => $action,)* }
            }

            /// Its name, the same in every client library.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$v => stringify!($v),)* }
            }

            /// Name, words and action for C.
            #[doc(hidden)]
            pub const fn c_texts(self) -> [&'static CStr; 3] {
                match self { $(Self::$v => [
                    c_text(concat!(stringify!($v), "\0")),
                    c_text(concat!($text, "\0")),
                    c_text(concat!($action, "\0")),
                ],)* }
            }

            /// Its number, the same in every client library and version; from 1.
            pub const fn code(self) -> u64 {
                match self { $(Self::$v => $n,)* }
            }

            /// The one with this number.
            pub const fn from_code(n: u64) -> Option<Self> {
                match n { $($n => Some(Self::$v),)* _ => None }
            }
        }
    };
}

whys! {
    /// The sidecar lives, and has no contact with the license server.
    NoServer = 1, "the license server cannot be reached", "see what the sidecar's log says of the license server";
    /// The sidecar cannot be reached.
    NoSidecar = 2, "the sidecar cannot be reached", "see whether the container `mooring` (or the agent) runs";
    /// The sidecar says that the seat is held, and nothing has proved it to this application yet.
    Unproven = 3, "no license server has confirmed this application's own question yet", "wait until the license server is in reach";
    /// The seat was given to another holder while there was no contact.
    Contested = 4, "the seat was given to another holder while there was no contact", "save the work; a free seat ends this by itself";
    /// The sidecar was away for so long that it has given the seat back; it is being asked for
    /// anew.
    GivenBack = 5, "the sidecar was away, and the seat was given back", "save the work; the seat is being asked for anew";
    /// No answer yet.
    Seeking = 6, "there is no answer yet", "wait";
    /// In line.
    Waiting = 7, "all seats are taken", "wait, or free a seat";
    /// The license server said no.
    Refused = 8, "the license server refused", "see the message; the license may not cover this product or version";
    /// The lease was taken away.
    Lost = 9, "the lease was lost", "see the message of the sidecar";
    /// Given back.
    Released = 10, "the seat was given back", "ask for it anew";
    /// The limit passed without contact.
    Expired = 11, "the time without contact is over", "bring the license server back into reach";
    /// The token does not verify: edited, replayed, another vendor's, or for another product or
    /// version.
    NotVerified = 12, "the token does not verify", "see the message; something between application and license server is not what it should be";
    /// The token is for another lease than the sidecar names.
    OtherLease = 13, "the token is for another lease", "something between application and license server is not what it should be";
    /// The token is for fewer seats than were asked for.
    FewerSeats = 14, "the token is for fewer seats than were asked for", "something between application and license server is not what it should be";
    /// This is a forked child; the seat is its parent's.
    Forked = 15, "this process was forked, and the seat is its parent's", "take a seat in the child";
    /// Nothing here names this product.
    NotAsked = 16, "the sidecar has no claim for this product", "annotate the pod: mooring.dev/licenses";
    /// The answer verifies, but its date does not fit this machine's clock: as if there were none.
    ClockOrStale = 17, "the license server's answer is dated more than a day from this machine's clock", "set the clock of this machine, or of the license server; see the message for both times";
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explain())
    }
}

/// A standing in 64 bits: until when, and why it ends or has ended. Reading it with the time gives
/// a [`State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u64);

/// Milliseconds since boot; enough for 8,900 years.
const LIMIT_BITS: u32 = 48;
const LIMIT_MASK: u64 = (1 << LIMIT_BITS) - 1;

impl Word {
    /// Licensed until `limit`; `ending` if nothing moves that on.
    pub(super) const fn licensed(limit: BootTime, ending: Option<Why>) -> Self {
        let code = match ending {
            None => 0,
            Some(w) => w.code(),
        };
        let ms = limit.as_millis();
        let ms = if ms > LIMIT_MASK { LIMIT_MASK } else { ms };
        Self(ms | code << LIMIT_BITS)
    }

    /// Not licensed.
    pub(crate) const fn unlicensed(why: Why) -> Self {
        Self(why.code() << LIMIT_BITS)
    }

    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// The limit; zero if it is not licensed.
    pub(crate) const fn limit(self) -> BootTime {
        BootTime::from_millis(self.0 & LIMIT_MASK)
    }

    /// Without the limit of a standing that moves on by itself: two words with the same key are no
    /// change to tell.
    pub(crate) const fn key(self) -> u64 {
        if self.0 >> LIMIT_BITS == 0 { 0 } else { self.0 }
    }

    /// What it means at `now`.
    pub(crate) fn at(self, now: BootTime) -> State {
        let (limit, why) = (self.limit(), Why::from_code(self.0 >> LIMIT_BITS));
        if now < limit {
            match why {
                None => State::Licensed { until: limit },
                Some(why) => State::Ending {
                    in_: now.until(limit),
                    why,
                },
            }
        } else {
            let never = limit == BootTime::default();
            State::Unlicensed {
                why: why.filter(|_| never).unwrap_or(Why::Expired),
            }
        }
    }
}

#[cfg(test)]
mod tests;
