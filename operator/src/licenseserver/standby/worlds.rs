//! A cluster in which anything may happen in any order: two nodes that are cut off, die and come
//! back, kubelets, scheduler, the StatefulSet's controller, people who delete pods by force, and an
//! operator that is killed between any two of its steps and may act on what it saw long before.
//! Never two servers run, and in the end one does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use k8s_openapi::api::core::v1::{
    ContainerStateRunning, ContainerStateTerminated, ContainerStatus, NodeCondition, Taint,
};
use mooring_api::serving::{END_SEEN, WITHOUT_PROOF};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

const OUT: &str = "node.kubernetes.io/out-of-service";

/// A mistake that must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    /// A node that is not ready is taken for one that is off.
    NotReadyIsOff,
    /// The pod's object does not stay until its end was seen.
    NoFinalizer,
    /// Whoever asks for the other side is taken to have answered for the end of this one.
    AskedIsProven,
}

/// Somebody's next step.
#[derive(Clone, Copy, Debug)]
enum Act {
    Operator,
    /// All of its steps at once.
    OperatorLooks,
    OperatorDies,
    Workloads,
    Schedules,
    Kubelet(usize),
    Reports(usize),
    Silent(usize),
    Cut(usize),
    Joins(usize),
    PowerOff(usize),
    PowerOn(usize),
    Taints(usize),
    Untaints(usize),
    ForceDeletes,
    Deletes,
    Asks(Side),
}

fn act() -> impl Strategy<Value = Act> {
    let node = || 0_usize..2;
    prop_oneof![
        6 => Just(Act::Operator),
        6 => Just(Act::OperatorLooks),
        1 => Just(Act::OperatorDies),
        6 => Just(Act::Workloads),
        4 => Just(Act::Schedules),
        8 => node().prop_map(Act::Kubelet),
        4 => node().prop_map(Act::Reports),
        4 => node().prop_map(Act::Silent),
        2 => node().prop_map(Act::Cut),
        1 => node().prop_map(Act::Joins),
        1 => node().prop_map(Act::PowerOff),
        2 => node().prop_map(Act::PowerOn),
        2 => node().prop_map(Act::Taints),
        2 => node().prop_map(Act::Untaints),
        1 => Just(Act::ForceDeletes),
        1 => Just(Act::Deletes),
        1 => prop_oneof![Just(Side::Primary), Just(Side::Standby)].prop_map(Act::Asks),
    ]
}

/// A machine, and how the API server has its node.
#[derive(Clone, Debug)]
struct Machine {
    power: bool,
    net: bool,
    ready: bool,
    taint: bool,
    /// The pods whose containers run there.
    runs: BTreeSet<u32>,
}

/// The one object of the pod's name.
#[derive(Clone, Debug)]
struct PodObject {
    uid: u32,
    version: u32,
    side: Side,
    at: Option<usize>,
    going: bool,
    finalizer: bool,
    ended: bool,
}

/// What the operator has seen in the look that it is in, and how far that is.
#[derive(Clone, Debug)]
struct Look {
    step: u8,
    serving: Serving,
    pod: Option<PodObject>,
    nodes: Vec<Arc<Node>>,
}

struct Cluster {
    mistake: Mistake,
    machines: [Machine; 2],
    pod: Option<PodObject>,
    /// The StatefulSet: whose pod it makes, and whether it makes one.
    set: (Side, bool),
    status: Serving,
    request: Option<String>,
    look: Option<Look>,
    uids: u32,
    spec: LicenseServerSpec,
}

impl Cluster {
    fn new(mistake: Mistake) -> Self {
        let anchor = json!({ "usb": { "keySecret": { "name": "k" } } });
        let at = |node: usize| json!({ "nodeSelector": { "n": node.to_string() } });
        let mut standby = anchor.clone();
        standby["placement"] = at(1);
        let spec = json!({ "licenses": [{ "secretName": "l" }], "anchor": anchor, "placement": at(0), "standby": standby });
        let machine = Machine {
            power: true,
            net: true,
            ready: true,
            taint: false,
            runs: BTreeSet::new(),
        };
        Self {
            mistake,
            machines: [machine.clone(), machine],
            pod: None,
            set: (Side::Primary, true),
            status: Serving::default(),
            request: None,
            look: None,
            uids: 0,
            spec: serde_json::from_value(spec).unwrap(),
        }
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        let node = |(n, m): (usize, &Machine)| {
            let mut node = Node::default();
            node.metadata.name = Some(n.to_string());
            node.metadata.labels = Some([("n".to_owned(), n.to_string())].into());
            let out = m.taint || (self.mistake == Mistake::NotReadyIsOff && !m.ready);
            let taint = Taint {
                key: OUT.to_owned(),
                ..Taint::default()
            };
            node.spec.get_or_insert_default().taints = out.then(|| vec![taint]);
            let ready = NodeCondition {
                type_: "Ready".to_owned(),
                status: if m.ready { "True" } else { "Unknown" }.to_owned(),
                ..NodeCondition::default()
            };
            node.status.get_or_insert_default().conditions = Some(vec![ready]);
            Arc::new(node)
        };
        self.machines.iter().enumerate().map(node).collect()
    }

