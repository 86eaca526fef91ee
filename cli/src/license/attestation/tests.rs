#![allow(clippy::unwrap_used)]
use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    date_time_ymd,
};

const NOW: &str = "2026-06-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn params(name: &str, ca: bool) -> CertificateParams {
    let mut p = CertificateParams::new(Vec::new()).unwrap();
    p.distinguished_name.push(DnType::CommonName, name);
    p.not_before = date_time_ymd(2020, 1, 1);
    p.not_after = date_time_ymd(2050, 1, 1);
    if ca {
        p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    p
}

/// The maker's root, a device, and a key in it.
struct Made {
    root: Vec<u8>,
    device: Vec<u8>,
    leaf: Vec<u8>,
    key: PublicKey,
}

struct Want {
    pin: u8,
    touch: u8,
    device_ends: i32,
    device_is_ca: bool,
    extensions: bool,
}

const PLAIN: Want = Want {
    touch: 1,
    pin: 2,
    device_ends: 2050,
    device_is_ca: true,
    extensions: true,
};

fn make(w: &Want) -> Made {
    let key = || KeyPair::generate().unwrap();
    let (root_key, device_key, leaf_key) = (key(), key(), key());
    let root_params = params("Maker Root", true);
    let root = root_params.self_signed(&root_key).unwrap();
    let root_issuer = Issuer::new(root_params, root_key);
    let mut device_params = params("Device f9", w.device_is_ca);
    device_params.not_after = date_time_ymd(w.device_ends, 1, 1);
    let device = device_params.signed_by(&device_key, &root_issuer).unwrap();
    let device_issuer = Issuer::new(device_params, device_key);
    let mut p = params("Attestation 9a", false);
    let arc = |last: u64| [1, 3, 6, 1, 4, 1, 41482, 3, last];
    if w.extensions {
        for (last, value) in [
            (3, vec![5, 4, 3]),
            (7, vec![2, 4, 0x01, 0x02, 0x03, 0x04]),
            (8, vec![w.pin, w.touch]),
        ] {
            p.custom_extensions
                .push(CustomExtension::from_oid_content(&arc(last), value));
        }
    }
    let leaf = p.signed_by(&leaf_key, &device_issuer).unwrap();
    Made {
        root: root.der().to_vec(),
        device: device.der().to_vec(),
        leaf: leaf.der().to_vec(),
        key: PublicKey::P256(leaf_key.public_key_raw().try_into().unwrap()),
    }
}

fn checked(m: &Made) -> Result<Attested, AttestationError> {
    check(
        &m.key,
        &[m.leaf.clone(), m.device.clone()],
        std::slice::from_ref(&m.root),
        now(),
    )
}

#[test]
fn a_chain_up_to_the_root_tells_device_and_policy() {
    let m = make(&PLAIN);
    let a = checked(&m).unwrap();
    let want = Attested {
        firmware: "5.4.3".into(),
        serial: Some(0x0102_0304),
        pin: Some(2),
        touch: Some(1),
    };
    assert_eq!(a, want);
    assert_eq!(
        a.to_string(),
        "YubiKey serial 16909060, firmware 5.4.3, PIN once, touch never"
    );
    assert_eq!(a.needs_a_hand(), None);
    // The root may stand in the chain as well, and the device may be trusted itself.
    check(
        &m.key,
        &[m.leaf.clone(), m.device.clone(), m.root.clone()],
        std::slice::from_ref(&m.root),
        now(),
    )
    .unwrap();
    check(
        &m.key,
        std::slice::from_ref(&m.leaf),
        std::slice::from_ref(&m.device),
        now(),
    )
    .unwrap();
}

