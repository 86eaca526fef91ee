//! Claims that the operator makes for what has pods run: their pods take their shares over, and a
//! new run of the server counts the same.

use crate::pods::in_cluster;
use crate::rig::{TestClaim, ask, items, until};
use http::{Method, StatusCode};
use mooring_core::identity::{Holder, HolderKey};
use mooring_core::names::ClaimName;
use mooring_core::receipt::Sealed;
use mooring_core::wire::{Leases, OwnerClaim, OwnerStands, Owners, OwnersAnswer, ViewState};
use mooring_net::client::{Call, Client};

/// The operator's side of an owner's claim.
struct Owner {
    says: OwnerClaim,
}

impl Owner {
    fn new(uid: &str, seats: u32, pods: &[&str]) -> Self {
        let holder = Holder::Owner {
            namespace: "licensing".into(),
            owner: format!("Job/{uid}"),
            uid: uid.to_owned(),
            service_account: "default".into(),
        };
        let pods = pods.iter().map(|p| HolderKey(format!("uid-{p}")));
        Self {
            says: OwnerClaim {
                owner: holder,
                claim: ClaimName::new("owner").unwrap(),
                items: items(seats),
                project: None,
                pods: pods.collect(),
                rests: false,
                replaces: Vec::new(),
                ends: false,
                heard: None,
                receipt: None,
                sent_ago: None,
                ticket: None,
            },
        }
    }

    async fn asks(&mut self, operator: &Client) -> OwnerStands {
        let owners = vec![self.says.clone()];
        let call = Call::new(Method::POST, "/v1/owners").json(&Owners { owners });
        let answer = ask(operator, call.unwrap()).await;
        let mut all: OwnersAnswer = answer.json().unwrap();
        self.says.heard = Some(all.instance);
        let stands = all.owners.remove(0);
        match &stands {
            OwnerStands::Reserved { receipt, .. } => {
                self.says.receipt = Some(receipt.clone());
                self.says.ticket = None;
            }
            OwnerStands::Waiting { ticket, .. } => self.says.ticket = Some(Sealed::clone(ticket)),
            OwnerStands::Ended | OwnerStands::Refused { .. } => {}
        }
        stands
    }

    async fn has_its_seats(&mut self, operator: &Client) {
        let stands = self.asks(operator).await;
        assert!(matches!(stands, OwnerStands::Reserved { .. }), "{stands:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_take_their_shares_of_what_their_owner_has_also_over_a_restart() {
    let (mut rig, _api) = in_cluster(3, "").await;
    let (c, operator) = (rig.stranger(), rig.client("mooring-operator"));
    let mut gang = Owner::new("gang", 2, &["a-0", "a-1"]);
    // Nobody else may speak for owners.
    let owners = vec![gang.says.clone()];
    let call = Call::new(Method::POST, "/v1/owners").json(&Owners { owners });
    assert_eq!(ask(&c, call.unwrap()).await.status, StatusCode::FORBIDDEN);

    gang.has_its_seats(&operator).await;
    let mut other = TestClaim::new("pod");
    other.claim_as(&c, "licensing/b-0").await.granted();
    let mut late = TestClaim::new("pod");
    late.claim_as(&c, "licensing/b-1").await.waiting();
    let mut one = TestClaim::new("pod");
    let lease = one.claim_as(&c, "licensing/a-0").await.granted().lease;
    let mut two = TestClaim::new("pod");
    two.claim_as(&c, "licensing/a-1").await.granted();
    let list: Leases = ask(&operator, Call::new(Method::GET, "/v1/leases"))
        .await
        .json()
        .unwrap();
    let reserved = list
        .leases
        .iter()
        .filter(|l| l.state == ViewState::Reserved);
    assert_eq!(reserved.count(), 1);

    // A new run: a pod comes first, then its owner, then the other pod. The stranger in line gets
    // nothing, although two seats seem free for a while.
    rig.kill();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let (c, operator) = (rig.stranger(), rig.client("mooring-operator"));
    late.claim(&c, None).await.waiting();
    assert_eq!(one.claim(&c, None).await.granted().lease, lease);
    gang.has_its_seats(&operator).await;
    two.claim(&c, None).await.granted();
    other.claim(&c, None).await.granted();
    until("settling is over", async || {
        rig.metric("mooring_settling").await == Some(0.0)
    })
    .await;
    late.claim(&c, None).await.waiting();
    // One goes, and what it had stays with its owner for another.
    one.release(&c, lease).await;
    late.claim(&c, None).await.waiting();
    gang.says.pods = vec![HolderKey("uid-a-1".into()), HolderKey("uid-a-2".into())];
    gang.has_its_seats(&operator).await;
    let mut three = TestClaim::new("pod");
    three.claim_as(&c, "licensing/a-2").await.granted();
    // It wants fewer.
    gang.says.items = items(1);
    gang.has_its_seats(&operator).await;
    gang.says.ends = true;
    let ended = gang.asks(&operator).await;
    assert_eq!(ended, OwnerStands::Ended);
    late.claim(&c, None).await.waiting();
}