    fn change(&mut self, change: impl FnOnce(&mut PodObject)) {
        if let Some(pod) = &mut self.pod {
            pod.version += 1;
            change(pod);
        }
    }

    /// The API server deletes an object once nothing holds it: a pod that has no node, or that its
    /// kubelet has ended, or that is deleted by force.
    fn deletes(&mut self, by_force: bool) {
        let gone = self
            .pod
            .as_ref()
            .is_some_and(|p| !p.finalizer && (by_force || p.at.is_none() || p.ended));
        if gone {
            self.pod = None;
        } else if self.pod.as_ref().is_some_and(|p| !p.going) {
            self.change(|p| p.going = true);
        }
    }

    /// The next of the operator's steps, each a call of the API server.
    fn operator(&mut self) {
        let Some(mut look) = self.look.take() else {
            self.look = Some(Look {
                step: 0,
                serving: self.status.clone(),
                pod: self.pod.clone(),
                nodes: self.nodes(),
            });
            return;
        };
        let object = look.pod.as_ref().map(PodObject::shown);
        match look.step {
            0 => {
                look.serving = decide(&StandbyFacts {
                    spec: &self.spec,
                    before: Some(&look.serving),
                    request: self.request.as_deref(),
                    pod: object.as_ref(),
                    nodes: &look.nodes,
                    now: Timestamp::UNIX_EPOCH,
                });
                self.status = look.serving.clone();
            }
            1 => self.set = (look.serving.side, look.serving.hands_over.is_none()),
            2 | 3 => {
                if let (Some(seen), Some(object)) = (&look.pod, &object) {
                    self.holds(look.step, &look, seen, object);
                }
            }
            _ => return,
        }
        look.step += 1;
        self.look = Some(look);
    }

    fn holds(&mut self, step: u8, look: &Look, seen: &PodObject, object: &Pod) {
        let replaced = seen.side != look.serving.side;
        let held = hold(Some(&look.serving), object, &look.nodes);
        let is_it = self.pod.as_ref().is_some_and(|p| p.uid == seen.uid);
        let unchanged = self.pod.as_ref().is_some_and(|p| p.version == seen.version);
        if step == 2 && replaced && held == PodHold::LeftBehind && is_it {
            self.deletes(true);
        }
        if step == 3 && held != PodHold::Holds && seen.going && is_it && unchanged {
            self.change(|p| p.finalizer = false);
            // What was deleted by force, or has ended, waited for nothing else.
            self.deletes(held == PodHold::LeftBehind);
        }
    }

    fn workloads(&mut self) {
        let (side, makes) = self.set;
        match &self.pod {
            None if makes => {
                self.uids += 1;
                self.pod = Some(PodObject {
                    uid: self.uids,
                    version: 0,
                    side,
                    at: None,
                    going: false,
                    finalizer: self.mistake != Mistake::NoFinalizer,
                    ended: false,
                });
            }
            Some(p) if (!makes || p.side != side || p.ended) && !p.going => self.deletes(false),
            _ => {}
        }
    }

    fn schedules(&mut self) {
        let Some(p) = self.pod.as_ref().filter(|p| p.at.is_none() && !p.going) else {
            return;
        };
        let at = usize::from(p.side == Side::Standby);
        if self.machines[at].ready && !self.machines[at].taint {
            self.change(|p| p.at = Some(at));
        }
    }

    /// A kubelet that reaches the API server makes it so there.
    fn kubelet(&mut self, n: usize) {
        let m = &mut self.machines[n];
        if !m.power || !m.net {
            return;
        }
        let mine = self.pod.as_ref().filter(|p| p.at == Some(n));
        let runs = mine.filter(|p| !p.going && !p.ended).map(|p| p.uid);
        let ends = mine.is_some_and(|p| p.going && !p.ended);
        m.runs = runs.into_iter().collect();
        if ends {
            self.change(|p| p.ended = true);
        }
        if self
            .pod
            .as_ref()
            .is_some_and(|p| p.going && p.at == Some(n))
        {
            self.deletes(false);
        }
    }

