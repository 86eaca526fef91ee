//! The smaller files: revocation lists and vouchers.

use super::lines::{Lines, signature};
use crate::output::{self, Form, list};
use mooring_core::license::{
    Digest, KeyId, OpenRevocations, OpenVoucher, Revocations, RevokedLicense, Trust, Voucher,
};
use mooring_core::time::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeenSigned<'a> {
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_by: Option<&'a KeyId>,
    sha256: &'a Digest,
    #[serde(flatten)]
    document: Document<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Document<'a> {
    Revocations(&'a Revocations),
    Voucher(&'a Voucher),
}

impl<'a> SeenSigned<'a> {
    fn new(key: Option<&'a KeyId>, sha256: &'a Digest, document: Document<'a>) -> Self {
        Self {
            verified: key.is_some(),
            verified_by: key,
            sha256,
            document,
        }
    }
}

pub(super) fn revocations(
    text: &str,
    trust: Trust<'_>,
    now: Timestamp,
    form: Form,
) -> anyhow::Result<()> {
    let open = OpenRevocations::read(text, trust)?;
    let (key, l) = (open.signed_by.as_ref(), &open.list);
    let seen = SeenSigned::new(key, &open.digest, Document::Revocations(l));
    output::show(form.data(), &seen, || {
        let mut out = Lines::default();
        out.add("File", "revocation list");
        out.add("Signature", signature(&open.envelope, key));
        out.add("Number", l.number);
        out.add("Issued", l.issued);
        if let Some(next) = l.next {
            let over = if next <= now {
                ": OVER; ask the vendor for a newer one"
            } else {
                ""
            };
            out.add("Next due", format!("{next}{over}"));
        }
        if l.revoked.is_empty() {
            out.add("Revoked", "none");
        }
        out.each("Revoked", &l.revoked, |r: &RevokedLicense| {
            let not_yet = if r.since > now { " (not yet)" } else { "" };
            format!("{} since {}{not_yet}: {}", r.license, r.since, r.reason)
        });
        out.add("SHA-256", &open.digest);
        out.0
    })
}

pub(super) fn voucher(
    text: &str,
    trust: Trust<'_>,
    now: Timestamp,
    form: Form,
) -> anyhow::Result<()> {
    let open = OpenVoucher::read(text, trust)?;
    let (key, v) = (open.signed_by.as_ref(), &open.voucher);
    let seen = SeenSigned::new(key, &open.digest, Document::Voucher(v));
    output::show(form.data(), &seen, || {
        let mut out = Lines::default();
        out.add("File", "voucher");
        out.add("Signature", signature(&open.envelope, key));
        out.add("License", &v.license);
        out.add("Products", list(&v.products));
        let state = match v.products.first().map(|p| v.permits(p, now)) {
            Some(Err(e)) => format!("PERMITS NO START: {e}"),
            _ => "permits a start with no license server in reach".into(),
        };
        out.add("State", state);
        out.add("Issued", v.issued);
        if let Some(t) = v.not_before {
            out.add("Begins", t);
        }
        out.add("Expires", format!("{} (exclusive)", v.expires));
        out.add("SHA-256", &open.digest);
        out.0
    })
}
