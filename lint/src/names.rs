//! No two types of one name are seen outside of their files within a crate: a search for a name
//! finds one thing.

use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Each name that several files' types share, in words.
pub(crate) fn of(tree: &Tree) -> Vec<String> {
    let mut places: BTreeMap<&str, BTreeSet<&Path>> = BTreeMap::new();
    for module in tree.modules.values() {
        for (name, _) in module.items.iter().filter(|(_, is_seen)| **is_seen) {
            places.entry(name).or_default().insert(&module.file);
        }
    }
    let several = places.iter().filter(|(_, files)| files.len() > 1);
    let words = several.map(|(name, files)| {
        let files: Vec<_> = files.iter().map(|f| f.display().to_string()).collect();
        let (times, files) = (files.len(), files.join(", "));
        format!("type {name} stands {times} times: {files}")
    });
    words.collect()
}
