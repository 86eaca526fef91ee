//! The smaller cases: files, encodings, grammar.

use super::keys::keys;
use super::make::{at, holder, license, range, version};
use super::model::{
    AnnotationCase, DurationCase, Expect, FileCase, GoodFile, HolderCase, PaeCase, Parsed,
    SecretCase, VersionCase,
};
use mooring_core::identity::Holder;
use mooring_core::license::{Envelope, Revocations, VersionRange, VersionScheme, armour, types};
use mooring_core::receipt::Identity;
use mooring_core::request;
use mooring_core::secret::Secret;
use mooring_core::time::parse_span;

pub fn files() -> Vec<FileCase> {
    let k = keys();
    let envelope = Envelope::sign(types::LICENSE, &license(k.anchor.public()), &k.vendor).unwrap();
    let text = armour(&envelope).unwrap();
    let good = || {
        Expect::Ok(GoodFile {
            id: "ACME-2026-001".into(),
            sha256: envelope.digest().0,
            signed_by: k.vendor.public().id().0,
        })
    };
    let bad = |reason: &str| Expect::Error(reason.into());
    let body = text.lines().nth(1).unwrap();
    let begin = "-----BEGIN MOORING LICENSE-----\n";
    let end = "-----END MOORING LICENSE-----\n";
    let mut all = vec![
        ("plain", "as issued", text.clone(), good()),
        (
            "crlf",
            "as a mail program leaves it",
            text.replace('\n', "\r\n"),
            good(),
        ),
        (
            "words-around",
            "words before and after",
            format!("Dear customer,\n\n{text}\nKind regards\n"),
            good(),
        ),
        (
            "one-line",
            "without line breaks inside",
            format!(
                "{begin}{}\n{end}",
                text.lines()
                    .filter(|l| !l.starts_with('-'))
                    .collect::<String>()
            ),
            good(),
        ),
        ("empty", "nothing", String::new(), bad("Malformed")),
        (
            "no-begin",
            "the first line is missing",
            text.replace(begin, ""),
            bad("Malformed"),
        ),
        (
            "cut-off",
            "the last line is missing",
            text.replace(end, ""),
            bad("Malformed"),
        ),
        (
            "line-lost",
            "one line is lost",
            text.replacen(&format!("{body}\n"), "", 1),
            bad("Malformed"),
        ),
        (
            "two",
            "two licenses in one file",
            format!("{text}{text}"),
            bad("Malformed"),
        ),
        (
            "no-base64",
            "a character that is not base64",
            text.replacen(body, &body.replacen('J', "*", 1), 1),
            bad("Malformed"),
        ),
        (
            "no-envelope",
            "base64 of something else",
            format!("{begin}bm90IEpTT04=\n{end}"),
            bad("Malformed"),
        ),
    ];
    let list = Revocations {
        schema: 1,
        number: 1,
        issued: at("2026-01-01T00:00:00Z"),
        next: None,
        revoked: vec![],
    };
    let list = armour(&Envelope::sign(types::REVOCATIONS, &list, &k.vendor).unwrap()).unwrap();
    all.push((
        "revocations",
        "a revocation list of the same vendor",
        list.clone(),
        bad("Malformed"),
    ));
    all.push((
        "revocations-dressed",
        "a revocation list between a license's lines: its type is signed",
        list.replace("MOORING REVOCATIONS", "MOORING LICENSE"),
        bad("SignatureInvalid"),
    ));
    let mut changed = envelope.clone();
    let middle = changed.payload.len() / 2;
    changed.payload[middle] ^= 1;
    all.push((
        "changed",
        "one bit of the license is changed",
        armour(&changed).unwrap(),
        bad("SignatureInvalid"),
    ));
    let cases = all.into_iter().map(|(name, why, text, expect)| FileCase {
        name: name.into(),
        why: why.into(),
        vendor_keys: vec![k.vendor.public()],
        at: at("2026-06-01T12:00:00Z"),
        text,
        expect,
    });
    let mut cases: Vec<FileCase> = cases.collect();
    for (name, why, t, expect) in [
        (
            "last-instant",
            "a second before its end",
            "2026-12-31T23:59:59Z",
            good(),
        ),
        (
            "expired",
            "at its end, which is exclusive",
            "2027-01-01T00:00:00Z",
            bad("Expired"),
        ),
        (
            "not-yet",
            "before it begins",
            "2025-12-31T23:59:59Z",
            bad("NotYetValid"),
        ),
    ] {
        let vendor_keys = vec![k.vendor.public()];
        let (name, why, text) = (name.to_owned(), why.to_owned(), text.clone());
        cases.push(FileCase {
            name,
            why,
            vendor_keys,
            at: at(t),
            text,
            expect,
        });
    }
    cases
}

pub fn pae() -> Vec<PaeCase> {
    let case = |t: &str, payload: &[u8]| {
        let e = Envelope {
            payload_type: t.into(),
            payload: payload.to_vec(),
            signatures: Vec::new(),
        };
        PaeCase {
            payload_type: t.into(),
            payload_hex: hex::encode(payload),
            signed_hex: hex::encode(e.signed_bytes()),
        }
    };
    vec![
        case(types::LEASE, b"{}"),
        case("", b""),
        case("http://example.com/HelloWorld", b"hello world"),
        case("ü", "größe 2 ".as_bytes()),
        case("t", &[0, 0xff, 0x0a]),
    ]
}

