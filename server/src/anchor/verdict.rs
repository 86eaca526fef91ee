//! What a token's answer to a login means.
//!
//! A return code that blames the PIN is taken at its word. One that clears it is believed only if
//! token or session bear it out: there are modules that call a wrong PIN a removed device, and a
//! login at each reopening would lock the card. Whatever else there is may mean a wrong PIN.

use super::protocol::Tries;
use cryptoki::error::RvError;

/// What became of a login that the module did not call a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginOutcome {
    /// The token refused the PIN.
    Rejected,
    /// Nobody says that it refused the PIN, but it has counted a wrong one.
    Counted,
    /// The session is logged in, by an earlier login: the PIN was compared with nothing.
    LoggedIn,
    /// The token has no user PIN, so it was compared with nothing.
    NoUserPin,
    /// The token is not there.
    Gone,
    /// The PIN may be wrong, or anything else.
    Unclear,
}

/// What is seen after such a login.
#[derive(Clone, Copy, Debug)]
pub(super) struct After {
    pub(super) token: Said,
    /// The session says that the user is logged in.
    pub(super) logged_in: bool,
}

/// What the token says of itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    /// The slot is empty.
    Gone,
    Nothing,
    Info {
        tries: Tries,
        /// Whether it has one.
        user_pin: bool,
    },
}

/// Judges a return code; none stands for an error that is not the module's. `before`: the tries as
/// the token was opened. `after` is asked only where it matters: a module may hang in it.
pub(super) fn judge(
    code: Option<RvError>,
    before: Tries,
    after: impl FnOnce() -> After,
) -> LoginOutcome {
    use RvError as E;
    if let Some(
        E::PinIncorrect
        | E::PinInvalid
        | E::PinLenRange
        | E::PinExpired
        | E::PinLocked
        | E::PinTooWeak,
    ) = code
    {
        return LoginOutcome::Rejected;
    }
    let after = after();
    match (code, after.token) {
        (_, Said::Info { tries, .. }) if tries > before => LoginOutcome::Counted,
        (Some(E::UserAlreadyLoggedIn), _) if after.logged_in => LoginOutcome::LoggedIn,
        (Some(E::UserPinNotInitialized), Said::Info { user_pin, .. }) if !user_pin => {
            LoginOutcome::NoUserPin
        }
        (Some(code), Said::Gone) if may_mean_gone(code) => LoginOutcome::Gone,
        _ => LoginOutcome::Unclear,
    }
}

/// Whether this is what a login says after the token was pulled out, which closes its sessions.
fn may_mean_gone(code: RvError) -> bool {
    let closed = matches!(code, RvError::SessionHandleInvalid | RvError::SessionClosed);
    closed || means_gone(code)
}

/// Whether this is what a slot says from which the token was pulled out.
pub(super) fn means_gone(code: RvError) -> bool {
    use RvError as E;
    matches!(
        code,
        E::TokenNotPresent | E::DeviceRemoved | E::TokenNotRecognized | E::SlotIdInvalid
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use cryptoki::error::Rv;

    const ALL_TRIES: [Tries; 4] = [Tries::Several, Tries::SomeUsed, Tries::Last, Tries::Locked];

    /// Each code that the standard knows, one that it does not, a vendor's, and an error that is
    /// not the module's.
    fn all_codes() -> Vec<Option<RvError>> {
        let numbers = (1..=0x300).chain([0x8000_0000, 0x8000_00a0, u64::MAX]);
        let code = |n: u64| match Rv::from(n) {
            Rv::Ok => panic!("{n}"),
            Rv::Error(code) => code,
        };
        let unknown = |c: &RvError| matches!(c, RvError::UnknownErrorCode(n) if *n != 0x300);
        let codes = numbers.map(code).filter(|c| !unknown(c));
        let all: Vec<_> = codes.map(Some).chain([None]).collect();
        assert!(all.len() > 90, "{}", all.len());
        all
    }

    fn all_words() -> Vec<After> {
        let infos = ALL_TRIES
            .into_iter()
            .flat_map(|tries| [true, false].map(|user_pin| Said::Info { tries, user_pin }));
        let all = infos.chain([Said::Gone, Said::Nothing]);
        all.flat_map(|token| [true, false].map(|logged_in| After { token, logged_in }))
            .collect()
    }

    /// The only codes that are more than "unclear", and what else must be so.
    fn table(code: Option<RvError>, after: After) -> Option<LoginOutcome> {
        use RvError as E;
        let gone = matches!(after.token, Said::Gone);
        let no_pin = matches!(
            after.token,
            Said::Info {
                user_pin: false,
                ..
            }
        );
        let (verdict, if_so) = match code? {
            E::PinIncorrect
            | E::PinInvalid
            | E::PinLenRange
            | E::PinExpired
            | E::PinLocked
            | E::PinTooWeak => (LoginOutcome::Rejected, true),
            E::TokenNotPresent
            | E::TokenNotRecognized
            | E::DeviceRemoved
            | E::SlotIdInvalid
            | E::SessionClosed
            | E::SessionHandleInvalid => (LoginOutcome::Gone, gone),
            E::UserAlreadyLoggedIn => (LoginOutcome::LoggedIn, after.logged_in),
            E::UserPinNotInitialized => (LoginOutcome::NoUserPin, no_pin),
            _ => return None,
        };
        if_so.then_some(verdict)
    }

    #[test]
    fn every_return_code_may_mean_a_wrong_pin_unless_the_token_bears_out_that_it_does_not() {
        for code in all_codes() {
            for after in all_words() {
                for before in ALL_TRIES {
                    let counted = matches!(after.token, Said::Info { tries, .. } if tries > before);
                    let want = match table(code, after) {
                        Some(LoginOutcome::Rejected) => LoginOutcome::Rejected,
                        _ if counted => LoginOutcome::Counted,
                        other => other.unwrap_or(LoginOutcome::Unclear),
                    };
                    let got = judge(code, before, || after);
                    assert_eq!(got, want, "{code:?}, {before:?}, then {after:?}");
                }
            }
        }
    }

    #[test]
    fn a_token_that_refuses_the_pin_is_asked_nothing_more() {
        let code = Some(RvError::PinIncorrect);
        let verdict = judge(code, Tries::Several, || panic!("asked"));
        assert_eq!(verdict, LoginOutcome::Rejected);
    }
}
