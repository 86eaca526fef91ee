//! Which pods are whose, by the operator's word: plain data.

use crate::identity::HolderKey;
use std::collections::HashMap;

/// Which pods are whose.
#[derive(Clone, Debug, Default)]
pub(super) struct Families {
    of_pod: HashMap<HolderKey, Box<str>>,
    pods: HashMap<Box<str>, Vec<HolderKey>>,
}

impl Families {
    /// Whose a pod is, by its UID.
    pub(super) fn of_pod(&self, uid: &str) -> Option<Box<str>> {
        self.of_pod.get(uid).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of_pod.is_empty()
    }

    /// These are a family's, and no others.
    pub(super) fn set(&mut self, family: &str, pods: &[HolderKey]) -> Vec<HolderKey> {
        for pod in self.pods.remove(family).into_iter().flatten() {
            if self.of_pod.get(&pod).is_some_and(|f| **f == *family) {
                self.of_pod.remove(&pod);
            }
        }
        for pod in pods {
            self.of_pod.insert(pod.clone(), family.into());
        }
        if !pods.is_empty() {
            self.pods.insert(family.into(), pods.to_vec());
        }
        pods.to_vec()
    }
}
