//! `mooring audit extract`.

use super::{log, verify};
use crate::license::file;
use crate::output;
use anyhow::Context as _;
use mooring_core::audit::{Extract, Salt, Verifier};
use mooring_net::random;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is yours is hidden: namespaces, pods, UIDs, service accounts, nodes, subjects, claims, client tokens and
keys. Each becomes a hash under a salt (HMAC-SHA-256), the same name the same hash; reasons in words are left out.
Products, pools, seats, licenses, times and problems stay. Each record names the number and the hash of the line it
was made of, so that you can show that line later, and who has the salt can show a name. Without --salt-file the salt
is made anew and forgotten. What is printed is a log that mooring audit verify takes. Exit code 1 if the log that it
is made of does not hang together; what there is of it is printed all the same.

Examples:
  mooring audit extract /var/lib/mooring/audit --salt-file audit.salt > for-the-vendor.jsonl
  kubectl -n licensing logs main-0 | mooring audit extract - --salt-file audit.salt"
)]
pub struct ExtractArgs {
    /// Folders and files, in the order of their records (- for standard input)
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The salt that names are hidden under: read, or made and written there (mode 0600). Keep it
    /// to yourself
    #[arg(long, value_name = "FILE")]
    salt_file: Option<PathBuf>,
}

pub fn run(args: &ExtractArgs) -> anyhow::Result<()> {
    let salt = if let Some(path) = &args.salt_file {
        kept(path)?
    } else {
        eprintln!("The salt is forgotten: nobody can show a name later. --salt-file keeps it.");
        Salt::from_bytes(random::bytes())
    };
    let (mut extract, mut verifier) = (Extract::new(&salt), Verifier::default());
    log::read(&args.files, |place, line| {
        let (file, number) = (place.file.clone(), place.line);
        if verifier.line(place, line) {
            match extract.line(line) {
                Ok(line) => output::print(&(line + "\n"))?,
                Err(e) => eprintln!("{file}, line {number} is left out: {e}"),
            }
        }
        Ok(())
    })?;
    let report = verifier.end();
    eprint!("{}", verify::breaks(&report));
    verify::holds(&report)
}

fn kept(path: &Path) -> anyhow::Result<Salt> {
    let name = path.display();
    if path.symlink_metadata().is_err() {
        let salt = Salt::from_bytes(random::bytes());
        file::create(path, &(salt.text() + "\n"), 0o600)?;
        eprintln!("A salt is made, in {name} (mode 0600). Who has it can try names out: keep it.");
        return Ok(salt);
    }
    let text = file::read_public(path)?;
    Salt::read(&text).with_context(|| format!("--salt-file {name}"))
}
