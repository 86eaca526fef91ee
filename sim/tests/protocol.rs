//! docs/protocol.md, ARCHITECTURE.md and the code say the same: each promise that is cited is on
//! the page, each on the page has a check and a test, each planted mistake is listed, what the
//! pages for developers link to exists, and the invariants that can be looked up hold.
#![allow(clippy::unwrap_used, clippy::panic)]

use mooring_core::mutant::Mutant;
use mooring_core::wire::ProblemType;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/protocol.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A promise of the page: its number and its text.
fn promises(page: &str) -> Vec<(u8, &str)> {
    let section = page
        .split("\n## ")
        .find(|s| s.starts_with("The promises\n"));
    let parts = section.unwrap_or_default().split("\n### ").skip(1);
    let numbered = parts.map(|p| (p.split('.').next().and_then(|n| n.parse().ok()), p));
    numbered
        .map(|(n, p)| {
            (
                n.unwrap_or_else(|| panic!("a promise without number: {p}")),
                p,
            )
        })
        .collect()
}

/// The line of a promise that begins with `- Kept by:` or the like.
fn line<'a>(promise: &'a str, begins: &str) -> &'a str {
    let found = promise.lines().find_map(|l| l.strip_prefix(begins));
    found.unwrap_or_else(|| panic!("no line {begins:?} in: {promise}"))
}

/// Links in Markdown, as (words, target).
fn links(text: &str) -> Vec<(&str, &str)> {
    let from_words = text.split('[').skip(1);
    let link = |rest: &'_ str| -> Option<(usize, usize, usize)> {
        let words = rest.find("](")?;
        let end = words + rest[words..].find(')')?;
        (!rest[..words].contains('\n')).then_some((words, words + 2, end))
    };
    from_words
        .filter_map(|rest| link(rest).map(|(w, from, to)| (&rest[..w], &rest[from..to])))
        .collect()
}

/// Whether Rust text defines something by this name: a function, a type, a constant, or a variant.
fn defines(code: &str, name: &str) -> bool {
    let words = [
        "fn", "struct", "enum", "const", "trait", "type", "static", "mod",
    ];
    let defined = |word: &str| {
        code.match_indices(&format!("{word} {name}"))
            .any(|(at, m)| {
                let after = code[at + m.len()..].chars().next();
                !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
            })
    };
    words.iter().any(|w| defined(w))
        || code
            .lines()
            .any(|l| l.trim().strip_suffix(',') == Some(name))
}

