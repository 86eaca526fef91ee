//! Each test that docs/security.md names is there: a test of that name, a scenario, or a fuzz
//! target.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/security.md";
/// The part of the page that names them, by its heading.
const PART: &str = "## What shows it";
/// Whose lists of scenarios name them.
const SCENARIOS: &str = "e2e/src";
const FUZZ: &str = "fuzz/targets";

/// What is named and is not there, in words; `files` are all Rust files.
pub(crate) fn of(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut there = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        there.extend(known(file, &text));
    }
    let page = std::fs::read_to_string(PAGE).context(PAGE)?;
    let named = named(&page);
    if named.is_empty() {
        return Ok(vec![format!("{PAGE}: no test is named below {PART:?}")]);
    }
    let missing = named.iter().filter(|n| !there.contains(*n));
    let fault = |n: &String| format!("{PAGE}: {n}: expected a test, a scenario or a fuzz target");
    Ok(missing.map(fault).collect())
}

/// What stands in backticks in the tables of that part.
fn named(page: &str) -> BTreeSet<String> {
    let lines = page.lines().skip_while(|l| *l != PART).skip(1);
    let lines = lines.take_while(|l| !l.starts_with("## "));
    let rows = lines.filter(|l| l.starts_with('|'));
    let last = rows.filter_map(|l| l.trim_end_matches('|').rsplit('|').next());
    let words = last.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    words.map(str::to_owned).collect()
}

/// The tests and scenarios that a file brings.
fn known(file: &Path, text: &str) -> Vec<String> {
    if file.starts_with(FUZZ) {
        let name = file.file_stem().and_then(|s| s.to_str());
        return name.into_iter().map(str::to_owned).collect();
    }
    if file.starts_with(SCENARIOS) && file.ends_with("mod.rs") {
        let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        return words.map(str::to_owned).collect();
    }
    let mut found = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        } else if is_test {
            let name = line.split_once("fn ").map(|(_, rest)| rest);
            let name = name.and_then(|rest| rest.split(['(', '<']).next());
            found.extend(name.map(str::to_owned));
            is_test = false;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_known_where_a_test_a_scenario_or_a_target_has_it() {
        let text = "#[test]\n#[ignore]\nfn a_test() {}\nfn no_test() {}\n    #[tokio::test(flavor = \"x\")]\n    async fn another() {}\n";
        assert_eq!(known(Path::new("core/x.rs"), text), ["a_test", "another"]);
        let list = known(Path::new("e2e/src/gate/mod.rs"), "times::start_times,\n");
        assert!(list.contains(&"start_times".to_owned()), "{list:?}");
        assert_eq!(known(Path::new("fuzz/targets/route.rs"), ""), ["route"]);
    }

    #[test]
    fn only_the_last_column_of_that_part_names_tests() {
        let page = "`x`\n## What shows it\n\ntext `y`\n\n| a `z` | `one`, `two` |\n|---|---|\n## More\n| b | `three` |\n";
        let all: Vec<_> = named(page).into_iter().collect();
        assert_eq!(all, ["one", "two"]);
    }
}
