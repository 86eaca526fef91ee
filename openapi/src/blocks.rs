//! What is written between two lines of a page that people keep otherwise.

use anyhow::{Context as _, Result, ensure};
use std::path::Path;

/// What stands between the lines `begin` and `end` of a file; with `check` it must be that
/// already. `source`: what it is made from.
pub(crate) fn replace(
    file: &'static str,
    (begin, end): (&str, &str),
    new: &str,
    source: &str,
    check: bool,
) -> Result<()> {
    let path = Path::new(file);
    let text = std::fs::read_to_string(path).context(file)?;
    let parts = text.split_once(&format!("{begin}\n"));
    let (before, rest) = parts.with_context(|| format!("{file}: no line {begin}"))?;
    let after = rest.find(&format!("{end}\n"));
    let after = after.with_context(|| format!("{file}: no line {end} after {begin}"))?;
    let whole = format!("{before}{begin}\n{new}{}", &rest[after..]);
    ensure!(
        !check || whole == text,
        "{file} differs from {source}: run `make openapi` and commit"
    );
    std::fs::write(path, whole).context(file)
}
