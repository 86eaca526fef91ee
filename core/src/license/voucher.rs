//! Vouchers: a vendor's permit to start without a license server in reach, for products of a
//! license, until a day.
//!
//! Where a license says `optimisticStart: voucher`, an application may start without a server only
//! with one of these. It permits a start and nothing else: no seat is counted by it, and how long
//! an application may run on is still the grace.

use super::armour::{ArmourError, dearmour};
use super::check::other_schema;
use super::dsse::{Digest, DsseError, Envelope};
use super::keys::KeyId;
use super::open::Trust;
use super::types;
use crate::names::ProductName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a voucher does not permit a start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// The file is no voucher.
    #[error("not a voucher: {0}")]
    Armour(#[from] ArmourError),
    /// Its signature does not verify.
    #[error("voucher signature: {0}")]
    Signature(#[from] DsseError),
    /// A field is wrong.
    #[error("voucher field {field}: {problem}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Its time has not come.
    #[error("voucher field notBefore: it begins {not_before}, and now it is {now}")]
    NotYet {
        /// When it begins.
        not_before: Timestamp,
        /// The clock.
        now: Timestamp,
    },
    /// Its time is over.
    #[error(
        "voucher field expires: it ended {expires}, and now it is {now}; ask the vendor for a new one"
    )]
    Expired {
        /// When it ended.
        expires: Timestamp,
        /// The clock.
        now: Timestamp,
    },
    /// It permits other products.
    #[error("voucher field products: it is for {named}, not for {product}")]
    OtherProduct {
        /// Those it names.
        named: String,
        /// The one that would start.
        product: ProductName,
    },
}

impl VoucherError {
    /// A short reason in CamelCase.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Armour(_) => "VoucherMalformed",
            Self::Signature(DsseError::WrongType { .. }) => "VoucherType",
            Self::Signature(DsseError::NotSigned { .. }) => "VoucherNotSigned",
            Self::Signature(DsseError::Payload(_)) => "VoucherUnreadable",
            Self::Field { .. } => "VoucherField",
            Self::NotYet { .. } => "VoucherNotYetValid",
            Self::Expired { .. } => "VoucherExpired",
            Self::OtherProduct { .. } => "VoucherProduct",
        }
    }
}

/// The signed document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Voucher {
    /// 1.
    #[cfg_attr(feature = "schema", schemars(extend("const" = 1)))]
    pub schema: u32,
    /// The id of the license under which the application will run once a server is in reach.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))]
    pub license: String,
    /// The products that may start; those of the license that it was made from.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub products: Vec<ProductName>,
    /// When it was issued.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub issued: Timestamp,
    /// From when on it permits a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Instant>"))]
    pub not_before: Option<Timestamp>,
    /// When it ends (UTC, exclusive). An application that has started is not stopped by it.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Instant"))]
    pub expires: Timestamp,
}

impl Voucher {
    /// Whether everything it says fits together.
    pub fn check(&self) -> Result<(), VoucherError> {
        let bad = |field, problem: String| Err(VoucherError::Field { field, problem });
        if let Some(p) = other_schema(self.schema) {
            return bad("schema", p);
        }
        if self.license.trim().is_empty() || self.license.len() > 256 {
            return bad("license", "expected a license's id, 1 to 256 bytes".into());
        }
        if self.products.is_empty() {
            return bad("products", "expected at least one".into());
        }
        let begins = self.not_before.unwrap_or(self.issued);
        if self.expires <= begins {
            let p = format!("{} is not after its begin, {begins}", self.expires);
            return bad("expires", p);
        }
        Ok(())
    }

    /// Whether it permits a start of `product` at `now`.
    pub fn permits(&self, product: &ProductName, now: Timestamp) -> Result<(), VoucherError> {
        if let Some(not_before) = self.not_before.filter(|t| now < *t) {
            return Err(VoucherError::NotYet { not_before, now });
        }
        if now >= self.expires {
            let expires = self.expires;
            return Err(VoucherError::Expired { expires, now });
        }
        if !self.products.contains(product) {
            let names: Vec<&str> = self.products.iter().map(ProductName::as_str).collect();
            return Err(VoucherError::OtherProduct {
                named: names.join(", "),
                product: product.clone(),
            });
        }
        Ok(())
    }
}

/// A voucher that was read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenVoucher {
    /// What it says.
    pub voucher: Voucher,
    /// The SHA-256 of the signed bytes.
    pub digest: Digest,
    /// The signed bytes.
    pub envelope: Envelope,
    /// The vendor's key that verified; none if unchecked.
    pub signed_by: Option<KeyId>,
}

impl OpenVoucher {
    /// Reads a voucher's file. Dates and products are judged by [`Voucher::permits`].
    pub fn read(text: &str, trust: Trust<'_>) -> Result<Self, VoucherError> {
        Self::from_envelope(dearmour(text, types::VOUCHER)?, trust)
    }

    /// Checks a voucher out of its envelope.
    pub fn from_envelope(envelope: Envelope, trust: Trust<'_>) -> Result<Self, VoucherError> {
        let (voucher, signed_by) = trust.open::<Voucher>(&envelope, types::VOUCHER)?;
        voucher.check()?;
        Ok(Self {
            digest: envelope.digest(),
            voucher,
            envelope,
            signed_by,
        })
    }
}
