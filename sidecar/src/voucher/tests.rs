#![allow(clippy::unwrap_used)]
use super::*;
use mooring_core::license::{Envelope, SigningKey, Voucher, armour, types};
use mooring_core::request::parse;

const NOON: &str = "2026-05-01T12:00:00Z";

fn voucher() -> String {
    let v = Voucher {
        schema: 1,
        license: "L-1".into(),
        products: vec!["render".parse().unwrap(), "denoise".parse().unwrap()],
        issued: "2026-04-01T00:00:00Z".parse().unwrap(),
        not_before: None,
        expires: "2026-06-01T00:00:00Z".parse().unwrap(),
    };
    let key = SigningKey::from_seed(&[1; 32]).unwrap();
    armour(&Envelope::sign(types::VOUCHER, &v, &key).unwrap()).unwrap()
}

fn starts(license: OptimisticStart, voucher: &str, items: &str, now: &str) -> bool {
    let p = OfflineStart {
        license,
        voucher: VoucherSource::new(voucher),
    };
    let items = parse(items).unwrap();
    assert_eq!(
        p.start(Start::Licensed, &items, now.parse().unwrap()),
        Start::Licensed
    );
    p.start(Start::Optimistic, &items, now.parse().unwrap()) == Start::Optimistic
}

#[test]
fn a_start_without_a_server_is_as_the_license_says() {
    use OptimisticStart::{Allow, Deny, Voucher};
    let v = voucher();
    assert!(starts(Allow, "", "render", NOON));
    assert!(!starts(Deny, &v, "render", NOON));
    assert!(starts(Voucher, &v, "render:2,denoise", NOON));
    assert!(!starts(Voucher, "", "render", NOON));
    assert!(!starts(Voucher, &v, "render,fly", NOON), "another product");
    assert!(
        !starts(Voucher, &v, "render", "2026-06-01T00:00:00Z"),
        "over"
    );
    let cut = v.replace("END", "");
    assert!(!starts(Voucher, &cut, "render", NOON));
}

#[test]
fn a_voucher_comes_as_text_or_as_a_file_that_may_come_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v");
    let of = |s: &str| OfflineStart {
        license: OptimisticStart::Voucher,
        voucher: VoucherSource::new(s),
    };
    let p = of(path.to_str().unwrap());
    let e = p.voucher().unwrap_err().to_string();
    assert!(e.contains("No such file"), "{e}");
    std::fs::write(&path, voucher()).unwrap();
    assert_eq!(p.voucher().unwrap().voucher.license, "L-1");
    assert!(of(&voucher()).voucher().is_ok());
    assert!(matches!(of(" ").voucher(), Err(NoVoucher::None)));
}
