//! `mooring license anchor hwid`: a machine, by salted hashes of what it is known by, and a key in
//! a file.

use super::description::{Description, print};
use super::key_file;
use crate::license::file;
use crate::output::Data;
use anyhow::{Context as _, anyhow, bail};
use mooring_core::license::{AnchorKind, HwidItem};
use mooring_hardware::hwid::{self, Fact, Unread};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::path::PathBuf;

/// Flags.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The weak tier: whoever is root on another machine can make it say the same. The description carries salted hashes; still, an
address or a short serial number can be guessed from its hash. Run it as root on the machine itself: most numbers are told to
UID 0 alone.

Examples:
  sudo mooring license anchor hwid --key-file anchor.key --generate --out anchor.yaml
  sudo mooring license anchor hwid --key-file anchor.key -k 3 > anchor.yaml"
)]
pub struct HwidArgs {
    #[command(flatten)]
    key: key_file::KeyArgs,
    /// How many of the things found must still be there later [default: more than half of them]
    #[arg(short = 'k', value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    k: Option<u32>,
    /// Where the machine's root is mounted
    #[arg(
        long,
        value_name = "DIR",
        env = "MOORING_HOST_ROOT",
        default_value = "/"
    )]
    host_root: PathBuf,
    /// Words for people in the license, such as the machine's name
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// The form of the description
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Data,
    /// Write it to a file instead of standard output; never overwritten
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Describes the anchor.
pub(super) fn run(args: &HwidArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.out {
        file::must_be_new(path).context("--out")?;
    }
    let (facts, unread) = hwid::read(&args.host_root).context("--host-root")?;
    let n = u32::try_from(facts.len()).unwrap_or(u32::MAX);
    if !facts.iter().any(|f| f.item.is_hardware()) {
        bail!(
            "nothing of this machine's hardware tells it from another: {}{}",
            words(&facts),
            not_read(&unread)
        );
    }
    let k = args.k.unwrap_or(n / 2 + 1);
    if k > n {
        bail!(
            "-k {k}: more than there is: {} ({n} in all){}",
            words(&facts),
            not_read(&unread)
        );
    }
    let key = key_file::find(&args.key)?;
    let mut salt = [0; 16];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| anyhow!("the kernel gave no random bytes"))?;
    let mut notes = vec![
        format!(
            "this machine by {}; {k} of these {n} must be found later, one of hardware among them",
            words(&facts)
        ),
        key_file::note(&key, &args.key),
    ];
    notes.extend(
        unread
            .iter()
            .map(|u| format!("not read: {} ({})", u.item, u.why)),
    );
    for u in &unread {
        eprintln!(
            "Note: not read: {} ({}); run as root for more",
            u.item, u.why
        );
    }
    let description = Description {
        label: args.label.clone(),
        hwid: Some(hwid::hashed(&facts, &hex::encode(salt), k)),
        ..Description::software(AnchorKind::Hwid, key)
    };
    print(&description, &notes, args.output, args.out.as_deref())
}

/// What was found, by name and never by value.
fn words(facts: &[Fact]) -> String {
    let words: Vec<String> = HwidItem::ALL
        .iter()
        .filter_map(|i| match facts.iter().filter(|f| f.item == *i).count() {
            0 => None,
            1 => Some(i.to_string()),
            n => Some(format!("{i} ({n})")),
        })
        .collect();
    if words.is_empty() {
        "nothing is found".into()
    } else {
        words.join(", ")
    }
}

fn not_read(unread: &[Unread]) -> String {
    let list: Vec<String> = unread
        .iter()
        .map(|u| format!("{} ({})", u.item, u.why))
        .collect();
    if list.is_empty() {
        String::new()
    } else {
        format!("; not readable: {}; run as root", list.join(", "))
    }
}
