//! `mooring completion`: what a shell reads to complete commands and flags, and what kubectl calls
//! to complete those of its plugin.

use clap::{Arg, Command, ValueEnum};
use clap_complete::Shell;
use std::io::Write as _;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  source <(mooring completion bash)                                   # in ~/.bashrc
  mooring completion zsh > \"${fpath[1]}/_mooring\"
  mooring completion fish > ~/.config/fish/completions/mooring.fish
  mooring completion kubectl > ~/.local/bin/kubectl_complete-mooring  # and chmod +x: kubectl mooring …")]
pub struct CompletionArgs {
    /// For whom
    #[arg(value_enum)]
    whom: Whom,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whom {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
    /// What kubectl finds on the PATH as `kubectl_complete-mooring`.
    Kubectl,
}

/// The words of a command line so far, the last of which is to be completed.
#[derive(Debug, clap::Args)]
pub struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

const KUBECTL: &str = "#!/bin/sh\nexec kubectl-mooring __complete \"$@\"\n";

/// Says to kubectl that no files come into question (Cobra's `ShellCompDirectiveNoFileComp`), or
/// that they do.
const NO_FILES: &str = ":4";
const FILES: &str = ":0";

/// Prints it, for this command.
pub fn run(args: &CompletionArgs, mut command: Command) -> anyhow::Result<()> {
    let shell = match args.whom {
        Whom::Bash => Shell::Bash,
        Whom::Elvish => Shell::Elvish,
        Whom::Fish => Shell::Fish,
        Whom::Powershell => Shell::PowerShell,
        Whom::Zsh => Shell::Zsh,
        Whom::Kubectl => return Ok(crate::output::print(KUBECTL)?),
    };
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut command, "mooring", &mut out);
    Ok(std::io::stdout().lock().write_all(&out)?)
}

/// Answers kubectl: a word a line, then what to make of them.
pub fn complete(args: &Words, mut command: Command) -> anyhow::Result<()> {
    command.build();
    let found = candidates(&command, &args.words);
    let end = if found.is_empty() { FILES } else { NO_FILES };
    let lines = found.into_iter().chain([end.to_owned()]);
    Ok(crate::output::print(
        &(lines.collect::<Vec<_>>().join("\n") + "\n"),
    )?)
}

/// What the last of the words may become; none where only its owner can say.
fn candidates(command: &Command, words: &[String]) -> Vec<String> {
    let (last, before) = words
        .split_last()
        .map_or(("", words), |(l, b)| (l.as_str(), b));
    let mut at = command;
    for word in before {
        at = at.find_subcommand(word).unwrap_or(at);
    }
    let flags = || at.get_arguments().filter(|a| !a.is_hide_set());
    let takes = |a: &&Arg, word: &str| {
        let long = a.get_long().is_some_and(|l| word == format!("--{l}"));
        let short = a.get_short().is_some_and(|s| word == format!("-{s}"));
        (long || short) && a.get_action().takes_values()
    };
    let value_of = before
        .last()
        .and_then(|word| flags().find(|a| takes(a, word)));
    let all: Vec<String> = if let Some(flag) = value_of {
        let values = flag.get_possible_values().into_iter();
        values.map(|v| v.get_name().to_owned()).collect()
    } else if last.starts_with('-') {
        let names = flags().filter_map(Arg::get_long);
        names.map(|l| format!("--{l}")).collect()
    } else {
        let names = at.get_subcommands().filter(|c| !c.is_hide_set());
        names.map(|c| c.get_name().to_owned()).collect()
    };
    all.into_iter().filter(|w| w.starts_with(last)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn completed(line: &str) -> Vec<String> {
        let mut command = crate::Cli::command();
        command.build();
        let words: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        candidates(&command, &words)
    }

    #[test]
    fn commands_flags_and_their_values_are_completed() {
        for (line, want) in [
            ("le", &["leases"][..]),
            ("re", &["revoke", "release"]),
            ("leases --sta", &["--state"]),
            ("leases --state Wa", &["Waiting"]),
            ("status -o ", &["table", "wide", "yaml", "json"]),
            ("license iss", &["issue"]),
            ("check --wait ", &[]),
            ("status ma", &[]),
            ("__", &[]),
        ] {
            assert_eq!(completed(line), want, "{line:?}");
        }
    }

    #[test]
    fn each_shell_has_a_script_that_knows_the_commands() {
        for shell in Shell::value_variants() {
            let mut out = Vec::new();
            clap_complete::generate(*shell, &mut crate::Cli::command(), "mooring", &mut out);
            let script = String::from_utf8_lossy(&out);
            assert!(script.contains("failover"), "{shell}: {script}");
        }
    }
}