#[test]
fn each_link_edited_swapped_or_expired_is_refused_and_named() {
    let (m, other) = (make(&PLAIN), make(&PLAIN));
    let refuse = |key: &PublicKey, chain: &[&Vec<u8>], roots: &[&Vec<u8>]| {
        let own = |l: &[&Vec<u8>]| l.iter().map(|d| (*d).clone()).collect::<Vec<_>>();
        let e = check(key, &own(chain), &own(roots), now()).unwrap_err();
        (e.index, e.problem)
    };
    let edited = |der: &[u8]| {
        // A byte of the signature.
        let mut d = der.to_vec();
        let n = d.len() - 3;
        d[n] ^= 1;
        d
    };
    for ((index, problem), want_index, says) in [
        (
            refuse(&other.key, &[&m.leaf, &m.device], &[&m.root]),
            0,
            "another key than the anchor's",
        ),
        (
            refuse(&m.key, &[&edited(&m.leaf), &m.device], &[&m.root]),
            0,
            "not signed by attestation[1]",
        ),
        (
            refuse(&m.key, &[&m.leaf, &edited(&m.device)], &[&m.root]),
            1,
            "none of --attestation-root",
        ),
        (
            refuse(&m.key, &[&m.leaf, &other.device], &[&other.root]),
            0,
            "not signed by attestation[1]",
        ),
        (
            refuse(&m.key, &[&m.leaf, &m.device], &[&other.root]),
            1,
            "none of --attestation-root",
        ),
        (
            refuse(&m.key, &[&m.leaf, &m.device], &[]),
            1,
            "none of --attestation-root",
        ),
        (
            refuse(&m.key, &[&m.leaf], &[&m.root]),
            0,
            "none of --attestation-root",
        ),
        (
            refuse(&m.key, &[&m.leaf], &[&m.leaf]),
            0,
            "none of --attestation-root",
        ),
        (
            refuse(&m.key, &[&m.device, &m.leaf], &[&m.root]),
            0,
            "another key",
        ),
        (refuse(&m.key, &[], &[&m.root]), 0, "0 certificates"),
        (
            refuse(&m.key, &[&m.leaf, &vec![1, 2, 3]], &[&m.root]),
            1,
            "no X.509 certificate",
        ),
    ] {
        assert!(
            index == want_index && problem.contains(says),
            "{index} {problem}, expected {want_index} {says}"
        );
    }
    let at = |w: Want| checked(&make(&w)).unwrap_err();
    let e = at(Want {
        device_ends: 2025,
        ..PLAIN
    });
    assert!(
        e.index == 1 && e.problem.contains("is valid from") && e.problem.contains(NOW),
        "{e}"
    );
    let e = at(Want {
        device_is_ca: false,
        ..PLAIN
    });
    assert!(e.index == 1 && e.problem.contains("no CA"), "{e}");
    let e = at(Want {
        extensions: false,
        ..PLAIN
    });
    assert!(
        e.index == 0 && e.problem.contains("no attestation of a YubiKey"),
        "{e}"
    );
}

#[test]
fn every_bit_of_the_keys_own_certificate_counts() {
    let m = make(&PLAIN);
    let told = checked(&m).unwrap();
    let mut same = 0;
    for i in 0..m.leaf.len() {
        let mut leaf = m.leaf.clone();
        leaf[i] ^= 1 << (i % 8);
        let chain = [leaf, m.device.clone()];
        if let Ok(a) = check(&m.key, &chain, std::slice::from_ref(&m.root), now()) {
            assert_eq!(a, told, "byte {i}");
            same += 1;
        }
    }
    // What stands around the signature has no meaning of its own.
    assert!(same <= 2, "{same}");
}

#[test]
fn keys_that_want_a_hand_are_told() {
    for (pin, touch, says) in [(2, 2, "touch"), (2, 3, "touch"), (3, 1, "PIN anew")] {
        let a = checked(&make(&Want {
            pin,
            touch,
            ..PLAIN
        }))
        .unwrap();
        assert!(a.needs_a_hand().unwrap().contains(says));
    }
}

#[test]
fn the_chain_is_found_among_a_tokens_certificates() {
    let (m, other) = (make(&PLAIN), make(&PLAIN));
    let plain = make(&Want {
        extensions: false,
        ..PLAIN
    });
    let all = [
        other.leaf.clone(),
        m.device.clone(),
        vec![7; 9],
        plain.leaf.clone(),
        m.leaf.clone(),
        other.device.clone(),
    ];
    assert_eq!(find(&all, &m.key), [m.leaf.clone(), m.device.clone()]);
    assert!(
        find(&all, &plain.key).is_empty(),
        "an ordinary certificate of the key is no attestation"
    );
    let text = format!("{}{}", to_pem(&m.leaf), to_pem(&m.device));
    assert_eq!(from_pem(&text).unwrap(), [m.leaf, m.device]);
    assert!(
        from_pem("").is_err() && from_pem("-----BEGIN X-----\nAAAA\n-----END X-----\n").is_err()
    );
}
