//! What this process exits with: the application's code, or what other programs that start programs
//! say in its place.

use std::process::ExitStatus;

/// What other programs that start programs (env, timeout, docker) exit with when they themselves
/// fail.
pub(super) const FAILED: u8 = 125;
pub(super) fn by_signal(n: i32) -> u8 {
    u8::try_from(128 + n).unwrap_or(u8::MAX)
}

pub(super) fn exit_code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(n)) => by_signal(n),
        (None, None) => FAILED,
    }
}
