//! Client tokens: who a holder outside Kubernetes is, said by an administrator's *client key*.
//!
//! A token is a DSSE envelope around [`ClientToken`], written as `mct_‹base64url of the envelope's
//! JSON›` and sent as `Authorization: Bearer`. It names one license server and ends by itself; a
//! list of revoked ones ([`RevokedList`]) ends it earlier. Whoever has it is its subject: it is a
//! secret. It proves who asks and nothing else; a lease is kept by its claim's secret.
//!
//! | file | idea |
//! |---|---|
//! | `subject` | what a holder outside Kubernetes may be called |
//! | `token` | the signed document: sealing, opening |
//! | `issuers` | client keys that may name some subjects alone |
//! | `revoked` | the list of those that count no more |

mod issuers;
mod revoked;
mod subject;
mod token;

pub use issuers::{BadIssuers, Issuer, Issuers, MAX_PREFIX, MOST_ISSUERS, check_prefix};
pub use revoked::{BadRevoked, RevokedList};
pub use subject::{BadSubject, OPERATOR_SUBJECT, check_subject};
pub use token::{CLIENT_TOKEN_PREFIX, ClientToken, ClientTokenError, MAX_CLIENT_TOKEN};