    fn is_bound_to(&self, n: usize) -> bool {
        self.pod.as_ref().is_some_and(|p| p.at == Some(n))
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Operator => self.operator(),
            Act::OperatorLooks => (0..6).for_each(|_| self.operator()),
            Act::OperatorDies => self.look = None,
            Act::Workloads => self.workloads(),
            Act::Schedules => self.schedules(),
            Act::Kubelet(n) => self.kubelet(n),
            Act::Reports(n) => {
                let m = &mut self.machines[n];
                m.ready |= m.power && m.net;
            }
            Act::Silent(n) => {
                let m = &mut self.machines[n];
                m.ready &= m.power && m.net;
            }
            Act::Cut(n) => self.machines[n].net = false,
            Act::Joins(n) => self.machines[n].net = true,
            Act::PowerOff(n) => {
                self.machines[n].power = false;
                self.machines[n].runs.clear();
            }
            // Who has tainted a node leaves it off until its pods are elsewhere.
            Act::PowerOn(n) if self.machines[n].taint && self.is_bound_to(n) => {}
            Act::PowerOn(n) => self.machines[n].power = true,
            // Only what is off is tainted.
            Act::Taints(n) => self.machines[n].taint |= !self.machines[n].power,
            Act::Untaints(n) => self.machines[n].taint &= !self.machines[n].power,
            Act::ForceDeletes => self.deletes(true),
            Act::Deletes => self.deletes(false),
            Act::Asks(side) => {
                self.uids += 1;
                let word = match self.mistake {
                    Mistake::AskedIsProven => WITHOUT_PROOF,
                    _ => "",
                };
                self.request = Some(format!("{side} {word} {}", self.uids));
            }
        }
    }

    fn running(&self) -> usize {
        self.machines.iter().map(|m| m.runs.len()).sum()
    }

    /// Nothing goes wrong any more, and everybody does what is theirs.
    fn heals(&mut self) {
        for n in [0, 1] {
            for act in [
                Act::Untaints(n),
                Act::PowerOn(n),
                Act::Joins(n),
                Act::Reports(n),
            ] {
                self.act(act);
            }
        }
        for _ in 0..30 {
            for act in [
                Act::OperatorLooks,
                Act::Workloads,
                Act::Schedules,
                Act::Kubelet(0),
                Act::Kubelet(1),
            ] {
                self.act(act);
            }
            for n in [0, 1] {
                self.act(Act::Silent(n));
                self.act(Act::PowerOn(n));
                self.act(Act::Untaints(n));
                self.act(Act::Reports(n));
            }
        }
    }
}

impl PodObject {
    fn shown(&self) -> Pod {
        let mut pod = Pod::default();
        let m = &mut pod.metadata;
        m.uid = Some(self.uid.to_string());
        m.labels = Some([(SIDE.to_owned(), self.side.to_string())].into());
        m.finalizers = self.finalizer.then(|| vec![END_SEEN.to_owned()]);
        m.deletion_timestamp = self.going.then_some(Time(Timestamp::UNIX_EPOCH));
        pod.spec.get_or_insert_default().node_name = self.at.map(|n| n.to_string());
        let status = pod.status.get_or_insert_default();
        status.phase = Some(if self.ended { "Failed" } else { "Running" }.to_owned());
        let mut container = ContainerStatus::default();
        let state = container.state.get_or_insert_default();
        if self.ended {
            state.terminated = Some(ContainerStateTerminated::default());
        } else {
            state.running = Some(ContainerStateRunning::default());
        }
        status.container_statuses = Some(vec![container]);
        pod
    }
}

/// Lives through a history; what was wrong with it, if anything was.
fn lived(mistake: Mistake, acts: &[Act]) -> Result<(), String> {
    let mut cluster = Cluster::new(mistake);
    for (n, act) in acts.iter().enumerate() {
        cluster.act(*act);
        if cluster.running() > 1 {
            return Err(format!(
                "two servers run after step {n}, {act:?}: {:?}, {:?}",
                cluster.machines, cluster.status
            ));
        }
    }
    cluster.heals();
    let of_side = cluster.pod.as_ref().map(|p| p.side) == Some(cluster.status.side);
    if cluster.running() != 1 || !of_side {
        return Err(format!(
            "in the end {} servers run: {:?}, {:?}",
            cluster.running(),
            cluster.pod,
            cluster.status
        ));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_two_servers_run_and_in_the_end_one_does(acts in prop::collection::vec(act(), 0..300)) {
        lived(Mistake::None, &acts).map_err(TestCaseError::fail)?;
    }
}

#[test]
fn each_mistake_is_found() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    for mistake in [
        Mistake::NotReadyIsOff,
        Mistake::NoFinalizer,
        Mistake::AskedIsProven,
    ] {
        let mut runner = TestRunner::deterministic();
        let histories = prop::collection::vec(act(), 0..300);
        let found = (0..3000).find_map(|n| {
            let acts = histories.new_tree(&mut runner).unwrap().current();
            let wrong = lived(mistake, &acts).err()?;
            wrong.contains("two servers").then_some(n)
        });
        assert!(found.is_some(), "{mistake:?} was not found");
    }
}
