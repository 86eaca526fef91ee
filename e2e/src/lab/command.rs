//! Running programs.

use anyhow::{Context as _, Result, bail};
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;

/// What a program said.
#[derive(Clone, Debug)]
pub struct Output {
    /// The program and its arguments.
    pub command: String,
    pub success: bool,
    pub out: String,
    pub err: String,
}

impl Output {
    /// The output of a success; otherwise an error with all that was said.
    pub fn ok(self, what: &str) -> Result<String> {
        if self.success {
            return Ok(self.out);
        }
        bail!(
            "{what}: `{}` failed:\n{}{}",
            self.command,
            self.out,
            self.err
        )
    }

    /// The error of a failure; an error if it did not fail.
    pub fn failed(self, what: &str) -> Result<String> {
        if self.success {
            bail!(
                "{what}: `{}` was expected to fail, and said:\n{}{}",
                self.command,
                self.out,
                self.err
            );
        }
        Ok(self.err)
    }
}

/// The words of a line: arguments of which none has a blank.
pub fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// Runs a program with the words of a line.
pub async fn run_words(program: &Path, line: &str) -> Result<Output> {
    run(&program.to_string_lossy(), &words(line), None).await
}

/// Runs a program to its end, with `input` on its standard input.
pub async fn run(program: &str, args: &[&str], input: Option<&str>) -> Result<Output> {
    let stdin = input.map_or_else(Stdio::null, |_| Stdio::piped());
    let mut child = tokio::process::Command::new(program)
        .args(args)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
        let written = stdin.write_all(text.as_bytes()).await;
        written.with_context(|| format!("writing to {program}"))?;
    }
    let o = child.wait_with_output().await?;
    let text = |b: Vec<u8>| String::from_utf8_lossy(&b).into_owned();
    Ok(Output {
        command: format!("{program} {}", args.join(" ")),
        success: o.status.success(),
        out: text(o.stdout),
        err: text(o.stderr),
    })
}
