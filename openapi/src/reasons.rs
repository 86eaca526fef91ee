//! The tables of reasons in docs/troubleshoot.md: each reason that the types know has a row, and no
//! row names another.

use crate::blocks::replace;
use anyhow::Result;
use mooring_core::reason::{AnchorReason, LicenseReason};

const PAGE: &str = "docs/troubleshoot.md";
const SOURCE: &str = "core/src/reason.rs";

/// Writes them, or with `check` looks whether they are as they would be written.
pub(crate) fn write(check: bool) -> Result<()> {
    let anchor = AnchorReason::ALL.iter().map(|r| (r.name(), r.todo()));
    let license = LicenseReason::ALL.iter().map(|r| (r.name(), r.todo()));
    for (name, rows) in [
        ("AnchorPresent", table(anchor)),
        ("LicenseValid", table(license)),
    ] {
        let begin = format!("<!-- reasons of {name} -->");
        replace(PAGE, (&begin, "<!-- end -->"), &rows, SOURCE, check)?;
    }
    Ok(())
}

fn table(reasons: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let rows = reasons.map(|(name, todo)| match todo {
        "" => format!("| `{name}` | nothing: all is well |\n"),
        todo => format!("| `{name}` | {todo} |\n"),
    });
    let rows: String = rows.collect();
    format!("| reason | what to do |\n|---|---|\n{rows}")
}