pub fn versions() -> Vec<VersionCase> {
    let case = |from: Option<&str>, to: Option<&str>, v: &str, covered| VersionCase {
        range: range(from, to),
        version: version(v),
        covered,
    };
    let years = |v, covered| case(Some("2024.2"), Some("2026"), v, covered);
    vec![
        case(None, None, "1", true),
        years("2024.2", true),
        years("2024.2.1", true),
        years("2024.10", true),
        years("2025", true),
        years("2026.9", true),
        years("2024.1", false),
        years("2024", false),
        years("2027.1", false),
        years("9", false),
        case(Some("2024.2"), None, "3000", true),
        case(None, Some("2026"), "0", true),
        case(None, Some("2026.1"), "2026", true),
        case(None, Some("2026.1"), "2026.1-rc1", true),
        case(None, Some("2026.1"), "2026.2", false),
        case(Some("v1"), Some("v1"), "V1.5", true),
        case(Some("v1"), Some("v1"), "v2", false),
        case(Some("1.a"), Some("1.c"), "1.b", true),
        case(Some("1.a"), Some("1.c"), "1.d", false),
        case(Some("08"), None, "8", true),
        case(None, Some("2023"), "2023b", true),
        case(None, Some("2023a"), "2023b", false),
        case(None, Some("R2024b"), "r2024a", true),
    ]
    .into_iter()
    .chain(schemes().into_iter().flat_map(|(to, v, dotted, decimal)| {
        let case = |scheme, covered| VersionCase {
            range: VersionRange {
                scheme,
                ..range(None, Some(to))
            },
            version: version(v),
            covered,
        };
        [
            case(VersionScheme::Dotted, dotted),
            case(VersionScheme::Decimal, decimal),
        ]
    }))
    .collect()
}

/// A last version, one that is asked for, and whether that is covered: dotted, and decimal.
pub fn schemes() -> [(&'static str, &'static str, bool, bool); 8] {
    [
        ("21.9", "21.10", false, true),
        ("6.5", "6.50", false, true),
        ("2026.0508", "2026.6", true, false),
        ("2023", "2023b", true, false),
        ("2023", "2023SP2", true, false),
        ("2027", "2027.3", true, false),
        ("v2029.01", "2029.010", false, true),
        ("11.0", "1.000", true, true),
    ]
}

pub fn holders() -> Vec<HolderCase> {
    let no_node = match holder() {
        Holder::Pod {
            namespace,
            pod,
            uid,
            service_account,
            ..
        } => Holder::Pod {
            namespace,
            pod,
            uid,
            service_account,
            node: None,
        },
        h @ (Holder::External { .. } | Holder::Owner { .. }) => h,
    };
    let external = Holder::External {
        subject: "alice@studio.example, Zürich".into(),
    };
    let keyed = |h: &Holder, k: u8| HolderCase {
        key_hex: hex::encode([k; 32]),
        holder: h.clone(),
        canonical: h.canonical(),
        hmac: Identity::new(&[k; 32], &[], "main").hide(h),
    };
    vec![
        keyed(&holder(), 9),
        keyed(&holder(), 10),
        keyed(&no_node, 9),
        keyed(&external, 9),
    ]
}

pub fn secrets() -> Vec<SecretCase> {
    let case = |b: [u8; 32]| {
        let s = Secret::from_bytes(b);
        SecretCase {
            bytes_hex: hex::encode(b),
            hash: s.hash().into(),
            secret: s.into(),
        }
    };
    let rising = std::array::from_fn(|i| u8::try_from(i).unwrap());
    vec![case([0; 32]), case([0xff; 32]), case(rising)]
}

pub fn annotations() -> Vec<AnnotationCase> {
    let many = (0..65)
        .map(|i| format!("p{i}"))
        .collect::<Vec<_>>()
        .join(",");
    let long = "x".repeat(65);
    let values = [
        "render",
        "render:1",
        "render:2",
        "render@2026.1",
        "render@2026.1:2,denoise",
        "a,b,c:1000000",
        "x.y_z-9",
        "",
        ",",
        "render,",
        "render, denoise",
        " render",
        "render ",
        "Render",
        "MATLAB,Vivado_System_Edition@v2029.01,85690DSPRM_F:3,pgc++@2019.2019,3D,_ep@1.000",
        "matlab,MATLAB",
        "nastran@flex_host:2",
        "render@host1",
        "6000010:13",
        "-render",
        "render-",
        "über",
        "render@",
        "render@:2",
        "render@2026 1",
        "render@2026@1",
        "render@ünf",
        "render:",
        "render:two",
        "render:0",
        "render:-1",
        "render:+1",
        "render:1.5",
        "render:1000001",
        "render:99999999999999999999",
        "render:2:3",
        "render:2@2026",
        "a,b,a",
        "größe:2",
        &many,
        &long,
    ];
    let case = |v: &&str| AnnotationCase {
        value: (*v).to_owned(),
        expect: match request::parse(v) {
            Ok(items) => Parsed::Items(items),
            Err(e) => Parsed::Error {
                at: e.at,
                found: e.found,
                expected: e.expected,
            },
        },
    };
    values.iter().map(case).collect()
}

pub fn durations() -> Vec<DurationCase> {
    let texts = [
        "30s", "15m", "8h", "14d", "1h30m", "1d2h3m4s", "0s", "", "30", "s", "30m1h", "1h1h",
        "-1s", "1.5h", "1w", " 30s",
    ];
    let case = |t: &&str| DurationCase {
        text: (*t).to_owned(),
        secs: parse_span(t).ok().map(|d| d.as_secs()),
    };
    texts.iter().map(case).collect()
}
