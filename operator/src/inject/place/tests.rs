use super::*;

fn at(others: &[(&str, bool)]) -> usize {
    position(others.iter().copied(), |_| false)
}

#[test]
fn after_a_meshs_and_before_the_users() {
    assert_eq!(at(&[]), 0);
    assert_eq!(at(&[("migrate", false)]), 0);
    assert_eq!(
        at(&[
            ("istio-init", false),
            ("istio-proxy", true),
            ("migrate", false)
        ]),
        2
    );
    assert_eq!(
        at(&[
            ("istio-validation", false),
            ("migrate", false),
            ("istio-proxy", true),
            ("seed", false)
        ]),
        3
    );
    assert_eq!(
        at(&[("migrate", false), ("linkerd-init", false)]),
        0,
        "its rules spare our port"
    );
    assert_eq!(
        at(&[("logs", true), ("migrate", false)]),
        0,
        "the user's own sidecar may want the socket"
    );
}

#[test]
fn behind_a_restore_and_behind_those_that_the_pod_names() {
    let restored = [("restore-wait", false), ("migrate", false)];
    assert_eq!(at(&restored), 1);
    assert_eq!(at(&[("restic-wait", false), ("istio-init", false)]), 2);
    let all = [("stage", false), ("vpn", true), ("migrate", false)];
    let named = |names: &[&str]| position(all.iter().copied(), |n| names.contains(&n));
    assert_eq!(named(&["stage"]), 1);
    assert_eq!(named(&["vpn", "stage"]), 2, "behind the last of them");
}

#[test]
fn ports_are_added_to_what_is_there() {
    assert_eq!(with_port(None, 8443).as_deref(), Some("8443"));
    assert_eq!(with_port(Some(""), 8443).as_deref(), Some("8443"));
    assert_eq!(
        with_port(Some("3306, 5432"), 8443).as_deref(),
        Some("3306, 5432,8443")
    );
    assert_eq!(with_port(Some("3306,"), 8443).as_deref(), Some("3306,8443"));
    for there in ["8443", "1, 8443", "8000-9000", "1,8443-8443", "*"] {
        assert_eq!(with_port(Some(there), 8443), None, "{there}");
    }
    assert_eq!(
        with_port(Some("9000-8000,x"), 8443).as_deref(),
        Some("9000-8000,x,8443")
    );
}
