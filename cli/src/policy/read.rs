//! A policy out of a file.

use crate::license::file;
use anyhow::{Context as _, anyhow, bail};
use mooring_api::{LicensePolicy, Lookup};
use mooring_core::policy::SeatPolicy;
use serde_yaml::Value;
use std::path::Path;

const EXPECTED: &str =
    "expected a LicensePolicy (apiVersion: mooring.dev/v1alpha1, kind: LicensePolicy)";

fn value(path: &Path) -> anyhow::Result<Value> {
    let text = file::read_public(path).context("--file")?;
    let read = serde_yaml::from_str(&text);
    read.with_context(|| format!("--file {}: expected one YAML document", path.display()))
}

fn is_object(value: &Value) -> bool {
    value.get("kind").is_some_and(|k| k == "LicensePolicy")
}

/// The object for a cluster.
pub fn license_policy(path: &Path) -> anyhow::Result<LicensePolicy> {
    let value = value(path)?;
    let at = path.display();
    if !is_object(&value) {
        bail!("--file {at}: {EXPECTED}");
    }
    serde_yaml::from_value(value).with_context(|| format!("--file {at}"))
}

/// What a license server takes.
pub fn seat_policy(path: &Path) -> anyhow::Result<SeatPolicy> {
    let value = value(path)?;
    of(value).with_context(|| format!("--file {}", path.display()))
}

fn of(value: Value) -> anyhow::Result<SeatPolicy> {
    if is_object(&value) {
        let object: LicensePolicy = serde_yaml::from_value(value)?;
        let mut groups = object.spec.groups.iter();
        let selects = groups.find(|g| g.namespace_selector.is_some() && !g.has_every_namespace());
        if let Some(g) = selects {
            bail!(
                "spec.groups[{}].namespaceSelector: a license server that is asked itself knows no labels; expected namespaces",
                g.name
            );
        }
        if let Some(g) = object.spec.groups.iter().find(|g| !g.projects.is_empty()) {
            bail!(
                "spec.groups[{}].projects: a license server that is asked itself knows no namespaces that allow them; expected a policies file, with namespace/project",
                g.name
            );
        }
        let name = object.metadata.name.as_deref().unwrap_or("policy");
        return Ok(object.spec.seats(name, &Lookup::default())?);
    }
    // A whole file of policies, or that part of it.
    let seats = match value.get("seats") {
        Some(seats) => seats.clone(),
        None => value,
    };
    serde_yaml::from_value(seats).map_err(|e| {
        anyhow!("{e}: {EXPECTED}, or what stands under `seats` in a policies file: name, noticeSecs, groups")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn read(yaml: &str) -> anyhow::Result<SeatPolicy> {
        of(serde_yaml::from_str(yaml).unwrap())
    }

    #[test]
    fn a_server_outside_kubernetes_takes_the_object_the_file_and_its_part() {
        let object = "
apiVersion: mooring.dev/v1alpha1
kind: LicensePolicy
metadata: {name: shares}
spec: {notice: 1m, groups: [{name: film, subjects: [anna], pools: {render: {owned: 2}}}]}
";
        let part = "
name: shares
noticeSecs: 60
groups: [{name: film, subjects: [anna], pools: {render: {owned: 2}}}]
";
        let whole = format!(
            "allowedNamespaces: All\nseats:\n{}",
            part.replace('\n', "\n  ")
        );
        let want = read(part).unwrap();
        assert_eq!(read(object).unwrap(), want);
        assert_eq!(read(&whole).unwrap(), want);

        let selects = object.replace(
            "subjects: [anna]",
            "namespaceSelector: {matchLabels: {a: b}}",
        );
        let said = read(&selects).unwrap_err().to_string();
        assert!(said.contains("expected namespaces"), "{said}");
        let said = read("groups: []").unwrap_err().to_string();
        assert!(said.contains("kind: LicensePolicy"), "{said}");
    }
}
