//! Projects: a tag that counts for a policy only where the namespace allows it.

use super::*;
use crate::names::ProjectName;
use crate::policy::PoolRights;

fn of(n: u8, project: Option<&str>) -> Claim {
    Claim {
        project: project.map(|p| ProjectName::new(p).unwrap()),
        ..claim(n, "render")
    }
}

/// Namespace `ns` lets its pods name `falcon`, whose group owns two seats; all others of it may
/// have one.
fn policy() -> Arc<SeatPolicy> {
    let rights = |owned, max| {
        [(
            "r".parse().unwrap(),
            PoolRights {
                owned,
                max,
                lend: Some(0),
            },
        )]
        .into()
    };
    let falcon = PolicyGroup {
        name: "falcon".into(),
        projects: vec!["ns/falcon".into()],
        pools: rights(2, None),
        ..PolicyGroup::default()
    };
    let rest = PolicyGroup {
        name: "rest".into(),
        namespaces: vec!["ns".into()],
        pools: rights(0, Some(1)),
        ..PolicyGroup::default()
    };
    Arc::new(SeatPolicy {
        name: "shares".into(),
        notice: Duration::from_secs(60),
        groups: vec![falcon, rest],
        ..SeatPolicy::default()
    })
}

#[test]
fn a_policy_goes_by_a_project_where_its_namespace_allows_it_and_by_no_other_word() {
    let mut l = seats(4);
    l.set_policy(Some(policy()), at(0));
    granted(l.claim(of(1, Some("hawk")), at(0)));
    let waits = place(l.claim(of(2, Some("eagle")), at(1)));
    assert_eq!(waits.reason, WaitReason::Policy);
    for says in [
        "policy shares: group rest has 1 of the 1 seats",
        "no group takes project eagle from it",
        "mooring.dev/projects",
    ] {
        assert!(waits.message.contains(says), "{says}: {}", waits.message);
    }
    let plain = place(l.claim(of(3, None), at(2)));
    assert!(!plain.message.contains("project"), "{}", plain.message);
    granted(l.claim(of(4, Some("falcon")), at(3)));
    granted(l.claim(of(5, Some("falcon")), at(4)));
    let used = |l: &Ledger, group: &str| {
        let groups = l.policy().unwrap().groups;
        let of = groups.iter().find(|g| g.group.as_deref() == Some(group));
        of.unwrap().used
    };
    assert_eq!((used(&l, "falcon"), used(&l, "rest")), (2, 1));
    // What was booked for the group is given back by it.
    let id = LeaseId::from_bytes([4; 16]);
    let gone = l.release(&ClaimName::pod(), id, &secret(4), None, at(5));
    assert_eq!(gone, Ok(true));
    assert_eq!((used(&l, "falcon"), used(&l, "rest")), (1, 1));
}

#[test]
fn a_policy_that_goes_by_projects_says_so_before_any_namespace_allows_one() {
    let waits = |by_project| {
        let mut policy = policy().as_ref().clone();
        policy.by_project = by_project;
        policy.groups[0].projects.clear();
        let mut l = seats(4);
        l.set_policy(Some(Arc::new(policy)), at(0));
        granted(l.claim(of(1, None), at(0)));
        place(l.claim(of(2, Some("falcon")), at(1))).message
    };
    let told = waits(true);
    assert!(told.contains("no group takes project falcon"), "{told}");
    let told = waits(false);
    assert!(!told.contains("project"), "it knows of none: {told}");
}

#[test]
fn a_policy_that_is_tried_out_says_for_which_project() {
    let mut l = seats(4);
    granted(l.claim(of(1, Some("hawk")), at(0)));
    place_or_granted(&mut l, 2);
    let test = l.try_policy(Some(policy()), at(1));
    for change in &test.changes {
        assert!(change.to_string().contains(" of project hawk"), "{change}");
    }
    let falcon = test
        .groups
        .iter()
        .find(|g| g.group.as_deref() == Some("falcon"));
    assert_eq!(falcon.unwrap().used, 0);

    fn place_or_granted(l: &mut Ledger, n: u8) {
        l.claim(of(n, Some("hawk")), at(0)).unwrap();
    }
}

#[test]
fn it_is_in_the_books_as_it_was_claimed_first() {
    let mut l = seats(2);
    granted(l.claim(of(1, Some("hawk")), at(0)));
    let told = |l: &Ledger| {
        l.views(at(1))
            .into_iter()
            .map(|v| v.project)
            .collect::<Vec<_>>()
    };
    let hawk = ProjectName::new("hawk").unwrap();
    assert_eq!(told(&l), [Some(hawk.clone())]);
    let other = l.claim(of(1, Some("eagle")), at(1)).unwrap_err();
    assert!(matches!(
        other,
        Refusal::Changed {
            part: Changed::Project,
            ..
        }
    ));
    assert!(other.to_string().contains("with other project"), "{other}");
    // Another license spells products otherwise; what they are for stays.
    relicense(
        &mut l,
        one(&license(&[("r", 2)], &[("RENDER", "r")])),
        at(2),
    );
    assert_eq!(told(&l), [Some(hawk)]);
}

#[test]
fn seats_are_counted_by_project_until_they_are_given_back() {
    let mut l = seats(2);
    let hawk = || Some(ProjectName::new("hawk").unwrap());
    granted(l.claim(of(1, Some("hawk")), at(0)));
    granted(l.claim(of(2, None), at(0)));
    place(l.claim(of(3, Some("eagle")), at(0)));
    assert_eq!(l.projects(), [(hawk(), 1)], "who waits has none");
    let id = LeaseId::from_bytes([1; 16]);
    l.release(&ClaimName::pod(), id, &secret(1), None, at(1))
        .unwrap();
    let eagle = ProjectName::new("eagle").unwrap();
    assert_eq!(l.projects(), [(hawk(), 0), (Some(eagle), 1)]);
}
