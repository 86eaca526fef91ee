use super::*;
use crate::owners::sample::{controller, pod};
use mooring_core::request::parse;

fn job(uid: &str) -> WorkloadClaim {
    WorkloadClaim {
        namespace: "apps".into(),
        name: format!("job-{uid}"),
        uid: uid.into(),
        is_group: false,
        service_account: "a".into(),
        project: None,
        items: parse("render:4").unwrap_or_default(),
        rests: false,
    }
}

/// A pod of a Job with this UID.
fn of_job(name: &str, uid: &str) -> OwnPod {
    OwnPod {
        controller: Some(controller("batch/v1", "Job", "j", uid)),
        ..pod(name, "render")
    }
}

fn found(workloads: &[WorkloadClaim], pods: &[OwnPod]) -> Vec<String> {
    let set = |p: &OwnPod| {
        let uid = &p.controller.as_ref()?.uid;
        (uid == "job-of-set").then(|| "set".to_owned())
    };
    let mut all: Vec<String> = pods_of(workloads, pods, &set)
        .values()
        .flatten()
        .map(|p| p.name.clone())
        .collect();
    all.sort();
    all
}

#[test]
fn pods_are_a_workloads_by_what_has_them_run_and_by_nothing_that_they_say() {
    let group = WorkloadClaim {
        name: "gang".into(),
        is_group: true,
        ..job("own")
    };
    let all = [job("j"), job("set"), job("uid-alone"), group];
    let in_group = OwnPod {
        kueue_group: Some("gang".into()),
        ..pod("in-group", "render")
    };
    let elsewhere = OwnPod {
        namespace: "other".into(),
        ..of_job("elsewhere", "j")
    };
    let another_account = OwnPod {
        service_account: "b".into(),
        ..of_job("another-account", "j")
    };
    let pods = [
        of_job("mine", "j"),
        of_job("of-set", "job-of-set"),
        pod("alone", "render"),
        in_group,
        elsewhere,
        another_account,
        of_job("of-another", "k"),
        OwnPod {
            kueue_group: Some("job-j".into()),
            ..pod("says-so", "render")
        },
    ];
    assert_eq!(found(&all, &pods), ["alone", "in-group", "mine", "of-set"]);
    assert!(found(&[], &pods).is_empty());
}

#[test]
fn their_gates_go_once_the_seats_are_there_and_they_ask_for_nothing_themselves() {
    let gated = OwnPod {
        gate: Gate::Ours,
        gated: true,
        ..of_job("p", "j")
    };
    let done = OwnPod {
        stage: PodStage::Succeeded,
        ..of_job("done", "j")
    };
    let (pods, all) = ([gated, done], [job("j")]);
    let of = pods_of(&all, &pods, &|_| None);
    let look_with = |reserved: bool| {
        let mut kept = Kept::default();
        look(&all, &of, &|_| reserved, &mut kept);
        kept
    };
    let waits = look_with(false);
    assert!(waits.open.is_empty() && waits.named.len() == 2);
    assert_eq!(waits.claims.len(), 1);
    let there = look_with(true);
    assert_eq!(there.open, [pods[0].key.clone()]);
    let claim = &there.claims[0];
    assert_eq!(claim.pods, [pods[0].key.clone()], "{claim:?}");
    assert_eq!(claim.owner.to_string(), "apps/Workload/job-j");
}
