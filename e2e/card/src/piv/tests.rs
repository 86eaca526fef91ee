//! The card by its commands alone.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::personal::Made;
use p256::ecdsa::VerifyingKey;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;

const RIGHT: &[u8; 8] = b"123456\xFF\xFF";
const WRONG: &[u8; 8] = b"654321\xFF\xFF";

fn card(wrong_pin: WrongPin) -> Card {
    let made = Made::new("dongle", "123456", 3).unwrap();
    let mut c = Card::new(made.personal().unwrap(), Memory::new(3), wrong_pin);
    assert_eq!(ask(&mut c, 0xA4, 4, 0, &AID).0, 0x9000);
    c
}

/// Status and data of an answer, its further parts fetched.
fn ask(c: &mut Card, ins: u8, p1: u8, p2: u8, data: &[u8]) -> (u16, Vec<u8>) {
    let mut command = vec![0, ins, p1, p2];
    if !data.is_empty() {
        command.push(u8::try_from(data.len()).unwrap());
        command.extend(data);
    }
    let mut all = Vec::new();
    loop {
        let mut a = c.respond(&command);
        let status = a.split_off(a.len() - 2);
        all.extend(a);
        if status[0] != 0x61 {
            return (u16::from_be_bytes([status[0], status[1]]), all);
        }
        command = vec![0, 0xC0, 0, 0, status[1]];
    }
}

fn verify(c: &mut Card, pin: &[u8]) -> u16 {
    ask(c, 0x20, 0, PIN, pin).0
}

fn challenge(digest: &[u8]) -> Vec<u8> {
    let parts = [tlv::encode(&[0x82], &[]), tlv::encode(&[0x81], digest)];
    tlv::encode(&[0x7C], &parts.concat())
}

fn sign(c: &mut Card, slot: u8) -> (u16, Vec<u8>) {
    ask(c, 0x87, P256, slot, &challenge(&[7; 32]))
}

#[test]
fn nothing_is_answered_before_the_application_is_selected() {
    let made = Made::new("dongle", "123456", 3).unwrap();
    let mut c = Card::new(made.personal().unwrap(), Memory::new(3), WrongPin::Counted);
    assert_eq!(verify(&mut c, RIGHT), 0x6D00);
    assert_eq!(sign(&mut c, 0x9E).0, 0x6D00);
    for aid in [&[][..], &AID[..4], b"\xA0\0\0\x05\x27", &[0; 20]] {
        assert_eq!(ask(&mut c, 0xA4, 4, 0, aid).0, 0x6A82, "{aid:02x?}");
    }
    assert_eq!(ask(&mut c, 0xA4, 4, 0, &AID[..5]).0, 0x9000);
    assert_eq!(c.memory, Memory::new(3));
}

#[test]
fn slot_9a_signs_after_the_pin_alone_and_9e_without() {
    let mut c = card(WrongPin::Counted);
    assert_eq!(sign(&mut c, 0x9A).0, 0x6982);
    let (status, answer) = sign(&mut c, 0x9E);
    assert_eq!(status, 0x9000);
    let verifies = |key: &SigningKey, answer: &[u8]| {
        let der = tlv::find(tlv::find(answer, 0x7C).unwrap(), 0x82).unwrap();
        let s = DerSignature::try_from(der).unwrap();
        VerifyingKey::from(key).verify_prehash(&[7; 32], &s).is_ok()
    };
    assert!(verifies(&c.personal.card.key, &answer));
    assert!(!verifies(&c.personal.authentication.key, &answer));

    assert_eq!(verify(&mut c, RIGHT), 0x9000);
    let (status, answer) = sign(&mut c, 0x9A);
    assert_eq!(status, 0x9000);
    assert!(verifies(&c.personal.authentication.key, &answer));
    assert_eq!(
        (
            c.memory.signatures_9a,
            c.memory.signatures_9e,
            c.memory.logins
        ),
        (1, 1, 1)
    );
    // Power off, a logout: the PIN is wanted again.
    assert_eq!(ask(&mut c, 0x20, 0xFF, PIN, &[]).0, 0x9000);
    assert_eq!(sign(&mut c, 0x9A).0, 0x6982);
    assert_eq!(verify(&mut c, RIGHT), 0x9000);
    c.reset();
    assert_eq!(ask(&mut c, 0xA4, 4, 0, &AID).0, 0x9000);
    assert_eq!(sign(&mut c, 0x9A).0, 0x6982);
}

