//! `core/testdata/vectors.json`, run by each language's library: every case must come to what the
//! file says, with its reason.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

use mooring_client::Timestamp;
use mooring_testkit::languages::{LANGUAGES, Runner};
use serde_json::Value;
use std::path::Path;

fn vectors() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/testdata/vectors.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or_default()
}

/// A case as a command for the runners.
fn command(all: &Value, case: &Value) -> Vec<String> {
    let keys = case["vendorKeys"].as_array().unwrap();
    let keys: String = keys
        .iter()
        .map(|k| {
            text(k)
                .strip_prefix("ed25519:")
                .expect("a vendor's key is Ed25519")
        })
        .collect();
    let d = &case["demand"];
    let day = text(&d["builtOn"]);
    // An application says a day: no case may need more.
    let day = if day.is_empty() {
        ""
    } else {
        day.strip_suffix("T00:00:00Z").expect(day)
    };
    let link = |name: &str| all["envelopes"][text(&case["bundle"][name])].clone();
    let licenses = case["bundle"]["licenses"].as_array().unwrap().iter();
    let licenses: Vec<&Value> = licenses.map(|l| &all["envelopes"][text(l)]).collect();
    let bundle = serde_json::json!({"licenses": licenses, "delegation": link("delegation"), "lease": link("lease")});
    let hardware = if d["hardware"] == true { "1" } else { "" };
    let ms = |v: &Value| {
        let t: Option<Timestamp> = v.as_str().map(|t| t.parse().unwrap());
        t.map_or(String::new(), |t| t.as_millisecond().to_string())
    };
    let ago = case["first"]["agoSecs"].as_u64();
    let ago = ago.map_or(String::new(), |s| (s * 1000).to_string());
    let words = [
        "verify",
        &keys,
        text(&d["appVersion"]),
        day,
        "",
        hardware,
        "",
        text(&d["product"]),
        text(&d["nonce"]),
    ];
    words
        .iter()
        .map(ToString::to_string)
        .chain([bundle.to_string()])
        .chain([ms(&case["now"]), ms(&case["first"]["issuedAt"]), ago])
        .chain([text(&d["bind"]).to_owned()])
        .collect()
}

/// What the case must come to, as the runners say it; of an error the reason alone.
fn expected(case: &Value) -> Vec<String> {
    let ok = &case["expect"]["ok"];
    if ok.is_null() {
        return vec!["error".into(), text(&case["expect"]["error"]).into()];
    }
    let flag = |v: &Value| u8::from(v == true).to_string();
    vec![
        "ok".into(),
        text(&ok["lease"]).into(),
        ok["seats"].to_string(),
        ok["runForSecs"].to_string(),
        flag(&ok["fresh"]),
        text(&ok["anchor"]).into(),
        flag(&ok["software"]),
        ok["overdraft"].to_string(),
        flag(&ok["test"]),
        flag(&ok["emergency"]),
        text(&ok["licenseId"]).into(),
        text(&ok["issuedAt"]).into(),
    ]
}

fn compare(runner: &mut Runner, all: &Value) -> Vec<String> {
    let mut wrong = vec![];
    for case in all["bundles"].as_array().unwrap() {
        let words = command(all, case);
        let mut got = runner.ask(&words.iter().map(String::as_str).collect::<Vec<_>>());
        if got[0] == "error" {
            assert!(!got[2].is_empty(), "no words");
            got.truncate(2);
        }
        let expected = expected(case);
        if got != expected {
            wrong.push(format!(
                "{}, {}: {expected:?}, not {got:?}",
                runner.language, case["name"]
            ));
        }
    }
    wrong
}

#[test]
fn every_language_comes_to_the_same() {
    let all = vectors();
    assert!(all["bundles"].as_array().unwrap().len() >= 120);
    for language in LANGUAGES {
        assert_eq!(compare(&mut Runner::new(language), &all), [""; 0]);
    }
}

/// The comparison itself finds a wrong reason and a wrong value, in each language.
#[test]
fn a_wrong_reason_is_found() {
    let mut all = vectors();
    let cases = all["bundles"].as_array_mut().unwrap();
    for (name, expect) in [
        ("nonce-other", serde_json::json!({"error": "LeaseMixed"})),
        (
            "lease-rogue",
            serde_json::json!({"error": "DelegationNotSigned"}),
        ),
    ] {
        cases.iter_mut().find(|c| c["name"] == name).unwrap()["expect"] = expect;
    }
    cases.iter_mut().find(|c| c["name"] == "ed25519").unwrap()["expect"]["ok"]["seats"] = 3.into();
    for language in LANGUAGES {
        let wrong = compare(&mut Runner::new(language), &all);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
    }
}

/// Whatever is no chain at all.
#[test]
fn what_cannot_be_read_is_refused_in_the_same_way() {
    for language in LANGUAGES {
        let mut r = Runner::new(language);
        let key = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        let mut reason = |day: &str, product: &str, bundle: &str| {
            let got = r.ask(&[
                "verify", key, "2026.1", day, "", "", "", product, "", bundle,
            ]);
            (got[0].clone(), got[1].clone(), got[2].clone())
        };
        for bundle in [
            "{}",
            "[1",
            "null",
            "\u{fc}",
            "{\"license\":{},\"delegation\":{},\"lease\":{}}",
            &"[".repeat(100_000),
        ] {
            let (kind, why, _) = reason("2026-03-01", "render", bundle);
            assert_eq!(
                (kind.as_str(), why.as_str()),
                ("error", "Answer"),
                "{language}: {bundle:.80}"
            );
        }
        for (day, product, field) in [
            ("1.3.2026", "render", "built_on"),
            ("2026-03-01", "Two Words", "product"),
        ] {
            let (kind, why, words) = reason(
                day,
                product,
                "{\"licenses\":[{\"payloadType\":\"\",\"payload\":\"\",\"signatures\":[]}],\"delegation\":{\"payloadType\":\"\",\"payload\":\"\",\"signatures\":[]},\"lease\":{\"payloadType\":\"\",\"payload\":\"\",\"signatures\":[]}}",
            );
            assert_eq!(
                (kind.as_str(), why.as_str()),
                ("error", "Argument"),
                "{language}: {words}"
            );
            assert!(words.contains(field), "{language}: {words}");
        }
    }
}
