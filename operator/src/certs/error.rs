//! Why there is no CA, or why it did not sign.

use mooring_api::names::CA_SECRET as SECRET;
use mooring_pki::AuthorityError;

/// Why there is no CA, or why it did not sign.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// The API server did not let us read or create the Secret.
    #[error("Secret {namespace}/{SECRET}, which keeps Mooring's CA: {source}")]
    Api {
        namespace: String,
        #[source]
        source: Box<kube::Error>,
    },
    /// The Secret is there, but a key of it is not.
    #[error(
        "Secret {namespace}/{SECRET} has no key `{key}`: restore it from a backup. Without one, delete it while the operator is scaled to 0: it makes a new CA at its next start, \
         and pods that already run trust the old one until they are created anew"
    )]
    Incomplete {
        namespace: String,
        key: &'static str,
    },
    /// Somebody put another CA there.
    #[error(
        "Secret {namespace}/{SECRET} holds another CA now ({theirs}) than this replica signs with ({ours}): this replica ends, and starts again with the Secret's. \
         Pods that trust only {ours} are named by their LicenseServer's condition PodsTrustEarlierCa"
    )]
    Replaced {
        namespace: String,
        ours: String,
        theirs: String,
    },
    /// The Secret's content is no CA, or it did not sign.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}
