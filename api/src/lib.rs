//! Mooring's Kubernetes API: the custom resources of group `mooring.dev`, version `v1alpha1`, as
//! Rust types, and the names that programs share.
//!
//! The operator, the command line and the scenarios read and write the same types; `crds/*.yaml` is
//! generated from them. Bounds and CEL rules live here, so that the API server answers a bad object
//! at once. Nothing here talks to a cluster.

pub mod anchor;
pub mod ca;
pub mod definitions;
pub mod duration;
pub mod external;
pub mod license_lease;
pub mod license_policy;
pub mod license_server;
pub mod names;
pub mod placement;
pub mod policy_status;
pub mod run_as;
mod schema;
pub mod seat_policy;
pub mod serving;
pub mod status;

pub use anchor::{Anchor, AnchorKind, Hwid, KeyRef, Pcscd, PinRef, Pkcs11, Usb};
pub use duration::{BadSpan, Span};
pub use external::{External, IssuerRef, RootsRef};
pub use license_lease::{
    ClaimStatus, HolderKind, HolderReference, LeaseState, LicenseLease, LicenseLeaseSpec,
    LicenseLeaseStatus, Revoked,
};
pub use license_policy::{BackfillSpec, GroupSpec, LicensePolicy, LicensePolicySpec, PoolSpec};
pub use license_server::{
    AllowedNamespaces, AuditSettings, ClientKeys, Connections, EnvVar, HostPath, HostPathType,
    LeaseSettings, LicenseRef, LicenseServer, LicenseServerSpec, NamespacesFrom, PolicyRef,
    ServiceSettings, ServiceType, Standby, Template, TlsSettings, VendorKeys,
};
pub use placement::{Device, PRESENT, Placement};
pub use policy_status::{GroupStatus, LicensePolicyStatus, PolicyOnServer};
pub use run_as::{BadRunAs, RunAs};
pub use seat_policy::{BadPolicy, Lookup};
pub use serving::{FailoverRequest, Serving, Side};
pub use status::{LicenseServerStatus, ProductStatus, Replacements, StuckPod};
