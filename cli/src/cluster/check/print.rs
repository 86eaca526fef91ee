//! Findings for people. Pure.

use super::judge::{Finding, Outcome};
use std::fmt::Write as _;

/// All of them, or only those that are not well.
pub(super) fn text(all: &[Finding], only_bad: bool) -> String {
    let mut out = String::new();
    let shown = all.iter().filter(|f| !only_bad || f.outcome != Outcome::Ok);
    let mut group = "";
    for f in shown {
        if f.group != group {
            let _ = writeln!(
                out,
                "{}{}",
                if group.is_empty() { "" } else { "\n" },
                f.group
            );
            group = f.group;
        }
        let _ = writeln!(out, "  {:<4}  {}", mark(f.outcome), f.said);
        if let Some(hint) = &f.hint {
            let _ = writeln!(out, "        {hint}");
        }
        if let Some(page) = f.page {
            let _ = writeln!(out, "        {page}");
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out + &sum(all)
}

const fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Warning => "warn",
        Outcome::Fails => "FAIL",
        Outcome::Unknown => "?",
    }
}

/// The last line.
fn sum(all: &[Finding]) -> String {
    let count = |o: Outcome| all.iter().filter(|f| f.outcome == o).count();
    let (fail, warn, unknown) = (
        count(Outcome::Fails),
        count(Outcome::Warning),
        count(Outcome::Unknown),
    );
    let unknown = match unknown {
        0 => String::new(),
        n => format!(", {n} could not be looked at"),
    };
    match (fail, warn) {
        (0, 0) => format!("All is well{unknown}.\n"),
        (fail, warn) => format!("{fail} fail, {warn} to look at{unknown}.\n"),
    }
}
