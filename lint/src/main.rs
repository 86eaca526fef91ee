//! House rules that clippy does not know, held by `make lint`.
//!
//! | file | rule |
//! |---|---|
//! | `tree` | reads a crate: its files, their modules, what each defines and names |
//! | `circles` | no files of a crate import each other in a circle |
//! | `names` | no two types of one name are seen outside of their files within a crate |
//! | `comments` | a comment ends at column 100 |
//! | `reasons` | each reason that people see has a row in docs/troubleshoot.md |
//! | `shown` | each test that docs/security.md names is there |

mod circles;
mod comments;
mod names;
mod reasons;
mod shown;
mod tree;

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> Result<ExitCode> {
    let mut faults = Vec::new();
    for root in roots()? {
        let tree = tree::read(&root).with_context(|| root.display().to_string())?;
        faults.extend(circles::of(&tree));
        faults.extend(names::of(&tree));
    }
    let files = tracked()?;
    for file in &files {
        faults.extend(comments::of(file)?);
    }
    faults.extend(reasons::of(&files)?);
    faults.extend(shown::of(&files)?);
    for f in &faults {
        eprintln!("{f}");
    }
    Ok(if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All Rust files that git knows, from the folder that this runs in.
fn tracked() -> Result<Vec<PathBuf>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others"])
        .args(["--exclude-standard", "*.rs"])
        .output()?;
    let listed = String::from_utf8(listed.stdout)?;
    let files = listed.lines().map(PathBuf::from);
    Ok(files.filter(|p| p.is_file()).collect())
}

/// Where each library and program begins.
fn roots() -> Result<Vec<PathBuf>> {
    let begins = |p: &Path| p.ends_with("src/lib.rs") || p.ends_with("src/main.rs");
    Ok(tracked()?.into_iter().filter(|p| begins(p)).collect())
}
