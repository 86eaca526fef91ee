//! Names as vendors have them: in whatever case they are asked for.

use super::*;

fn matlab(spelled: &str, seats: u32) -> Capacity {
    one(&license(&[("Pgc", seats)], &[(spelled, "pGC")]))
}

/// As it is shown; the names themselves are compared without regard to case.
fn spelled(items: &[request::Item]) -> String {
    request::print(items)
}

#[test]
fn a_product_is_known_in_whatever_case_and_shown_as_the_license_spells_it() {
    let mut l = Ledger::new(settings(1, Duration::ZERO), matlab("MATLAB", 1), at(0));
    let a = granted(l.claim(claim(1, "matlab"), at(0)));
    assert_eq!(spelled(&a.items), "MATLAB");
    // Asked in another case it is the same claim, and the seats are the same ones.
    let mut again = claim(1, "Matlab");
    again.new_id = LeaseId::from_bytes([99; 16]);
    assert_eq!(granted(l.claim(again, at(1))).lease, a.lease);
    let waits = place(l.claim(claim(2, "MatLab"), at(2)));
    assert!(waits.message.contains("MATLAB"), "{}", waits.message);
    let shown: Vec<String> = l.views(at(3)).iter().map(|v| spelled(&v.items)).collect();
    assert_eq!(shown, ["MATLAB", "MATLAB"]);
    let products = l.products();
    let shown = (
        products[0].name.as_str(),
        products[0].used,
        products[0].waiting,
    );
    assert_eq!(shown, ("MATLAB", 1, 1));
    assert_eq!(l.pools()[0].name.as_str(), "Pgc");
    // A license that spells it anew changes nothing else.
    relicense(&mut l, matlab("Matlab", 1), at(4));
    let shown: Vec<String> = l.views(at(5)).iter().map(|v| spelled(&v.items)).collect();
    assert_eq!(shown, ["Matlab", "Matlab"]);
    assert_eq!(l.pools()[0].used, 1);
}

#[test]
fn a_lease_comes_back_whose_license_spelled_it_otherwise() {
    let mut l = Ledger::new(settings(1, Duration::ZERO), matlab("MATLAB", 1), at(0));
    let g = granted(l.claim(claim(1, "matlab"), at(0)));
    let mut second = Ledger::new(settings(2, D), matlab("Matlab", 1), at(10));
    let mut c = claim(1, "matlab");
    c.standing = Standing::Held;
    c.held = Some(HeldLease {
        unexpired: true,
        ..held(&g)
    });
    let back = granted(second.claim(c, at(11)));
    assert_eq!(
        (back.lease, spelled(&back.items)),
        (g.lease, "Matlab".into())
    );
}

#[test]
fn a_claim_has_each_product_once_in_whatever_case() {
    let mut l = seats(2);
    let mut c = claim(1, "render");
    c.items.extend(request::parse("RENDER").unwrap());
    let (kind, field) = refused(l.claim(c, at(0)));
    assert_eq!(
        (kind, field.as_deref()),
        (ProblemType::BadRequest, Some("items"))
    );
}
