//! The smaller files: revocation lists and vouchers.

use super::lines::{Lines, signature};
use crate::output::{self, Form};
use mooring_core::license::{
    Envelope, KeyId, OpenRevocations, OpenVoucher, Revocations, Trust, Voucher,
};
use mooring_core::names::ProductName;
use mooring_core::time::Timestamp;
use serde::Serialize;

/// What a machine reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeenSigned<'a> {
    /// Whether the vendor's signature was verified.
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<&'a str>,
    sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocations: Option<&'a Revocations>,
    #[serde(skip_serializing_if = "Option::is_none")]
    voucher: Option<&'a Voucher>,
}

fn by(key: Option<&KeyId>) -> Option<&str> {
    key.map(|k| k.0.as_str())
}

fn head(what: &str, envelope: &Envelope, key: Option<&KeyId>) -> Lines {
    let mut out = Lines(String::new());
    out.add("File", what);
    out.add("Signature", &signature(envelope, by(key)));
    out
}

/// Prints a revocation list.
pub(super) fn revocations(
    text: &str,
    trust: Trust<'_>,
    now: Timestamp,
    form: Form,
) -> anyhow::Result<()> {
    let open = OpenRevocations::read(text, trust)?;
    let l = &open.list;
    if let Some(data) = form.data() {
        let seen = SeenSigned {
            verified: open.signed_by.is_some(),
            verified_by: by(open.signed_by.as_ref()),
            sha256: &open.digest.0,
            revocations: Some(l),
            voucher: None,
        };
        return Ok(output::print(&data.render(&seen)?)?);
    }
    let mut out = head("revocation list", &open.envelope, open.signed_by.as_ref());
    out.add("Number", &l.number.to_string());
    out.add("Issued", &l.issued.to_string());
    if let Some(next) = l.next {
        let over = if next <= now {
            ": OVER; ask the vendor for a newer one"
        } else {
            ""
        };
        out.add("Next due", &format!("{next}{over}"));
    }
    if l.revoked.is_empty() {
        out.add("Revoked", "none");
    }
    let words = |r: &mooring_core::license::RevokedLicense| {
        let not_yet = if r.since > now { " (not yet)" } else { "" };
        format!("{} since {}{not_yet}: {}", r.license, r.since, r.reason)
    };
    out.each("Revoked", l.revoked.iter().map(words));
    out.add("SHA-256", &open.digest.0);
    Ok(output::print(&out.0)?)
}

/// Prints a voucher.
pub(super) fn voucher(
    text: &str,
    trust: Trust<'_>,
    now: Timestamp,
    form: Form,
) -> anyhow::Result<()> {
    let open = OpenVoucher::read(text, trust)?;
    let v = &open.voucher;
    if let Some(data) = form.data() {
        let seen = SeenSigned {
            verified: open.signed_by.is_some(),
            verified_by: by(open.signed_by.as_ref()),
            sha256: &open.digest.0,
            revocations: None,
            voucher: Some(v),
        };
        return Ok(output::print(&data.render(&seen)?)?);
    }
    let mut out = head("voucher", &open.envelope, open.signed_by.as_ref());
    out.add("License", &v.license);
    let names: Vec<&str> = v.products.iter().map(ProductName::as_str).collect();
    out.add("Products", &names.join(", "));
    let state = v.products.first().map(|p| v.permits(p, now));
    let state = match state {
        Some(Err(e)) => format!("PERMITS NO START: {e}"),
        _ => "permits a start with no license server in reach".into(),
    };
    out.add("State", &state);
    out.add("Issued", &v.issued.to_string());
    if let Some(t) = v.not_before {
        out.add("Begins", &t.to_string());
    }
    out.add("Expires", &format!("{} (exclusive)", v.expires));
    out.add("SHA-256", &open.digest.0);
    Ok(output::print(&out.0)?)
}
