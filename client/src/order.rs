//! What a seat is asked for, and how the sidecar is asked to follow it.

use crate::sidecar::in_a_query;
use mooring_core::names::{ClaimName, ProductName, Version};
use mooring_core::secret::SecretHash;
use mooring_core::wire::calls::{CallSpec, SocketCall, socket};

#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) product: ProductName,
    pub(crate) seats: u32,
    pub(crate) version: Option<Version>,
    pub(crate) source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// One of its own, that lives as long as the connection.
    Hold,
    /// The pod's, from its annotation.
    Pod,
    /// The one of this name.
    Named(ClaimName),
}

impl Order {
    /// The call whose events follow the claim, and its path; `resume` names a hold of before. A new
    /// one is bound to who has the secret of this hash.
    pub(crate) fn follow(
        &self,
        resume: Option<&ClaimName>,
        optimistic: bool,
        bind: Option<SecretHash>,
    ) -> (&'static CallSpec<SocketCall>, String) {
        if self.source != Source::Hold {
            return (&socket::EVENTS, socket::EVENTS.path.to_owned());
        }
        let hold = socket::HOLD.path;
        if let Some(name) = resume {
            return (&socket::HOLD, format!("{hold}?resume={name}"));
        }
        let product = in_a_query(self.product.as_str());
        let mut path = format!("{hold}?product={product}&seats={}", self.seats);
        if let Some(v) = &self.version {
            path += "&version=";
            path += &in_a_query(v.as_str());
        }
        if optimistic {
            path += "&start=optimistic";
        }
        if let Some(hash) = bind {
            path += "&bind=";
            path += &String::from(hash);
        }
        (&socket::HOLD, path)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_sign_in_a_name_or_a_version_is_encoded() {
        let order = Order {
            product: ProductName::new("pgc++").unwrap(),
            seats: 2,
            version: Some(Version::new("1.0+b2").unwrap()),
            source: Source::Hold,
        };
        let (_, path) = order.follow(None, false, None);
        assert_eq!(path, "/v1/hold?product=pgc%2B%2B&seats=2&version=1.0%2Bb2");
    }
}
