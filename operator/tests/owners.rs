//! What the operator claims for pods that wait before they are scheduled, at a real license server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use http::{Method, Request};
use k8s_openapi::api::core::v1::Pod;
use mooring_api::names::ServerRef;
use mooring_core::wire::{AllowedNamespaces, Owners, OwnersAnswer, Policies};
use mooring_net::clock;
use mooring_operator::owners::{
    Act, Due, OwnersMemory, OwnersSight, Stand, WorkloadClaim, own_pod,
};
use mooring_testkit::Server;
use serde::Serialize;
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;

/// A pod, as far as the operator looks at it.
struct Waiting {
    name: String,
    group: Option<(&'static str, u32)>,
    gated: bool,
    phase: &'static str,
}

impl Waiting {
    fn object(&self) -> Pod {
        let mut annotations =
            json!({ "mooring.dev/licenses": "", "mooring.dev/wait": "scheduling" });
        if let Some((name, size)) = self.group {
            annotations["mooring.dev/group"] = json!(name);
            annotations["mooring.dev/group-size"] = json!(size.to_string());
        }
        let gates = if self.gated {
            json!([{ "name": "mooring.dev/license" }])
        } else {
            json!(null)
        };
        let env = json!([{ "name": "MOORING_LICENSES", "value": "render" }]);
        let sidecar =
            json!({ "name": "mooring", "args": ["run"], "restartPolicy": "Always", "env": env });
        serde_json::from_value(json!({
            "metadata": {
                "namespace": "apps", "name": self.name, "uid": format!("uid-{}", self.name),
                "annotations": annotations,
            },
            "spec": {
                "serviceAccountName": "default", "containers": [], "initContainers": [sidecar],
                "schedulingGates": gates,
            },
            "status": { "phase": self.phase },
        }))
        .unwrap()
    }
}

struct World {
    server: Server,
    memory: OwnersMemory,
    pods: Vec<Waiting>,
}

impl World {
    fn new(seats: u32) -> Self {
        let world = Self {
            server: Server::new(seats, 10),
            memory: OwnersMemory::default(),
            pods: Vec::new(),
        };
        world.hand_over_policies();
        world
    }

    fn hand_over_policies(&self) {
        let policies = Policies {
            generation: 1,
            allowed_namespaces: AllowedNamespaces::ALL,
            ..Policies::default()
        };
        self.says(Method::PUT, "/v1/policies", &policies);
    }

