//! The license server's process; everything is in the library.

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    mooring_server::Args::parse().run()
}
