//! `mooring license anchor pkcs11`: finds or makes a P-256 key on a token, sees that it signs, and
//! describes it.
//!
//! Promises: at most one login; none at all if the token says that a wrong PIN would lock it. No
//! key is ever changed or deleted, and one is made only with `--generate`.

use super::description::{Description, print};
use super::flags::Pkcs11Args;
use super::keys::{self, KeyPair};
use super::token::{self, KeyFacts};
use crate::license::pkcs11::{Names, Wanted, find_token, load, login};
use crate::license::{attestation, file};
use anyhow::{Context as _, anyhow, bail};
use cryptoki::session::Session;
use cryptoki::slot::TokenInfo;
use mooring_core::license::AnchorKind;

/// Describes the anchor.
pub(super) fn run(args: &Pkcs11Args) -> anyhow::Result<()> {
    if let Some(path) = &args.out {
        file::must_be_new(path).context("--out")?;
    }
    let wanted = Wanted {
        module: &args.module,
        token: Some(&args.token_label),
        serial: args.token_serial.as_deref(),
        pin_file: args.pin_file.as_deref(),
        names: NAMES,
    };
    let module = load(&wanted)?;
    let (slot, info) = find_token(&module, &wanted)?;
    let session = if args.generate {
        module.open_rw_session(slot)
    } else {
        module.open_ro_session(slot)
    };
    let session = session
        .with_context(|| format!("cannot open a session with token {:?}", args.token_label))?;
    login(&session, &info, &wanted)?;

    let mut found = keys::find_keys(&session, args)?;
    if found.is_empty() && args.generate {
        found.push(keys::generate(&session, args)?);
    }
    match found.as_slice() {
        [] => bail!("{}", keys::nothing_found(&session, args)),
        [key] => describe(&session, key, &info, args),
        several => bail!(
            "token {:?} has several P-256 keys that fit: {}; choose one with --key-label or --key-id",
            args.token_label,
            several
                .iter()
                .map(|k| k.name.clone())
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

const NAMES: Names = Names {
    module: "--module",
    token: "--token-label",
    serial: "--token-serial",
    pin_file: "--pin-file",
};

fn describe(
    session: &Session,
    key: &KeyPair,
    info: &TokenInfo,
    args: &Pkcs11Args,
) -> anyhow::Result<()> {
    let (facts, each_time) = keys::facts(session, key.private);
    if each_time {
        bail!(
            "key {}: it asks for the PIN at each signature (CKA_ALWAYS_AUTHENTICATE), and a server signs every five \
             minutes; use another key (on a PIV card: slot 9a, 9d or 9e, not 9c)",
            key.name
        );
    }
    keys::prove(session, key)?;
    let attestation = attested(session, key, args)?;

    let why = token::software(info.manufacturer_id(), info.model(), facts);
    let mut notes = vec![
        format!(
            "token {:?}, {} {}, serial {}",
            info.label(),
            info.manufacturer_id(),
            info.model(),
            info.serial_number()
        ),
        format!(
            "key {}, key id {}; it signed a test just now",
            key.name,
            key.public.id()
        ),
    ];
    notes.extend(why.iter().map(|w| format!("software: {w}")));
    if why.is_empty() {
        let untold = facts == KeyFacts::default();
        let note = if untold {
            "nothing says that the key can be copied (the token tells nothing of its keys)"
        } else {
            "the token says that the key cannot leave it"
        };
        notes.push(note.to_owned());
    }
    if let Some(leaf) = attestation.first() {
        let a = attestation::read(leaf).context("--attestation")?;
        if let Some(why) = a.needs_a_hand() {
            bail!("key {}: {why}", key.name);
        }
        notes.push(format!("attested by {a}; the vendor verifies it"));
    }
    for w in &why {
        eprintln!("Note: {w}; a vendor issues for it only with --allow-software-token");
    }
    let label = args.label.clone().unwrap_or_else(|| {
        [info.model(), info.serial_number()]
            .join(" ")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    });
    let description = Description {
        kind: AnchorKind::Pkcs11,
        key: key.public,
        software: !why.is_empty(),
        label: Some(label).filter(|l| !l.is_empty()),
        usb: None,
        hwid: None,
        standby: None,
        attestation: attestation.iter().map(|d| attestation::to_pem(d)).collect(),
    };
    print(&description, &notes, args.output, args.out.as_deref())
}

/// The attestation of the key: among the certificates that the token shows (libykcs11 shows them)
/// and those of the flags.
fn attested(session: &Session, key: &KeyPair, args: &Pkcs11Args) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut all = keys::certificates(session);
    for path in &args.attestation {
        let text = file::read_public(path).context("--attestation")?;
        let read = attestation::from_pem(&text);
        all.extend(read.map_err(|e| anyhow!("--attestation {}: {e}", path.display()))?);
    }
    let chain = attestation::find(&all, &key.public);
    if chain.is_empty() && !args.attestation.is_empty() {
        bail!(
            "--attestation: no certificate there attests key {}; expected what `ykman piv keys attest` wrote for its slot",
            key.name
        );
    }
    Ok(chain)
}
