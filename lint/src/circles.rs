//! No files of a crate import each other in a circle: what a reader must know before a file is then
//! always in files below it.

use crate::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// For each file, the files that it needs, with what it names of each.
type Needs<'a> = BTreeMap<&'a Path, BTreeMap<&'a Path, BTreeSet<String>>>;

/// Each circle, in words.
pub(crate) fn of(tree: &Tree) -> Vec<String> {
    let needs = needs(tree);
    let reach: BTreeMap<_, _> = needs.keys().map(|f| (*f, reached(&needs, f))).collect();
    let mut told = BTreeSet::new();
    let mut circles = Vec::new();
    for (file, from) in &reach {
        if !from.contains(file) || told.contains(file) {
            continue;
        }
        let back = |g: &&&Path| reach.get(*g).is_some_and(|r| r.contains(file));
        let circle: Vec<_> = from.iter().filter(back).collect();
        let mut words = format!("circle of {} files:", circle.len());
        for f in &circle {
            told.insert(**f);
            let its = needs.get(*f).into_iter().flatten();
            for (g, names) in its.filter(|(g, _)| circle.contains(g)) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let (f, g, names) = (f.display(), g.display(), names.join(", "));
                let _ = write!(words, "\n  {f} needs {names} of {g}");
            }
        }
        circles.push(words);
    }
    circles
}

fn needs(tree: &Tree) -> Needs<'_> {
    let mut needs = Needs::new();
    for (at, module) in &tree.modules {
        let its = needs.entry(module.file.as_path()).or_default();
        for path in &module.named {
            if let Some(file) = tree.defines(at, path, 0).filter(|f| *f != module.file) {
                its.entry(file).or_default().insert(path.join("::"));
            }
        }
    }
    needs
}

fn reached<'a>(needs: &Needs<'a>, from: &'a Path) -> BTreeSet<&'a Path> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(f) = next.pop() {
        let its = needs.get(f).into_iter().flat_map(BTreeMap::keys);
        next.extend(its.filter(|g| seen.insert(**g)));
    }
    seen
}