#[test]
fn wrong_pins_are_counted_until_the_card_is_locked_also_over_a_replug() {
    let mut c = card(WrongPin::Counted);
    assert_eq!(verify(&mut c, &[]), 0x63C3, "asking costs nothing");
    assert_eq!(verify(&mut c, WRONG), 0x63C2);
    assert_eq!(verify(&mut c, RIGHT), 0x9000);
    assert_eq!(verify(&mut c, &[]), 0x9000);
    assert_eq!(
        verify(&mut c, WRONG),
        0x63C2,
        "the right one gave all tries back"
    );
    assert_eq!(sign(&mut c, 0x9A).0, 0x6982, "a wrong PIN logs out");
    assert_eq!(verify(&mut c, WRONG), 0x63C1);
    c.reset();
    assert_eq!(ask(&mut c, 0xA4, 4, 0, &AID).0, 0x9000);
    assert_eq!(verify(&mut c, WRONG), 0x6983);
    assert_eq!(verify(&mut c, RIGHT), 0x6983, "locked for good");
    assert_eq!(verify(&mut c, &[]), 0x6983);
    assert_eq!((c.memory.logins, c.memory.refused), (6, 5));
}

#[test]
fn a_card_that_reports_a_wrong_pin_as_a_general_error_counts_it_all_the_same() {
    let mut c = card(WrongPin::GeneralError);
    assert_eq!(verify(&mut c, WRONG), 0x6F00);
    assert_eq!(c.memory.tries_left, 2);
    assert_eq!(verify(&mut c, RIGHT), 0x9000);
}

#[test]
fn nonsense_is_refused_and_costs_no_try() {
    let mut c = card(WrongPin::Counted);
    assert_eq!(verify(&mut c, b"123456"), 0x6A80, "not padded");
    assert_eq!(ask(&mut c, 0x20, 0, 0x81, RIGHT).0, 0x6A88, "another PIN");
    assert_eq!(
        ask(&mut c, 0x87, 0x07, 0x9E, &challenge(&[7; 32])).0,
        0x6A86,
        "RSA"
    );
    assert_eq!(
        ask(&mut c, 0x87, P256, 0x9C, &challenge(&[7; 32])).0,
        0x6A88
    );
    for bad in [vec![], vec![0x7C, 5, 1], challenge(&[7; 20])] {
        assert_eq!(ask(&mut c, 0x87, P256, 0x9E, &bad).0, 0x6A80, "{bad:02x?}");
    }
    assert_eq!(
        ask(&mut c, 0xCB, 0x3F, 0xFF, &[0x5C, 3, 0x5F, 0xC1, 0x0A]).0,
        0x6A82
    );
    assert_eq!(ask(&mut c, 0xCB, 0x3F, 0xFF, &[0x5C, 9]).0, 0x6A80);
    assert_eq!(ask(&mut c, 0xFD, 0, 0, &[]).0, 0x6D00);
    assert_eq!(c.respond(&[0]), [0x67, 0]);
    assert_eq!(c.memory, Memory::new(3));
}

#[test]
fn long_objects_come_in_parts_and_long_commands_in_a_chain() {
    let mut c = card(WrongPin::Counted);
    let (status, object) = ask(&mut c, 0xCB, 0x3F, 0xFF, &[0x5C, 3, 0x5F, 0xC1, 0x05]);
    assert_eq!(status, 0x9000);
    assert!(object.len() > 256, "{}", object.len());
    let certificate = tlv::find(tlv::find(&object, 0x53).unwrap(), 0x70).unwrap();
    assert_eq!(certificate, c.personal.authentication.certificate);

    let whole = challenge(&[7; 32]);
    let (first, last) = whole.split_at(10);
    let part = |cla: u8, data: &[u8]| {
        let n = u8::try_from(data.len()).unwrap();
        [&[cla, 0x87, P256, 0x9E, n], data].concat()
    };
    assert_eq!(c.respond(&part(0x10, first)), [0x90, 0]);
    let a = c.respond(&part(0, last));
    assert_eq!(a[a.len() - 2..], [0x90, 0]);
    assert_eq!(c.memory.signatures_9e, 1);
}
