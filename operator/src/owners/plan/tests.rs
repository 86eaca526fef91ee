#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::cache::own::GroupKind;
use crate::owners::sample;
use mooring_core::request::{parse, print};

const MINUTE: Duration = Duration::from_secs(60);

fn pod(name: &str, asks: &str) -> OwnPod {
    OwnPod {
        gated: true,
        gate: Gate::Ours,
        bound: false,
        ..sample::pod(name, asks)
    }
}

fn of_group(name: &str, asks: &str, size: u32) -> OwnPod {
    let group = PodGroup {
        kind: GroupKind::Annotated,
        name: "g".into(),
        size: Size::Told(size),
    };
    OwnPod {
        group: Some(group),
        ..pod(name, asks)
    }
}

fn of_job(name: &str, (set, jobs): (&str, usize), job: &str) -> OwnPod {
    let kind = if jobs == 1 {
        GroupKind::Job
    } else {
        GroupKind::JobSet
    };
    let group = PodGroup {
        kind,
        name: set.into(),
        size: Size::Jobs {
            jobs,
            job: job.into(),
        },
    };
    OwnPod {
        group: Some(group),
        ..pod(name, "render")
    }
}

fn four(asks: &str) -> Vec<OwnPod> {
    ["a", "b", "c", "d"].map(|n| of_group(n, asks, 4)).to_vec()
}

fn open(mut pod: OwnPod) -> OwnPod {
    (pod.gate, pod.bound) = (Gate::Open, true);
    pod
}

/// How a claim stands that asks for this.
fn known(owner: Holder, asks: &str, stand: Stand) -> KnownOwner {
    KnownOwner {
        owner,
        items: parse(asks).unwrap(),
        project: None,
        stand,
        short_for: Duration::ZERO,
    }
}

fn group_owner(pod: &OwnPod) -> Holder {
    pod.of(pod.group.as_ref().unwrap())
}

fn waits() -> Stand {
    Stand::Waiting {
        place: 1,
        why: "full".into(),
    }
}

struct Said {
    claims: Vec<String>,
    open: Vec<String>,
    ends: Vec<String>,
    plan: OwnersPlan,
}

fn plan(pods: &[OwnPod], known: Vec<KnownOwner>) -> Said {
    with_jobs(pods, known, &BTreeMap::new())
}

/// The plan in words: `owner asks for pods`.
fn with_jobs(pods: &[OwnPod], known: Vec<KnownOwner>, jobs: &BTreeMap<JobName, JobSize>) -> Said {
    let known = known.into_iter().map(|k| (k.owner.key(), k)).collect();
    let plan = owners_plan(&OwnersFacts {
        pods,
        known: &known,
        jobs,
        kept: &Kept::default(),
    });
    let name = |k: &HolderKey| k.0.trim_start_matches("uid-").to_owned();
    let owner = |h: &Holder| h.to_string().trim_start_matches("apps/").to_owned();
    let claim = |c: &OwnerWish| {
        let pods: Vec<String> = c.pods.iter().map(name).collect();
        let rests = if c.rests { " rests" } else { "" };
        format!(
            "{} {} {}{rests}",
            owner(&c.owner),
            print(&c.items),
            pods.join("+")
        )
    };
    Said {
        claims: plan.claims.iter().map(claim).collect(),
        open: plan.open.iter().map(|(k, _)| name(k)).collect(),
        ends: plan.ends.iter().map(owner).collect(),
        plan,
    }
}

const NONE: [&str; 0] = [];

#[test]
fn a_pod_that_waits_is_claimed_for_and_its_gate_goes_when_its_seats_are_reserved() {
    let p = pod("p", "render:2,mesh");
    let said = plan(std::slice::from_ref(&p), vec![]);
    assert_eq!(said.claims, ["Pod/p render:2,mesh p"]);
    assert_eq!(said.open, NONE);
    for (stand, opens) in [
        (Stand::Asked, false),
        (waits(), false),
        (Stand::Refused("no".into()), false),
        (Stand::Reserved, true),
    ] {
        let k = known(p.alone(), "render:2,mesh", stand.clone());
        let said = plan(std::slice::from_ref(&p), vec![k]);
        assert_eq!(said.claims, ["Pod/p render:2,mesh p"], "{stand:?}");
        assert_eq!(!said.open.is_empty(), opens, "{stand:?}");
    }
}

#[test]
fn one_that_others_keep_from_being_scheduled_asks_for_nothing() {
    let mut p = pod("p", "render");
    p.gate = Gate::Others;
    assert_eq!(plan(&[p], vec![]).claims, NONE);
}

