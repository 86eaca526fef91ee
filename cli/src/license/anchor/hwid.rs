//! `mooring license anchor hwid`: a machine, by salted hashes of what it is known by, and a key in
//! a file.

use super::description::{Description, Destination};
use super::key_file;
use crate::output::list;
use anyhow::{Context as _, bail};
use mooring_core::license::{AnchorKind, HwidItem};
use mooring_hardware::hwid::{self, Fact, Stability};
use mooring_net::random;
use std::path::PathBuf;

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
    #[command(flatten)]
    destination: Destination,
}

/// How many facts must stay: with one, whatever takes it away takes the license, too.
const LEAST: usize = 2;

pub(super) fn run(args: &HwidArgs) -> anyhow::Result<()> {
    args.destination.must_be_new()?;
    let root = &args.host_root;
    let machine = hwid::read(root).context("--host-root")?;
    let around = hwid::surroundings(root);
    let judged: Vec<(Fact, Stability)> = machine
        .facts
        .into_iter()
        .map(|f| {
            let s = hwid::stability(&f, around);
            (f, s)
        })
        .collect();
    let mut said: Vec<String> = judged.iter().map(|(f, s)| verdict(f.item, *s)).collect();
    said.extend(machine.unread.iter().map(|u| {
        let (item, why) = (u.item, &u.why);
        format!("{item}: not read: {why}; run as root for more")
    }));
    match machine.unnumbered_disks {
        0 => {}
        n => said.push(format!(
            "diskSerial: {n} more without a serial number: no fact"
        )),
    }
    let facts: Vec<Fact> = judged
        .into_iter()
        .filter_map(|(f, s)| s.stays.then_some(f))
        .collect();
    for s in &said {
        eprintln!("Note: {s}");
    }
    let k = enough(&facts, args.k)?;
    let (found, n) = (words(&facts), facts.len());
    let key = key_file::find(&args.key)?;
    let salt = hex::encode(random::bytes::<16>());
    let mut notes = vec![
        format!(
            "this machine by {found}; {k} of these {n} must be found later, one of hardware among them"
        ),
        key_file::note(&key, &args.key),
    ];
    notes.append(&mut said);
    let description = Description {
        label: args.label.clone(),
        hwid: Some(hwid::hashed(&facts, &salt, k)),
        ..Description::of(AnchorKind::Hwid, key)
    };
    args.destination.print(&description, &notes)
}

/// One fact's stability for people, by its name and never by its value.
fn verdict(item: HwidItem, s: Stability) -> String {
    let word = if s.stays { "stays" } else { "moves, left out" };
    format!("{item}: {word}: {}", s.why)
}

/// Whether a machine can be told by the facts of it that stay; how many must be found later.
fn enough(facts: &[Fact], k: Option<u32>) -> anyhow::Result<u32> {
    let found = words(facts);
    let n = u32::try_from(facts.len()).unwrap_or(u32::MAX);
    if !facts.iter().any(|f| f.item.is_hardware()) {
        bail!("nothing of this machine's hardware that stays tells it from another: {found}");
    }
    if facts.len() < LEAST {
        bail!(
            "only {n} fact of this machine stays ({found}), expected at least {LEAST}; take a token (pkcs11) or a USB device (usb) as the anchor"
        );
    }
    let k = k.unwrap_or(n / 2 + 1);
    if k > n {
        bail!("-k {k}: more than there is: {found} ({n} in all)");
    }
    Ok(k)
}

/// What was found, by name and never by value.
fn words(facts: &[Fact]) -> String {
    if facts.is_empty() {
        return "nothing is found".into();
    }
    let count = |i: &HwidItem| facts.iter().filter(|f| f.item == *i).count();
    let counted = HwidItem::ALL.iter().map(|i| (i, count(i)));
    list(counted.filter(|(_, n)| *n > 0).map(|(i, n)| match n {
        1 => i.to_string(),
        n => format!("{i} ({n})"),
    }))
}
