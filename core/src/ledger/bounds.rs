//! Bounds on what strangers can make the ledger keep.

use super::state::Ledger;
use super::types::Claim;
use crate::request::MAX_ITEMS;
use crate::wire::{Problem, ProblemType};

impl Ledger {
    pub(super) fn check_bounds(&self, c: &Claim) -> Result<(), Problem> {
        let bad =
            |detail: String| Err(Problem::new(ProblemType::BadRequest, detail).field("items"));
        if c.items.is_empty() || c.items.len() > MAX_ITEMS {
            return bad(format!(
                "{} products, expected 1 to {MAX_ITEMS}",
                c.items.len()
            ));
        }
        for (i, item) in c.items.iter().enumerate() {
            if c.items.iter().take(i).any(|o| o.product == item.product) {
                return bad(format!("product {} is there twice", item.product));
            }
        }
        let limits = self.settings.limits;
        let full =
            |detail: String| Err(Problem::new(ProblemType::TooManyClaims, detail).retry_after(30));
        if self
            .by_holder
            .get(&c.holder.key())
            .is_some_and(|v| v.len() >= limits.per_holder)
        {
            return full(format!(
                "{} has {} claims, the most one holder may have",
                c.holder, limits.per_holder
            ));
        }
        if let Some(ns) = c.holder.namespace()
            && self
                .per_namespace
                .get(ns)
                .is_some_and(|n| *n >= limits.per_namespace)
        {
            return full(format!(
                "namespace {ns} has {} claims, the most one may have",
                limits.per_namespace
            ));
        }
        if self.queue.len() >= limits.queue {
            let detail = format!(
                "the queue has {} claims, the most it may have",
                limits.queue
            );
            return Err(Problem::new(ProblemType::Overloaded, detail).retry_after(30));
        }
        Ok(())
    }
}
