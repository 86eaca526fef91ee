//! The table of annotations (`mooring_core::annotation`) where people and the chart read it: each
//! list stands between two lines that say so.

use crate::blocks::replace;
use anyhow::Result;
use mooring_core::annotation::ALL;

const PAGE: &str = "docs/pods.md";
const CHART: &str = "charts/mooring/templates/_helpers.tpl";
const SOURCE: &str = "core/src/annotation.rs";

/// Writes both lists, or with `check` looks whether they are as they would be written.
pub(crate) fn write(check: bool) -> Result<()> {
    let lines = ("<!-- annotations -->", "<!-- end -->");
    replace(PAGE, lines, &page(), SOURCE, check)?;
    let lines = ("{{- define \"mooring.keys\" -}}", "{{- end }}");
    replace(CHART, lines, &chart(), SOURCE, check)
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
