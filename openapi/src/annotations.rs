//! The table of annotations (`mooring_core::annotation`) where people and the chart read it: each
//! list stands between two lines that say so.

use anyhow::{Context as _, Result, ensure};
use mooring_core::annotation::ALL;
use std::path::Path;

const PAGE: &str = "docs/pods.md";
const CHART: &str = "charts/mooring/templates/_helpers.tpl";

/// Writes both lists, or with `check` looks whether they are as they would be written.
pub(crate) fn write(check: bool) -> Result<()> {
    replace(PAGE, "<!-- annotations -->", "<!-- end -->", &page(), check)?;
    let define = "{{- define \"mooring.keys\" -}}";
    replace(CHART, define, "{{- end }}", &chart(), check)
}

fn page() -> String {
    let rows = ALL
        .iter()
        .filter_map(|a| Some(format!("| `{}` | {} |\n", a.short(), a.doc?)));
    format!(
        "| annotation `mooring.dev/…` | value |\n|---|---|\n{}",
        rows.collect::<String>()
    )
}

/// A list in CEL.
fn chart() -> String {
    let keys: Vec<String> = ALL.iter().map(|a| format!("'{a}'")).collect();
    format!("[{}]\n", keys.join(", "))
}

/// What stands between the lines `begin` and `end` of a file.
fn replace(file: &'static str, begin: &str, end: &str, new: &str, check: bool) -> Result<()> {
    let path = Path::new(file);
    let text = std::fs::read_to_string(path).context(file)?;
    let parts = text.split_once(&format!("{begin}\n"));
    let (before, rest) = parts.with_context(|| format!("{file}: no line {begin}"))?;
    let after = rest.find(&format!("{end}\n"));
    let after = after.with_context(|| format!("{file}: no line {end} after {begin}"))?;
    let whole = format!("{before}{begin}\n{new}{}", &rest[after..]);
    ensure!(
        !check || whole == text,
        "{file} differs from core/src/annotation.rs: run `make openapi` and commit"
    );
    std::fs::write(path, whole).context(file)
}
