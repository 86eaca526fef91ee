//! Ids and secrets from the kernel's random numbers.

use mooring_core::names::{InstanceId, LeaseId, RequestId};
use mooring_core::secret::Secret;
use ring::rand::{SecureRandom as _, SystemRandom};

/// `N` random bytes. The kernel's generator does not fail once it is seeded; if it ever does, the
/// process ends, because nothing safe can be done without it.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut b = [0; N];
    if SystemRandom::new().fill(&mut b).is_err() {
        eprintln!("the kernel gives no random numbers");
        std::process::abort();
    }
    b
}

pub fn lease_id() -> LeaseId {
    LeaseId::from_bytes(bytes())
}

pub fn instance_id() -> InstanceId {
    InstanceId::from_bytes(bytes())
}

pub fn request_id() -> RequestId {
    RequestId::from_bytes(bytes())
}

pub fn secret() -> Secret {
    Secret::from_bytes(bytes())
}

/// A number in `0.0..1.0`, for jitter.
pub fn fraction() -> f64 {
    f64::from(u32::from_le_bytes(bytes())) / (f64::from(u32::MAX) + 1.0)
}
