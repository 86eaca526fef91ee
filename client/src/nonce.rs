//! Questions that nobody can have been asked before, and secrets that nobody else has.

use crate::error::Error;
use mooring_core::secret::Secret;

/// 128 random bits from the kernel, in 32 hexadecimal digits.
pub(crate) fn nonce() -> Result<String, Error> {
    Ok(format!("{:032x}", u128::from_be_bytes(random()?)))
}

/// What tells this seat from any other.
pub(crate) fn secret() -> Result<Secret, Error> {
    Ok(Secret::from_bytes(random()?))
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0u8; N];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|r| !r.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(n) => filled += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => {
                let e = std::io::Error::from(e);
                let problem = format!("the kernel gives no random numbers: {e}");
                return Err(Error::Broken(problem));
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn nonces_are_as_the_server_wants_them_and_differ() {
        let (a, b) = (nonce().unwrap(), nonce().unwrap());
        assert!(a.len() == 32 && a != b);
    }
}