    fn make(&mut self, name: &str, group: Option<(&'static str, u32)>) {
        self.pods.push(Waiting {
            name: name.into(),
            group,
            gated: true,
            phase: "Pending",
        });
    }

    fn says(&self, method: Method, path: &str, body: &impl Serialize) -> Bytes {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .extension(self.server.peer("mooring-operator"))
            .body(Bytes::from(serde_json::to_vec(body).unwrap()))
            .unwrap();
        let answer = self
            .server
            .answer(request, Duration::from_secs(10))
            .unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer.into_body()
    }

    fn ask(&mut self, due: &Due) {
        let sent = clock::boot();
        let said = self.says(
            Method::POST,
            "/v1/owners",
            &Owners {
                owners: due.clone(),
            },
        );
        let answer: OwnersAnswer = serde_json::from_slice(&said).unwrap();
        self.memory.answered(due, sent, answer);
    }

    /// All that follows at once from how pods are.
    fn settle(&mut self) {
        loop {
            let pods = self.pods.iter();
            let pods = pods.filter_map(|p| own_pod(&p.object(), false, false));
            let (pods, listed) = (pods.collect(), self.server.views());
            let (server, none) = (ServerRef::new("licensing", "main"), HashSet::new());
            let sight = OwnersSight {
                server: &server,
                pods,
                held: &none,
                waiting: &none,
                listed: &listed,
            };
            let acts = self.memory.look(sight, clock::boot());
            for act in &acts {
                if let Act::Open(key, _) = act {
                    let mut pods = self.pods.iter_mut();
                    let pod = pods.find(|p| key.0 == format!("uid-{}", p.name));
                    pod.unwrap().gated = false;
                }
            }
            let due = self.memory.due(clock::boot());
            if due.is_empty() && acts.is_empty() {
                return;
            }
            if !due.is_empty() {
                self.ask(&due);
            }
        }
    }

    /// Who may be on a node, and has not come to its end.
    fn on_nodes(&self) -> Vec<&str> {
        let pods = self.pods.iter();
        let pods = pods.filter(|p| !p.gated && p.phase != "Succeeded");
        pods.map(|p| p.name.as_str()).collect()
    }

    fn ends(&mut self, name: &str) {
        let mut pods = self.pods.iter_mut();
        pods.find(|p| p.name == name).unwrap().phase = "Succeeded";
        self.settle();
    }
}

#[test]
fn of_six_pods_for_two_seats_two_are_scheduled_at_a_time_in_their_order() {
    let mut world = World::new(2);
    for n in 1..=6 {
        world.make(&format!("p{n}"), None);
        world.settle();
    }
    for n in 1..=6 {
        let here: Vec<String> = (n..=6).take(2).map(|n| format!("p{n}")).collect();
        assert_eq!(world.on_nodes(), here);
        world.ends(&here[0]);
    }
    assert_eq!(world.server.views().len(), 0, "nothing stays reserved");
    assert!(world.memory.all(clock::boot()).is_empty());
}

#[test]
fn two_groups_of_four_on_four_seats_are_there_one_after_the_other_also_over_a_restart() {
    let mut world = World::new(4);
    for n in 1..=3 {
        world.make(&format!("red-{n}"), Some(("red", 4)));
    }
    world.settle();
    assert_eq!(
        world.server.views().len(),
        0,
        "three of four ask for nothing"
    );
    for n in 1..=4 {
        world.make(&format!("blue-{n}"), Some(("blue", 4)));
    }
    world.settle();
    world.make("red-4", Some(("red", 4)));
    world.settle();
    let blue = ["blue-1", "blue-2", "blue-3", "blue-4"];
    assert_eq!(world.on_nodes(), blue);

    // Another run of the server: what is reserved is, and who waits has its place.
    world.server.restart();
    world.hand_over_policies();
    let all = world.memory.all(clock::boot());
    assert_eq!(all.len(), 2);
    world.ask(&all);
    world.settle();
    assert_eq!(world.on_nodes(), blue);
    let states = |world: &World| {
        let views = world.server.views().into_iter();
        let mut all: Vec<String> = views.map(|v| format!("{} {}", v.holder, v.state)).collect();
        all.sort();
        all
    };
    let both = ["apps/Group/blue Reserved", "apps/Group/red Waiting"];
    assert_eq!(states(&world), both);
    for name in &blue[..3] {
        world.ends(name);
        assert_eq!(states(&world), both, "one of blue is there");
    }
    world.ends(blue[3]);
    assert!(!states(&world).iter().any(|s| s.contains("blue")));
}

/// A Workload of Kueue's that asks for two seats.
fn workload(name: &str, rests: bool) -> WorkloadClaim {
    WorkloadClaim {
        namespace: "apps".into(),
        name: name.into(),
        uid: format!("uid-of-{name}"),
        is_group: false,
        service_account: "default".into(),
        project: None,
        items: mooring_core::request::parse("render:2").unwrap(),
        rests,
    }
}

#[test]
fn a_workload_that_was_sent_back_keeps_its_place_and_is_in_nobodys_way() {
    let mut world = World::new(2);
    let mut all: Vec<WorkloadClaim> = Vec::new();
    let look = |world: &mut World, all: &[WorkloadClaim]| {
        world.memory.set_workloads(all);
        world.settle();
        let of = |c: &WorkloadClaim| match world.memory.stand(&c.key(), clock::boot()) {
            Some((Stand::Reserved, _)) => "reserved".to_owned(),
            Some((Stand::Waiting { place, .. }, rested)) => format!("{place} {rested}"),
            other => format!("{other:?}"),
        };
        all.iter().map(of).collect::<Vec<_>>()
    };
    for name in ["a", "b", "c"] {
        all.push(workload(name, false));
        look(&mut world, &all);
    }
    assert_eq!(look(&mut world, &all), ["reserved", "1 false", "2 false"]);
    // Kueue takes b's quota.
    all[1].rests = true;
    assert_eq!(look(&mut world, &all), ["reserved", "1 true", "2 false"]);
    // a ends: what b cannot use now is c's, and b is next.
    all.remove(0);
    assert_eq!(look(&mut world, &all)[1], "reserved");
    all[0].rests = false;
    all.push(workload("d", false));
    assert_eq!(look(&mut world, &all), ["1 false", "reserved", "2 false"]);
    all.remove(1);
    assert_eq!(look(&mut world, &all)[0], "reserved");
    all.clear();
    look(&mut world, &all);
    assert_eq!(world.server.views().len(), 0, "nothing stays reserved");
}

#[test]
fn workloads_that_are_not_known_yet_keep_what_they_had() {
    let mut world = World::new(2);
    world.memory.set_workloads(&[workload("a", false)]);
    world.settle();
    // Another operator, which has not heard of Kueue yet.
    world.memory = OwnersMemory::default();
    world.make("p", None);
    world.settle();
    assert!(world.on_nodes().is_empty());
    world.memory.set_workloads(&[]);
    world.settle();
    assert_eq!(world.on_nodes(), ["p"], "now it is known that it is over");
}
