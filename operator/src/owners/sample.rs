//! Pods and owners for tests.
#![allow(clippy::unwrap_used)]

use super::root::{Root, RootKind};
use crate::cache::OwnPod;
use crate::cache::own::{Controller, Gate, PodStage};
use mooring_core::identity::HolderKey;
use mooring_core::request::parse;
use std::time::Duration;

/// A pod that has a node and waits at its start, and that nobody has run.
pub(super) fn pod(name: &str, asks: &str) -> OwnPod {
    OwnPod {
        key: HolderKey(format!("uid-{name}")),
        namespace: "apps".into(),
        name: name.into(),
        service_account: "a".into(),
        items: parse(asks).unwrap(),
        project: None,
        group: None,
        controller: None,
        place: None,
        kueue_group: None,
        revision: None,
        gated: false,
        created: None,
        gate: Gate::Open,
        stage: PodStage::Lives,
        bound: true,
        leased: false,
        elsewhere: false,
        open_for: Duration::ZERO,
        bound_for: Duration::ZERO,
    }
}

pub(super) fn controller(api_version: &str, kind: &str, name: &str, uid: &str) -> Controller {
    Controller {
        api_version: api_version.into(),
        kind: kind.into(),
        name: name.into(),
        uid: uid.into(),
    }
}

pub(super) fn deployment() -> Root {
    Root {
        namespace: "apps".into(),
        kind: RootKind::Deployment,
        name: "d".into(),
        uid: "root".into(),
        above: None,
    }
}