#[test]
fn what_is_reserved_for_a_pod_ends_with_its_lease_with_it_or_when_it_does_not_ask() {
    let open = open(pod("p", "render"));
    let ends = |change: &dyn Fn(&mut OwnPod)| {
        let mut p = open.clone();
        change(&mut p);
        let k = known(p.alone(), "render", Stand::Reserved);
        let said = plan(&[p], vec![k]);
        assert_eq!(said.open, NONE);
        assert_eq!(said.claims.len() + said.ends.len(), 1);
        !said.ends.is_empty()
    };
    assert!(!ends(&|_| {}));
    assert!(ends(&|p| p.leased = true));
    assert!(ends(&|p| p.stage = PodStage::Ends));
    assert!(ends(&|p| p.stage = PodStage::Gone));
    assert!(!ends(&|p| p.bound_for = 9 * MINUTE));
    assert!(ends(&|p| p.bound_for = 10 * MINUTE));
    // An autoscaler takes its time.
    assert!(!ends(&|p| (p.bound, p.open_for) = (false, 59 * MINUTE)));
    assert!(ends(&|p| (p.bound, p.open_for) = (false, 60 * MINUTE)));
    let gone = known(open.alone(), "render", Stand::Reserved);
    assert_eq!(plan(&[], vec![gone]).ends, ["Pod/p"]);
    assert_eq!(
        plan(std::slice::from_ref(&open), vec![]).claims,
        NONE,
        "never anew"
    );
}

#[test]
fn a_group_asks_for_all_its_seats_once_it_is_complete_and_not_before() {
    let mut pods = four("render:2,mesh");
    let all = ["Group/g render:8,mesh:4 a+b+c+d"];
    assert_eq!(plan(&pods, vec![]).claims, all);
    for spoil in [
        |p: &mut OwnPod| p.stage = PodStage::Ends,
        |p: &mut OwnPod| p.gate = Gate::Others,
        |p: &mut OwnPod| p.items = parse("render").unwrap(),
        |p: &mut OwnPod| p.service_account = "b".into(),
        |p: &mut OwnPod| p.group = of_group("x", "render", 3).group,
    ] {
        let mut pods = pods.clone();
        spoil(&mut pods[2]);
        let said = plan(&pods, vec![]);
        assert_eq!(said.claims, NONE);
        assert!(said.plan.told.len() >= 3, "{:?}", said.plan.told);
    }
    pods.pop();
    let said = plan(&pods, vec![]);
    assert_eq!(said.claims, NONE);
    let incomplete = |(_, t): &(HolderKey, GroupWaits)| *t == GroupWaits::Incomplete("g".into());
    assert!(said.plan.told.iter().all(incomplete) && said.plan.told.len() == 3);
}

#[test]
fn all_gates_of_a_group_go_together() {
    let pods = four("render");
    let owner = group_owner(&pods[0]);
    let k = |stand| vec![known(owner.clone(), "render:4", stand)];
    let said = plan(&pods, k(waits()));
    assert_eq!(said.claims, ["Group/g render:4 a+b+c+d"]);
    assert_eq!(said.open, NONE);
    assert!(matches!(
        said.plan.told.first(),
        Some((_, GroupWaits::InLine(_)))
    ));
    let said = plan(&pods, k(Stand::Reserved));
    assert_eq!(said.open, ["a", "b", "c", "d"]);
    assert_eq!(said.claims, ["Group/g render:4 a+b+c+d"]);
}

#[test]
fn a_group_in_line_of_which_a_pod_is_missing_rests_and_goes_on_with_its_replacement() {
    let mut pods = four("render");
    let owner = group_owner(&pods[0]);
    let k = || vec![known(owner.clone(), "render:4", waits())];
    pods.remove(1);
    assert_eq!(plan(&pods, k()).claims, ["Group/g render:4 a+c+d rests"]);
    pods.push(of_group("e", "render", 4));
    assert_eq!(plan(&pods, k()).claims, ["Group/g render:4 a+c+d+e"]);
    assert_eq!(plan(&[], k()).ends, ["Group/g"]);
}

