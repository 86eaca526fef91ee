//! `mooring license anchor pkcs11`: finds or makes a P-256 key on a token, sees that it signs, and
//! describes it.
//!
//! Promises: at most one login; none at all if the token says that a wrong PIN would lock it. No
//! key is ever changed or deleted, and one is made only with `--generate`.

use super::description::Description;
use super::flags::Pkcs11Args;
use super::keys;
use super::token::{self, KeyFacts, P256_OID, p256};
use crate::license::attestation;
use crate::license::pkcs11::pairs::{Called, Curve, KeyPair};
use crate::license::pkcs11::{Names, Wanted, open};
use anyhow::{Context as _, bail};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::KeyType;
use cryptoki::session::Session;
use cryptoki::slot::TokenInfo;
use mooring_core::license::AnchorKind;
use mooring_net::random;

const NAMES: Names = Names {
    module: "--module",
    token: "--token-label",
    serial: "--token-serial",
    pin_file: "--pin-file",
};

const P256: Curve = Curve {
    name: "P-256",
    key_type: KeyType::EC,
    params: &P256_OID,
    older_params: None,
    generation: Mechanism::EccKeyPairGen,
    read: p256,
    if_none: "--generate makes one",
    if_several: "choose one with --key-label or --key-id",
};

pub(super) fn run(args: &Pkcs11Args) -> anyhow::Result<()> {
    args.destination.must_be_new()?;
    let token = &args.token_label;
    let wanted = Wanted {
        module: &args.module,
        token: Some(token),
        serial: args.token_serial.as_deref(),
        pin_file: args.pin_file.as_deref(),
        names: NAMES,
    };
    let (session, info) = open(&wanted, args.generate)?;
    let called = Called {
        label: args.key_label.as_deref(),
        id: args.key_id.as_ref().map(|id| &id.0[..]),
    };
    let mut found = P256.find(&session, called)?;
    if found.is_empty() && args.generate {
        let label = called.label.unwrap_or("mooring");
        let made = P256.generate(&session, token, label, called.id)?;
        eprintln!("Made key {} on token {token:?}", made.name);
        found.push(made);
    }
    let key = P256.only(&session, token, called, found)?;
    describe(&session, &key, &info, args)
}

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
    // Something new: the token lets the key sign.
    let message = [b"mooring anchor test ".as_slice(), &random::bytes::<32>()].concat();
    key.sign(session, &message)?;
    let attestation = attested(session, key, args)?;

    let why = token::software(info.manufacturer_id(), info.model(), facts);
    let (label, maker, model) = (info.label(), info.manufacturer_id(), info.model());
    let (serial, name, id) = (info.serial_number(), &key.name, key.public.id());
    let mut notes = vec![
        format!("token {label:?}, {maker} {model}, serial {serial}"),
        format!("key {name}, key id {id}; it signed a test just now"),
    ];
    notes.extend(why.iter().map(|w| format!("software: {w}")));
    if why.is_empty() {
        let note = if facts == KeyFacts::default() {
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
        let words = [model.split_whitespace(), serial.split_whitespace()];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    let description = Description {
        software: !why.is_empty(),
        label: Some(label).filter(|l| !l.is_empty()),
        attestation: attestation.iter().map(|d| attestation::to_pem(d)).collect(),
        ..Description::of(AnchorKind::Pkcs11, key.public)
    };
    args.destination.print(&description, &notes)
}

/// The attestation of the key: among the certificates that the token shows (libykcs11 shows them)
/// and those of the flags.
fn attested(session: &Session, key: &KeyPair, args: &Pkcs11Args) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut all = keys::certificates(session);
    all.extend(attestation::from_files("--attestation", &args.attestation)?);
    let chain = attestation::find(&all, &key.public);
    if chain.is_empty() && !args.attestation.is_empty() {
        bail!(
            "--attestation: no certificate there attests key {}; expected what `ykman piv keys attest` wrote for its slot",
            key.name
        );
    }
    Ok(chain)
}
