#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use http::HeaderMap;

fn answer(status: u16, body: &str) -> client::Answer {
    let status = StatusCode::from_u16(status).unwrap();
    client::Answer {
        status,
        headers: HeaderMap::new(),
        body: body.to_owned().into(),
    }
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
fn what_is_not_understood_counts_as_no_answer() {
    let unknown = r#"{"type":"https://mooring.dev/problems/of-the-future","title":"x","status":403,"detail":"y"}"#;
    for (status, body) in [(403, unknown), (502, "<html>"), (500, ""), (301, "")] {
        assert!(
            matches!(
                read(&answer(status, body), read_claim),
                Answer::NoContact(_)
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
                Answer::NoContact(_)
            ),
            "{status} {body}"
        );
    }
    for body in ["{\"results\":[]}", "{}", ""] {
        assert!(
            matches!(read(&answer(200, body), read_renewal), Answer::NoContact(_)),
            "{body}"
        );
    }
}
