//! `--covers`: whether the license covers a version, product by product.

use crate::output::{self, Form, table};
use anyhow::bail;
use mooring_core::license::{License, Product};
use mooring_core::names::{ProductName, Version};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    product: &'a ProductName,
    covered: bool,
    /// Which versions the license covers, in words; where it is not covered, why not.
    versions: String,
}

impl<'a> Answer<'a> {
    fn of(p: &'a Product, v: &Version) -> Self {
        let covered = p.versions.covers(v);
        let versions = if covered {
            p.versions.to_string()
        } else {
            p.versions.against(v)
        };
        Self {
            product: &p.name,
            covered,
            versions,
        }
    }
}

/// Prints the answer for each product, or for the one that is asked for. An error if none is
/// covered: the exit code says it, too.
pub(super) fn run(
    licenses: &[&License],
    version: &Version,
    product: Option<&ProductName>,
    form: Form,
) -> anyhow::Result<()> {
    let products = licenses.iter().flat_map(|l| &l.products);
    let asked = products.filter(|p| product.is_none_or(|name| p.name == *name));
    let asked: Vec<&Product> = asked.collect();
    if let (true, Some(name)) = (asked.is_empty(), product) {
        bail!(
            "--product: {name} is not in the license; `mooring license inspect` without --covers lists what is"
        );
    }
    let answers: Vec<Answer<'_>> = asked.iter().map(|p| Answer::of(p, version)).collect();
    output::show(form.data(), &answers, || {
        let row = |a: &Answer<'_>| {
            let word = if a.covered { "covered" } else { "NOT covered" };
            vec![a.product.to_string(), word.into(), a.versions.clone()]
        };
        let rows: Vec<Vec<String>> = answers.iter().map(row).collect();
        table(&["PRODUCT", version.as_str(), "THE LICENSE COVERS"], &rows)
    })?;
    if answers.iter().any(|a| a.covered) {
        return Ok(());
    }
    let of = product.map_or_else(|| "any product".to_owned(), ToString::to_string);
    bail!("version {version} of {of} is not covered")
}
