//! The shapes: those of the file, and those that only a program writes.

use anyhow::{Context as _, Result};
use serde::Deserialize as _;
use serde_json::{Value, json};

/// A pod, and the words with which Mooring refuses it, if it does.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) name: String,
    pub(super) pod: Value,
    pub(super) refused: Option<String>,
}

const FILE: &str = include_str!("shapes.yaml");
/// The annotation of a shape that Mooring refuses.
const REFUSED: &str = "refused";

pub(super) fn all() -> Result<Vec<Shape>> {
    let mut all = Vec::new();
    for document in serde_yaml::Deserializer::from_str(FILE) {
        all.push(shape(Value::deserialize(document)?)?);
    }
    let many = (0..400).map(|n| json!({"name": format!("V{n}"), "value": "x".repeat(100)}));
    let mut large = json!({"spec": {"containers": [{"name": "app", "image": "app", "env": many.collect::<Value>()}]}});
    large["metadata"] = json!({"name": "many-variables"});
    all.push(shape(large)?);
    for (name, bytes, refused) in [
        ("long-annotations", 250 * 1024, None),
        (
            "longest-annotations",
            256 * 1024 - 120,
            Some("bytes shorter"),
        ),
    ] {
        let mut annotations = json!({"own": "x".repeat(bytes)});
        if let Some(words) = refused {
            annotations[REFUSED] = words.into();
        }
        let spec = json!({"containers": [{"name": "app", "image": "app"}]});
        let metadata = json!({"name": name, "annotations": annotations});
        all.push(shape(json!({"metadata": metadata, "spec": spec}))?);
    }
    Ok(all)
}

fn shape(mut pod: Value) -> Result<Shape> {
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    let metadata = pod["metadata"].as_object_mut().context("no metadata")?;
    let name = metadata
        .get("name")
        .or_else(|| metadata.get("generateName"));
    let name = name.and_then(Value::as_str).context("no name")?.to_owned();
    let annotations = metadata.get_mut("annotations");
    let annotations = annotations.and_then(Value::as_object_mut);
    let refused = annotations.and_then(|a| a.remove(REFUSED));
    let refused = refused.and_then(|r| r.as_str().map(str::to_owned));
    Ok(Shape { name, pod, refused })
}