/// What is wrong with the links of a page.
fn broken(page: &Path) -> Vec<String> {
    let text = read(page);
    let mut wrong = Vec::new();
    for (words, target) in links(&text) {
        let target = target.split('#').next().unwrap_or_default();
        if target.is_empty() || target.contains("://") {
            continue;
        }
        let path = page.parent().unwrap().join(target);
        if !path.exists() {
            wrong.push(format!(
                "{}: [{words}]: there is no {target}",
                page.display()
            ));
            continue;
        }
        let Some(name) = words.strip_prefix('`').and_then(|w| w.strip_suffix('`')) else {
            continue;
        };
        let is_code = path.extension().is_some_and(|e| e == "rs");
        let is_path = name.contains('/') || name.contains('.');
        let name = name.rsplit("::").next().unwrap_or_default();
        // A file, or a folder's or crate's first file, may be named by what it is.
        let stem = Path::new(target).with_extension("");
        let of_the_file = stem.components().any(|c| c.as_os_str() == name);
        if is_code && !is_path && !of_the_file && !defines(&read(&path), name) {
            wrong.push(format!("{}: {target} defines no {name}", page.display()));
        }
    }
    wrong
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for e in std::fs::read_dir(dir).unwrap().flatten() {
        let (path, name) = (e.path(), e.file_name());
        let hidden = name.to_string_lossy().starts_with('.');
        if path.is_dir() && !hidden && name != "target" {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The numbers of promises that a text cites: "promise 3", "promises 1 and 3".
fn cited(text: &str) -> BTreeSet<u8> {
    let mut numbers = BTreeSet::new();
    for rest in text.split("romise").skip(1) {
        let rest = rest.strip_prefix('s').unwrap_or(rest);
        for word in rest.split_whitespace() {
            let n = word.trim_matches(|c: char| !c.is_ascii_digit());
            match (n.parse(), word) {
                (Ok(n), _) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                    numbers.insert(n);
                    // A list goes on after a comma, or after a word of it.
                    if word.ends_with([':', '.', ')', ';']) {
                        break;
                    }
                }
                (_, "and" | "to") => {}
                _ => break,
            }
        }
    }
    numbers
}

#[test]
fn promises_are_found_in_texts() {
    assert_eq!(cited("promise 3"), [3].into());
    assert_eq!(cited("(promises 1 and 3); 7"), [1, 3].into());
    assert_eq!(cited("Promise 12: a revoked"), [12].into());
    assert_eq!(
        cited("a promise that nothing breaks; promise {} broken"),
        [].into()
    );
    assert_eq!(cited("promise 5) and 9"), [5].into());
}

#[test]
fn each_promise_that_is_cited_is_on_the_page() {
    let page = read(&root().join(PAGE));
    let on_page: Vec<u8> = promises(&page).into_iter().map(|(n, _)| n).collect();
    let expected: Vec<u8> = (1..=21).collect();
    assert_eq!(on_page, expected);
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    assert!(files.len() > 300, "{} files", files.len());
    for f in files {
        let numbers = cited(&read(&f));
        let unknown: Vec<_> = numbers.iter().filter(|n| !on_page.contains(n)).collect();
        assert!(
            unknown.is_empty(),
            "{} cites promises {unknown:?}",
            f.display()
        );
    }
}

#[test]
fn each_promise_is_kept_checked_and_tested() {
    let page = read(&root().join(PAGE));
    for (n, text) in promises(&page) {
        assert!(!links(line(text, "- Kept by:")).is_empty(), "promise {n}");
        let checks = links(line(text, "- Checked by:"));
        let checks = checks.iter().filter(|(_, t)| t.contains("sim/src/check/"));
        assert!(checks.count() > 0, "promise {n} has no check");
        let tests = links(line(text, "- Tests:"));
        assert!(!tests.is_empty(), "promise {n} has no test");
        for (name, target) in tests {
            let name = name.trim_matches('`');
            let code = read(&root().join("docs").join(target));
            let at = code.find(&format!("fn {name}(")).unwrap_or_else(|| {
                panic!("promise {n}: {target} has no test {name}");
            });
            let before: Vec<&str> = code[..at].lines().rev().take(4).collect();
            let attribute = |l: &&str| l.trim().starts_with("#[") && l.contains("test");
            let is_test = before.iter().any(attribute);
            let in_proptest = code[..at].contains("proptest! {");
            assert!(is_test || in_proptest, "promise {n}: {name} is no test");
        }
    }
}

#[test]
fn each_planted_mistake_is_listed_with_a_promise_and_no_other() {
    let page = read(&root().join(PAGE));
    let mut listed = BTreeSet::new();
    for (_, text) in promises(&page) {
        let names = line(text, "- Mistakes:").split('`').skip(1).step_by(2);
        listed.extend(names.map(str::to_owned));
    }
    let code = read(&root().join("core/src/mutant.rs"));
    let names = code.split("pub enum Mutant {").nth(1).unwrap();
    let names = names.split("\n}").next().unwrap().lines();
    let names = names.filter_map(|l| l.trim().strip_suffix(','));
    let planted: BTreeSet<String> = names.map(str::to_owned).collect();
    assert!(planted.len() >= Mutant::ALL.len());
    assert_eq!(listed, planted);
}

#[test]
fn each_problem_is_on_the_page() {
    let page = read(&root().join(PAGE));
    for p in ProblemType::ALL {
        let named = page.contains(&format!("`{p}`"));
        assert!(named, "{PAGE} does not say what a holder does on {p}");
    }
}

#[test]
fn what_the_pages_for_developers_link_to_exists() {
    let pages = [
        PAGE,
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/development.md",
        "docs/simulator.md",
    ];
    let wrong: Vec<String> = pages.iter().flat_map(|p| broken(&root().join(p))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_architecture_says_of_imports_holds() {
    let outside = "std::fs std::net std::thread std::process std::env SystemTime Instant::now Timestamp::now tokio SystemRandom";
    let none_of = |folder: &str, words: &str| {
        let mut files = Vec::new();
        rust_files(&root().join(folder), &mut files);
        for f in files {
            let code = read(&f);
            let found = words.split(' ').find(|w| code.contains(w));
            assert_eq!(found, None, "{}", f.display());
        }
    };
    none_of("core/src", outside);
    none_of("sim/src/check", "mooring_core");
}

#[test]
fn unsafe_code_is_forbidden_but_in_two_crates() {
    let workspace = read(&root().join("Cargo.toml"));
    let members = workspace.split("members = [").nth(1).unwrap();
    let members = members
        .split(']')
        .next()
        .unwrap()
        .split('"')
        .skip(1)
        .step_by(2);
    for m in members.filter(|m| !["client/forked", "client/c"].contains(m)) {
        let manifest = read(&root().join(m).join("Cargo.toml"));
        let forbids = ["[lints]\nworkspace = true", "unsafe_code = \"forbid\""];
        assert!(forbids.iter().any(|f| manifest.contains(f)), "{m}");
    }
    assert!(workspace.contains("unsafe_code = \"forbid\""));
}
