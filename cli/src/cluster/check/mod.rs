//! `mooring check`: whether an installation is as it should be, from the cluster's version to the
//! pods that run without a sidecar.
//!
//! | module | what it holds |
//! |---|---|
//! | [`facts`] | what was found |
//! | [`judge`](mod@judge) | what that means, and what to do |
//! | [`print`] | it, for people |
//! | [`edge`] | asks the API server |

mod edge;
mod facts;
mod judge;
mod print;

use super::api;
use super::operator::NAMESPACE;
use crate::output;
use clap::ValueEnum;
use judge::{Finding, Outcome};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mooring check                  what is well, and what is not
  mooring check -o short         only what is not
  mooring check --wait 120       until nothing fails, for two minutes at most: behind helm install
  mooring check -o json | jq '.[] | select(.outcome == \"fails\")'

Whether the webhook answers is tried by a dry run of a pod in the namespace (-n) with an annotation
that it must refuse: nothing is made. What you may not look at is said, and fails nothing.

Exit code 1 if something fails.")]
pub struct CheckArgs {
    #[command(flatten)]
    place: api::Place,
    /// The namespace of Mooring's operator
    #[arg(long, value_name = "NAMESPACE", default_value = NAMESPACE)]
    operator_namespace: String,
    /// Try again until nothing fails, for so many seconds at most
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: CheckForm,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CheckForm {
    /// All that was looked at.
    #[default]
    Text,
    /// Only what is not well.
    Short,
    /// A list of findings.
    Json,
}

/// The pause between two tries.
const AGAIN: Duration = Duration::from_secs(2);

/// `mooring check`.
pub fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(args.wait);
    let findings = loop {
        let found = look(args)?;
        if !found.iter().any(fails) || Instant::now() >= end {
            break found;
        }
        std::thread::sleep(AGAIN);
    };
    let text = match args.output {
        CheckForm::Text => print::text(&findings, false),
        CheckForm::Short => print::text(&findings, true),
        CheckForm::Json => output::Data::Json.render(&findings)?,
    };
    output::print(&text)?;
    if findings.iter().any(fails) {
        anyhow::bail!("not all is as it should be");
    }
    Ok(())
}

fn fails(f: &Finding) -> bool {
    f.outcome == Outcome::Fails
}

fn look(args: &CheckArgs) -> anyhow::Result<Vec<Finding>> {
    let facts = api::with_client(&args.place, async |client, namespace| {
        Ok(edge::ask(client, namespace, args.operator_namespace.clone()).await)
    })?;
    Ok(judge::judge(&facts))
}
