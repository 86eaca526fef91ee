//! What the answer to a renewal says: all of it, or what is new.

use crate::rig::{Rig, Setup, TestClaim, ask, renew};
use mooring_core::license::{AppClock, Demand, FreshToken, verify};
use mooring_core::names::{ProductName, TermsId};
use mooring_core::time::Timestamp;
use mooring_core::wire::{Have, RenewRequest, Renewed};
use mooring_net::client::Call;
use mooring_testkit::vendor;

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_under_the_same_terms_is_answered_with_a_receipt_alone() {
    let rig = Rig::start(Setup::default()).await;
    let c = rig.client("farm-1");
    let mut claim = TestClaim::new("pod");
    let g = claim.claim(&c, None).await.granted();
    let has = |terms, documents| Some(Have { terms, documents });
    let mut asks = |have| {
        let mut r = claim.renewal(g.lease);
        r.have = have;
        r
    };

    let answer = renew(&c, vec![asks(has(g.terms, None))]).await.remove(0);
    let Renewed::Same { lease, receipt, .. } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(lease, g.lease);
    assert_ne!(receipt, g.receipt, "of this renewal");

    // All that is on the wire is little: the head, and a body of two hundred bytes.
    let body = RenewRequest {
        renewals: vec![asks(has(g.terms, None))],
        clock_ahead_secs: None,
    };
    let call = Call::new(http::Method::POST, "/v1/leases/renew");
    let a = ask(&c, call.json(&body).unwrap()).await;
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + ": \r\n".len()
    };
    let head: usize = a.headers.iter().map(line).sum();
    let whole = "HTTP/1.1 200 OK\r\n\r\n".len() + head + a.body.len();
    assert!(whole <= 400, "{whole} bytes: {:?} {:?}", a.headers, a.body);

    // The token comes when it is asked for, without what is there already.
    let known = g.token.documents();
    let answer = renew(&c, vec![asks(has(g.terms, Some(known)))])
        .await
        .remove(0);
    let Renewed::Ok { token, terms, .. } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(terms, g.terms);
    assert!(token.licenses.is_empty() && token.delegation.is_none());
    let product = ProductName::new("render").unwrap();
    let verified = |token: FreshToken, before| {
        let (demand, now) = (Demand::of(&product), AppClock::at(Timestamp::now()));
        let bundle = token.complete(before).unwrap();
        verify(&bundle, &[vendor().public()], &demand, &now)
            .unwrap()
            .lease
    };
    assert_eq!(verified(token, Some(&g.token)), g.lease);

    // Who has other terms is told all, and so is who says nothing of it.
    let others = has(TermsId::from_bytes([0; 8]), Some(g.token.documents()));
    for have in [others, None] {
        let answer = renew(&c, vec![asks(have)]).await.remove(0);
        let Renewed::Ok { token, .. } = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(verified(token, None), g.lease);
    }
}
