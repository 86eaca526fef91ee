//! Who asks, by which credential; or why that does not do.

use mooring_core::audit::Credential;
use mooring_core::frontend::Who;
use mooring_core::wire::Problem;

/// Who asks, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) who: Who,
    pub(crate) credential: Credential,
    /// How many claims the token that showed it carries, if it says so.
    pub(crate) claims: Option<u16>,
}

impl Known {
    /// By the connection's certificate.
    pub(crate) fn by_certificate(who: Who) -> Self {
        let credential = match &who {
            Who::Operator => Credential::Operator,
            Who::Holder(h) => Credential::Certificate {
                subject: h.to_string(),
            },
            // Never: an issuer is known by its tokens.
            Who::Issuer { subjects, .. } => Credential::Certificate {
                subject: subjects.clone(),
            },
        };
        Self {
            who,
            credential,
            claims: None,
        }
    }
}

/// Why a credential does not do.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) why: Problem,
    /// Whose it is, where that is known all the same: somebody who is revoked.
    pub(crate) known: Option<Box<Known>>,
}

impl From<Problem> for Rejected {
    fn from(why: Problem) -> Self {
        Self { why, known: None }
    }
}
