//! Each reason that the operator gives a condition or an Event has a row in docs/troubleshoot.md,
//! and no row names one that nobody gives. The server's own reasons are generated there.

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/troubleshoot.md";
/// Where conditions and Events are made.
const GIVEN: [&str; 3] = [
    "operator/src/licenseserver",
    "operator/src/leases",
    "operator/src/rotation",
];
/// Names of Kubernetes, which look alike.
const NOT_OURS: [&str; 15] = [
    "ClusterFirst",
    "ClusterRole",
    "ContainerCreating",
    "IfNotPresent",
    "IfPossible",
    "LicenseLease",
    "LicensePolicy",
    "LicenseServer",
    "NoExecute",
    "PodInitializing",
    "PodScheduled",
    "PreferDualStack",
    "RuntimeDefault",
    "ServiceAccount",
    "StatefulSet",
];

/// What differs, in words; `files` are all Rust files.
pub(crate) fn of(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut given = BTreeSet::new();
    let within = |p: &&PathBuf| GIVEN.iter().any(|g| p.starts_with(g));
    for file in files.iter().filter(within) {
        given.extend(literals(file)?);
    }
    let page = std::fs::read_to_string(PAGE).context(PAGE)?;
    let told = told(&page);
    let missing = given.iter().filter(|r| is_reason(r) && !told.contains(*r));
    let missing =
        missing.map(|r| format!("{PAGE}: no row for reason {r}, which the operator gives"));
    let mut faults: Vec<String> = missing.collect();
    // Some are named where their types are.
    given.extend(words("api/src/status.rs")?);
    given.extend(words("core/src/reason.rs")?);
    let unknown = told.iter().filter(|r| !given.contains(*r));
    faults
        .extend(unknown.map(|r| format!("{PAGE}: a row for {r}, which the operator never gives")));
    Ok(faults)
}

/// Several words, written as one, and none of Kubernetes' own.
fn is_reason(word: &str) -> bool {
    let humps = word.chars().filter(char::is_ascii_uppercase).count();
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric()) && *word != *word.to_uppercase();
    plain
        && humps > 1
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && !NOT_OURS.contains(&word)
}

fn words(file: &'static str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).context(file)?;
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    Ok(words.map(str::to_owned).collect())
}

/// The text of each literal in a file, tests left out.
fn literals(file: &Path) -> Result<Vec<String>> {
    if file.components().any(|c| c.as_os_str() == "tests") || file.ends_with("tests.rs") {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
    let mut found = Vec::new();
    for item in parsed.items {
        let is_tests = matches!(&item, syn::Item::Mod(m) if m.ident == "tests");
        if !is_tests {
            collect(item.to_token_stream(), &mut found);
        }
    }
    Ok(found)
}

fn collect(tokens: TokenStream, found: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(g) => collect(g.stream(), found),
            TokenTree::Literal(l) => found.extend(unquoted(&l.to_string())),
            _ => {}
        }
    }
}

fn unquoted(literal: &str) -> Option<String> {
    let text = literal.strip_prefix('"')?.strip_suffix('"')?;
    Some(text.to_owned())
}

/// The reasons that the page's own tables have in a column `reason`.
fn told(page: &str) -> BTreeSet<String> {
    let (mut told, mut column) = (BTreeSet::new(), None);
    let mut is_generated = false;
    for line in page.lines() {
        if let Some(mark) = line.strip_prefix("<!-- ") {
            is_generated = mark.starts_with("reasons");
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() < 3 || is_generated {
            column = None;
        } else if let Some(at) = cells.iter().position(|c| *c == "reason") {
            column = Some(at);
        } else if let Some(cell) = column.and_then(|at| cells.get(at)) {
            told.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    told
}
