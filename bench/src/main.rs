//! `make bench`: Mooring against the simplest thing that could answer. e2e/bench runs the parts.
//!
//! | file | idea |
//! |---|---|
//! | `goals`, `told`, `report` | what is to be reached, what programs say, the table of both |
//! | `draw` | curves as SVG |
//! | `process`, `site` | what is measured: a process on a core of its own |
//! | `bare` | the simplest thing that could answer |
//! | `wire`, `seat`, `load` | the loader: bytes, what a holder says, how fast |
//! | `against` | server and bare handler in turns |
//! | `renew` | renewals, claims and releases |
//! | `crowd`, `holders` | many connected holders: memory, a restart, all at once |
//! | `line` | a long line |
//! | `sidecar` | one sidecar |
//! | `plane`, `fleet` | a Kubernetes without nodes; the nodes and pods in it |
//! | `operator` | the operator's memory, and what it writes when it is started anew |

mod against;
mod bare;
mod crowd;
mod draw;
mod fleet;
mod goals;
mod holders;
mod line;
mod load;
mod operator;
mod plane;
mod process;
mod renew;
mod report;
mod seat;
mod sidecar;
mod site;
mod told;
mod wire;

use against::Rounds;
use anyhow::Result;
use bare::BareArgs;
use clap::{Parser, Subcommand};
use holders::RESTARTED;
use mooring_core::time::DEFAULT_LEASE;
use operator::OperatorArgs;
use report::ReportArgs;
use sidecar::SidecarArgs;
use site::{Plan, Site};
use std::path::PathBuf;
use tokio::task::LocalSet;

#[derive(Debug, Parser)]
#[command(about = "Measures Mooring; e2e/bench knows how")]
struct Args {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Renewals a second against the bare handler's answers.
    Renew {
        #[command(flatten)]
        program: Program,
        #[command(flatten)]
        rounds: Rounds,
        /// Numbers of connections for the curve, besides those that there is a goal for.
        #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
        more: Vec<usize>,
    },
    /// Claims and releases a second against the bare handler's answers.
    Claim {
        #[command(flatten)]
        program: Program,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// Connected holders: memory, a restart, all of them at once.
    Holders {
        #[command(flatten)]
        program: Program,
        /// How many holders there are, one level after the other.
        #[arg(long, value_delimiter = ',', default_value = "100,1000,10000,30000")]
        levels: Vec<usize>,
        /// And with leases of five minutes.
        #[arg(long, value_delimiter = ',', default_value = "100000")]
        slow: Vec<usize>,
    },
    /// A long line, and all seats given back at once.
    Storm {
        #[command(flatten)]
        program: Program,
    },
    /// A sidecar: memory, processor, its image, its socket.
    Sidecar {
        #[command(flatten)]
        program: Program,
        #[command(flatten)]
        sidecar: SidecarArgs,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// The operator: memory with leases, with pods that are not its business; its restart.
    Operator {
        #[command(flatten)]
        program: Program,
        #[command(flatten)]
        operator: OperatorArgs,
    },
    /// Collect what programs said: results.json, a table, curves.
    Report(ReportArgs),
    /// Be the bare handler.
    #[command(hide = true)]
    Bare(BareArgs),
}

#[derive(Debug, clap::Args)]
struct Program {
    /// mooring-server, of a release build.
    #[arg(long)]
    server: PathBuf,
}

/// D where the memory of holders is measured, unless it is said otherwise: the default.
const LEASE_SECS: u64 = DEFAULT_LEASE.as_secs();
/// More connections than any measurement has; the server takes no higher number.
const CONNECTIONS: u32 = 100_000;

impl Program {
    /// A server that runs, with this plan.
    fn site(&self, plan: Plan) -> Result<Site> {
        let mut site = Site::new(&self.server, plan)?;
        site.start()?;
        Ok(site)
    }
}

fn main() -> Result<()> {
    match Args::parse().part {
        Part::Renew {
            program,
            rounds,
            more,
        } => {
            let site = program.site(Plan {
                connections: CONNECTIONS,
                ..Plan::default()
            })?;
            loader(renew::renew(&site, rounds, &more))
        }
        Part::Claim { program, rounds } => {
            let site = program.site(Plan::default())?;
            loader(renew::claim(&site, rounds))
        }
        Part::Holders {
            program,
            levels,
            slow,
        } => connected(&program, &levels, &slow),
        Part::Storm { program } => {
            let site = program.site(Plan {
                seats: u32::try_from(line::SEATS)?,
                ..Plan::default()
            })?;
            loader(line::storm(&site))
        }
        Part::Sidecar {
            program,
            sidecar,
            rounds,
        } => {
            let site = program.site(Plan {
                lease_secs: LEASE_SECS,
                ..Plan::default()
            })?;
            loader(sidecar::sidecar(&site, &sidecar, rounds))
        }
        Part::Operator { program, operator } => {
            let mut site = Site::new(
                &program.server,
                Plan {
                    connections: CONNECTIONS,
                    ..Plan::default()
                },
            )?;
            loader(operator::operator(&mut site, &operator))
        }
        Part::Report(args) => report::report(&args),
        Part::Bare(args) => bare::serve(&args),
    }
}

/// Each on a server of its own: the storm, the growing crowd with a restart under 10,000, and the
/// crowd whose leases are long.
fn connected(program: &Program, levels: &[usize], slow: &[usize]) -> Result<()> {
    let plan = Plan {
        lease_secs: LEASE_SECS,
        connections: CONNECTIONS,
        ..Plan::default()
    };
    let site = program.site(plan)?;
    loader(holders::storm(&site, LEASE_SECS, RESTARTED))?;
    drop(site);
    let mut site = program.site(plan)?;
    let upto = levels.iter().take_while(|n| **n <= RESTARTED).count();
    let (below, above) = levels.split_at(upto);
    loader(async {
        let crowd = holders::grow(&site, LEASE_SECS, below).await?;
        holders::restart(&mut site, &crowd).await
    })?;
    drop(site);
    for (lease_secs, levels) in [(LEASE_SECS, above), (300, slow)] {
        if levels.iter().any(|n| holders::may_have(*n)) {
            let site = program.site(Plan { lease_secs, ..plan })?;
            loader(async { holders::grow(&site, lease_secs, levels).await.map(drop) })?;
        }
    }
    Ok(())
}

/// Runs a part on one thread: the script gives it a core.
fn loader(part: impl Future<Output = Result<()>>) -> Result<()> {
    mooring_net::serve::file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(LocalSet::new().run_until(part))
}
