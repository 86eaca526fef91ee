//! `mooring license voucher`, and reading what it made.
use super::common::{ANCHOR, Desk, Outcome};

/// A license that asks for vouchers, of two products, until 2090.
fn license(desk: &Desk) -> String {
    let key = desk.vendor_key("vendor.key");
    desk.write("anchor.yaml", ANCHOR);
    desk.write(
        "order.yaml",
        "id: ACME-1\ncustomer: ACME\nexpires: 2090-01-01\npolicy: {optimisticStart: voucher}\n\
         products: [{name: render, seats: 2}, {name: denoise, seats: 1}]\n",
    );
    let issue = [
        "license",
        "issue",
        "order.yaml",
        "--anchor",
        "anchor.yaml",
        "--key",
        "vendor.key",
        "--out",
        "l.mooring",
    ];
    let said = desk.mooring(&issue).good().stderr;
    assert!(!said.contains("Warning"), "{said}");
    key
}

fn voucher(desk: &Desk, more: &[&str]) -> Outcome {
    let args = ["license", "voucher", "l.mooring", "--key", "vendor.key"];
    desk.mooring(&[&args[..], more].concat())
}

#[test]
fn a_voucher_permits_its_products_until_its_end() {
    let desk = Desk::new();
    let key = license(&desk);
    let begin = ["--not-before", "2089-02-01", "--expires", "2089-03-01"];
    let only = ["--product", "render", "--out", "v"];
    voucher(&desk, &[&begin[..], &only].concat()).good();
    let verify = |more: &[&str]| {
        let args = ["license", "verify", "v", "--vendor-key", &key];
        desk.mooring(&[&args[..], more].concat())
    };
    let ok = verify(&["--at", "2089-02-28"]).good().stdout;
    assert!(
        ok.contains("voucher for render of license \"ACME-1\""),
        "{ok}"
    );
    for (args, says) in [
        (
            &["--at", "2089-01-31"][..],
            "voucher field notBefore: it begins 2089-02-01",
        ),
        (
            &["--at", "2089-03-01"],
            "voucher field expires: it ended 2089-03-01",
        ),
        (
            &["--at", "2089-02-02", "--product", "denoise"],
            "voucher field products: it is for render, not for denoise",
        ),
        (
            &["--product", "render", "--nonce", "x"],
            "--nonce: v is a voucher",
        ),
    ] {
        let e = verify(args).bad().stderr;
        assert!(e.contains(says), "{e}");
    }
    let other = desk.vendor_key("other.key");
    let e = desk
        .mooring(&["license", "verify", "v", "--vendor-key", &other])
        .bad()
        .stderr;
    assert!(e.contains("voucher signature: not signed by"), "{e}");
    let seen = desk.mooring(&["license", "inspect", "v"]).good().stdout;
    for words in [
        "NOT VERIFIED",
        "License       ACME-1",
        "Products      render",
        "PERMITS NO START: voucher field notBefore",
    ] {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    // A voucher is no license, and a license no voucher.
    let e = desk
        .mooring(&[
            "license",
            "voucher",
            "v",
            "--key",
            "vendor.key",
            "--expires",
            "2089-03-01",
        ])
        .bad()
        .stderr;
    assert!(
        e.contains("found \"-----BEGIN MOORING VOUCHER-----\""),
        "{e}"
    );
}

#[test]
fn a_voucher_that_says_too_much_is_refused() {
    let desk = Desk::new();
    license(&desk);
    desk.vendor_key("other.key");
    for (args, says) in [
        (
            &["--expires", "2020-01-01"][..],
            "--expires 2020-01-01T00:00:00Z: over already",
        ),
        (
            &["--expires", "2090-01-02"],
            "the license itself ends 2090-01-01",
        ),
        (&["--expires", "2089-12-31"], "more than 366 days after"),
        (
            &["--expires", "2089-12-31", "--product", "fly"],
            "--product fly: license ACME-1 does not sell it; it sells render, denoise",
        ),
        (
            &["--expires", "2089-12-31", "--not-before", "2090-01-01"],
            "voucher field expires",
        ),
        (
            &["--expires", "2089-12-31", "--key", "vendor.key"],
            "is given twice",
        ),
        (&["--expires", "soon"], "expected a day such as"),
    ] {
        let begin = if says.contains("366") || says.contains("twice") || says.contains("expires") {
            &[][..]
        } else {
            &["--not-before", "2089-12-01"][..]
        };
        let o = voucher(&desk, &[args, begin].concat());
        assert!(o.code != Some(0) && o.stderr.contains(says), "{}", o.stderr);
    }
    let other = [
        "license",
        "voucher",
        "l.mooring",
        "--key",
        "other.key",
        "--expires",
        "2089-12-31",
    ];
    let e = desk.mooring(&other).bad().stderr;
    assert!(e.contains("not a license of this key's"), "{e}");
}