#[test]
fn a_group_that_has_its_seats_shrinks_with_its_pods_and_ends_with_the_last() {
    let mut pods: Vec<OwnPod> = four("render").into_iter().map(open).collect();
    for p in &mut pods {
        p.leased = true;
    }
    let owner = group_owner(&pods[0]);
    let k = |asks: &str, short| KnownOwner {
        short_for: short,
        ..known(owner.clone(), asks, Stand::Reserved)
    };
    // Who has done its work is not replaced.
    pods[0].stage = PodStage::Succeeded;
    let said = plan(&pods, vec![k("render:4", Duration::ZERO)]);
    assert_eq!(said.claims, ["Group/g render:3 b+c+d"]);
    // Who failed may be, for a minute.
    pods[1].stage = PodStage::Gone;
    let said = plan(&pods, vec![k("render:3", Duration::ZERO)]);
    assert_eq!(said.claims, ["Group/g render:3 c+d"]);
    let mut again = pods.clone();
    again.push(of_group("e", "render", 4));
    let said = plan(&again, vec![k("render:3", MINUTE / 2)]);
    assert_eq!(said.claims, ["Group/g render:3 c+d+e"]);
    assert_eq!(said.open, ["e"]);
    let said = plan(&pods, vec![k("render:3", MINUTE)]);
    assert_eq!(said.claims, ["Group/g render:2 c+d"]);
    // Who comes later than that asks alone.
    let said = plan(&again, vec![k("render:2", Duration::ZERO)]);
    assert_eq!(said.claims, ["Group/g render:2 c+d", "Pod/e render e"]);
    // One that is being deleted has its share still.
    pods[2].stage = PodStage::Ends;
    let said = plan(&pods, vec![k("render:2", Duration::ZERO)]);
    assert_eq!(said.claims, ["Group/g render:2 d+c"]);
    pods[3].stage = PodStage::Succeeded;
    assert_eq!(
        plan(&pods, vec![k("render:2", Duration::ZERO)]).ends,
        ["Group/g"]
    );
}

#[test]
fn a_group_that_nobody_schedules_does_not_keep_its_seats() {
    let mut pods: Vec<OwnPod> = four("render").into_iter().map(open).collect();
    let owner = group_owner(&pods[0]);
    let k = || vec![known(owner.clone(), "render:4", Stand::Reserved)];
    for p in &mut pods {
        (p.bound, p.open_for) = (false, 60 * MINUTE);
    }
    assert_eq!(plan(&pods, k()).ends, ["Group/g"]);
    pods[3].leased = true;
    assert_eq!(plan(&pods, k()).ends, NONE, "one of them has its share");
}

#[test]
fn who_is_too_many_in_a_group_asks_alone_and_so_does_who_outlives_its_claim() {
    let mut pods = four("render");
    let owner = group_owner(&pods[0]);
    pods.push(of_group("e", "render", 4));
    let k = known(owner, "render:4", waits());
    let said = plan(&pods, vec![k]);
    assert_eq!(said.claims, ["Group/g render:4 a+b+c+d", "Pod/e render e"]);
    let mut begun: Vec<OwnPod> = four("render").into_iter().map(open).collect();
    begun[3].gate = Gate::Ours;
    assert_eq!(plan(&begun, vec![]).claims, ["Pod/d render d"]);
}

#[test]
fn the_size_of_a_job_and_of_a_job_set_is_what_their_jobs_say() {
    let size = |parallelism, completions| JobSize {
        parallelism,
        completions,
    };
    let name = |n: &str| ("apps".to_owned(), n.to_owned());
    let mut pods = vec![of_job("a", ("j", 1), "j"), of_job("b", ("j", 1), "j")];
    let said = plan(&pods, vec![]);
    assert_eq!(said.claims, NONE, "not known yet");
    assert_eq!(said.plan.jobs, BTreeSet::from([name("j")]));
    let jobs = BTreeMap::from([(name("j"), size(2, 5))]);
    assert_eq!(
        with_jobs(&pods, vec![], &jobs).claims,
        ["Job/j render:2 a+b"]
    );
    // Of a Job with more to do one that succeeds is followed by another.
    let k = || known(group_owner(&pods[0].clone()), "render:2", Stand::Reserved);
    let reserved = k();
    pods = pods.into_iter().map(open).collect();
    pods[0].stage = PodStage::Succeeded;
    let said = with_jobs(&pods, vec![reserved], &jobs);
    assert_eq!(said.claims, ["Job/j render:2 b"]);

    let set = |job: &str, n: usize| of_job(&format!("{job}-{n}"), ("s", 2), job);
    let jobs = BTreeMap::from([(name("x"), size(1, 1)), (name("y"), size(2, 2))]);
    let mut pods = vec![set("x", 0)];
    assert_eq!(
        with_jobs(&pods, vec![], &jobs).claims,
        NONE,
        "one Job of two"
    );
    pods.extend([set("y", 0), set("y", 1)]);
    let said = with_jobs(&pods, vec![], &jobs);
    assert_eq!(said.claims, ["JobSet/s render:3 x-0+y-0+y-1"]);
}
