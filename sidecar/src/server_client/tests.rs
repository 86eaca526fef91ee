#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn answer(status: u16, body: &str) -> client::Answer {
    let status = StatusCode::from_u16(status).unwrap();
    client::Answer {
        status,
        headers: [(
            name(),
            InstanceId::from_bytes([1; 16]).to_string().parse().unwrap(),
        )]
        .into_iter()
        .collect(),
        body: body.to_owned().into(),
    }
}

fn name() -> HeaderName {
    HeaderName::from_static(INSTANCE_HEADER)
}

#[test]
fn a_problem_counts_by_its_type_not_by_its_status() {
    let body = serde_json::to_string(&Problem::new(ProblemType::UnknownLease, "gone")).unwrap();
    for status in [404, 400, 503] {
        let a = read(&answer(status, &body), read_renewal);
        assert!(
            matches!(&a, Answer::Problem(p) if p.kind == ProblemType::UnknownLease),
            "{a:?}"
        );
    }
}

#[test]
fn what_is_not_understood_is_an_answer_all_the_same() {
    let unknown = r#"{"type":"https://mooring.dev/problems/of-the-future","title":"x","status":403,"detail":"y"}"#;
    let a = read(&answer(403, unknown), read_claim);
    assert!(
        matches!(&a, Answer::Problem(p) if p.kind == ProblemType::Other && p.to_string() == "x: y"),
        "{a:?}"
    );
    for (status, body) in [(502, "<html>"), (500, ""), (301, "")] {
        assert!(
            matches!(
                read(&answer(status, body), read_claim),
                Answer::Unreadable(_)
            ),
            "{status} {body}"
        );
    }
    for (status, body) in [
        (200, "{}"),
        (200, "<html>"),
        (202, "[]"),
        (204, ""),
        (201, "{}"),
    ] {
        assert!(
            matches!(
                read(&answer(status, body), read_claim),
                Answer::Unreadable(_)
            ),
            "{status} {body}"
        );
    }
    for body in ["{\"results\":[]}", "{}", ""] {
        assert!(
            matches!(
                read(&answer(200, body), read_renewal),
                Answer::Unreadable(_)
            ),
            "{body}"
        );
    }
}

#[test]
fn without_the_servers_header_it_is_somebody_elses_word_and_so_silence() {
    let good = serde_json::to_string(&Problem::new(ProblemType::Revoked, "no")).unwrap();
    for (status, body) in [(502, "<html>"), (503, ""), (403, &good), (200, "{}")] {
        for header in [None, Some(""), Some("nginx")] {
            let mut a = answer(status, body);
            a.headers.clear();
            if let Some(v) = header {
                a.headers.insert(name(), v.parse().unwrap());
            }
            let read = read(&a, read_claim);
            assert!(
                matches!(&read, Answer::NoContact(m) if m.contains(INSTANCE_HEADER)),
                "{status} {body} {header:?}: {read:?}"
            );
        }
    }
}
