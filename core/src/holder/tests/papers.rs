//! What a holder keeps of answers, and what it need not be told again.

use super::*;
use crate::license::Digest;
use crate::wire::Have;

fn have(w: &mut World, from: u64) -> (u64, Tag, Option<Have>) {
    let (t, tag, request) = w.send(from);
    let Request::Renew(r) = request else {
        panic!("no renewal: {request:?}");
    };
    (t, tag, r.have)
}

fn receipt(w: &World) -> &Sealed {
    &w.h.s.papers.as_ref().unwrap().receipt
}

#[test]
fn a_renewal_says_what_is_known_and_an_answer_that_says_no_more_renews_it() {
    let mut w = World::new(Start::Licensed);
    w.ask(0, grant(0), 10);
    let (sent, tag, have) = have(&mut w, 10);
    let terms = Have {
        terms: terms(),
        documents: None,
    };
    assert_eq!(have, Some(terms));
    w.h.answered(at(sent + 5), tag, same(1), &mut w.r);
    assert_eq!(w.h.bundle(), Some(&bundle()), "the token stays");
    assert_eq!(receipt(&w), &sealed(1), "the receipt is the last one");
    assert_eq!(
        w.until(sent + 5),
        sent + 600_000,
        "the grace it was told before"
    );
    assert_eq!(w.state(sent + 29_999), HoldState::Held);
    assert_eq!(w.state(sent + 30_000), HoldState::Grace);
    // So does a sidecar that has crashed.
    let mut w = World {
        h: Claimant::restore(w.h.spec.clone(), w.h.s.clone(), at(sent + 10)),
        ..w
    };
    let (later, tag, _) = w.send(sent + 10);
    w.h.answered(at(later), tag, same(2), &mut w.r);
    assert_eq!(w.until(later), later + 600_000);
}

#[test]
fn an_old_token_is_asked_for_without_the_documents_that_are_here() {
    let mut w = World::new(Start::Licensed);
    let mut t = w.ask(0, grant(0), 0);
    let mut asked = Vec::new();
    for n in 1..40 {
        let (sent, tag, have) = have(&mut w, t);
        let documents = have.unwrap().documents;
        let answer = match &documents {
            None => same(n),
            Some(all) => {
                let known = envelope().digest();
                assert_eq!(all, &[known.clone(), known]);
                asked.push(sent);
                renewed_without(n, all)
            }
        };
        w.h.answered(at(sent), tag, answer, &mut w.r);
        t = sent;
    }
    // D is 30 s, so each eighteenth renewal or so.
    let age = u64::try_from(TOKEN_AGE.as_millis()).unwrap();
    assert!((age..age + 10_000).contains(&asked[0]), "{asked:?}");
    assert!(asked.windows(2).all(|w| w[1] - w[0] >= age), "{asked:?}");
    assert_eq!(
        w.h.bundle(),
        Some(&bundle()),
        "whole again with what was here"
    );
}

/// A fresh token without the documents that its holder has.
fn renewed_without(counter: u64, known: &[Digest]) -> Answer {
    let Answer::Renewed(mut r) = renewed(counter) else {
        panic!("a renewal");
    };
    if let Renewed::Ok { token, .. } = &mut *r {
        *token = FreshToken::of(bundle(), known);
        assert!(token.licenses.is_empty() && token.delegation.is_none());
    }
    Answer::Renewed(r)
}

#[test]
fn a_token_that_lacks_a_document_costs_no_lease_and_all_is_asked_for() {
    let mut w = World::new(Start::Licensed);
    let t = w.ask(0, grant(0), 0);
    let (sent, tag, _) = w.send(t);
    let Answer::Renewed(mut r) = renewed(1) else {
        panic!("a renewal");
    };
    if let Renewed::Ok { token, .. } = &mut *r {
        token.licenses = vec![];
        token.delegation = None;
        // Its token names a license that is not here.
        let says = r#"{"delegation":"d","parts":[{"license":"l"}]}"#;
        token.lease.payload = says.as_bytes().to_vec();
    }
    w.h.answered(at(sent), tag, Answer::Renewed(r), &mut w.r);
    assert_eq!(w.state(sent + 29_999), HoldState::Held);
    assert_eq!((w.h.bundle(), receipt(&w)), (Some(&bundle()), &sealed(1)));
    let (_, _, have) = have(&mut w, sent);
    assert_eq!(have, None, "then each answer says all");
}

#[test]
fn the_lease_is_shown_by_its_receipt_with_how_long_ago_it_was_asked_for() {
    let mut w = World::new(Start::Licensed);
    let t = w.ask(0, grant(0), 10);
    let (sent, tag, _) = w.send(t);
    w.h.answered(at(sent + 50), tag, same(1), &mut w.r);
    let t = w.ask(sent + 50, no(ProblemType::UnknownLease), 0);
    let (again, _, request) = w.send(t);
    let Request::Claim { body, .. } = request else {
        panic!("a claim: {request:?}");
    };
    let held = body.held.unwrap();
    assert_eq!(held.receipt, sealed(1));
    assert_eq!(held.sent_ago, Some(Duration::from_millis(again - sent)));
    assert_eq!(held.lease, bundle().lease);
}
