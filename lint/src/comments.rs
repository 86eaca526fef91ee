//! A comment ends at column 100: rustfmt's stable release does not wrap them.

use anyhow::{Context, Result};
use std::path::Path;

const COLUMNS: usize = 100;

/// Each line of `file` that is too long, in words. Rows of tables and addresses cannot be broken.
pub(crate) fn of(file: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let lines = text.lines().enumerate();
    let long = lines.filter(|(_, l)| {
        let comment = l.trim_start();
        let unbroken = comment.contains("| ") || comment.contains("://");
        comment.starts_with("//") && l.chars().count() > COLUMNS && !unbroken
    });
    let words = long.map(|(i, l)| {
        let (file, line, columns) = (file.display(), i + 1, l.chars().count());
        format!("{file}:{line}: a comment of {columns} columns, at most {COLUMNS}")
    });
    Ok(words.collect())
}
