//! Asking for a token, and judging the answer.

use super::{ANSWER, Driver, Question};
use crate::conn::{MAX_BODY, Request};
use crate::error::Error;
use crate::mooring::licensed;
use crate::nonce::nonce;
use crate::sidecar::token_path;
use mooring_core::license::{Bundle, VerifyError};
use mooring_core::time::BootTime;
use mooring_core::wire::calls::socket::TOKEN;

impl Driver {
    pub(super) fn ask(&mut self, fresh: bool, now: BootTime) {
        self.watch.asked();
        let nonce = match fresh.then(nonce).transpose() {
            Ok(n) => n,
            Err(e) => return self.no_answer(e, now),
        };
        let path = token_path(
            self.watch.name(),
            Some(&self.order.product),
            nonce.as_deref(),
        );
        match self.connect(&Request::of(&TOKEN, &path)) {
            Ok(conn) => {
                self.question = Some(Question {
                    conn,
                    nonce,
                    bind: self.bind(),
                    asked: now,
                    body: Vec::new(),
                });
                self.read_answer(now);
            }
            Err(e) => self.no_answer(e, now),
        }
    }

    fn no_answer(&mut self, e: Error, now: BootTime) {
        self.error = Some(e);
        self.watch.unanswered(now);
    }

    pub(super) fn read_answer(&mut self, now: BootTime) {
        let Some(mut q) = self.question.take() else {
            return;
        };
        let step = q.conn.step(&mut q.body);
        let e = match (step, q.conn.status()) {
            (Ok(false), _) if now >= q.asked + ANSWER => Error::timeout(TOKEN.path, ANSWER),
            (Ok(false), _) if q.body.len() <= MAX_BODY => match self.register(&q.conn) {
                Ok(()) => {
                    self.question = Some(q);
                    return;
                }
                Err(e) => e,
            },
            (Ok(_), Some(200)) => {
                self.end(&q.conn);
                return self.judge(&q, now);
            }
            (Ok(_), status) => Error::of_answer(TOKEN.path, status.unwrap_or_default(), &q.body),
            (Err(e), _) => e,
        };
        self.end(&q.conn);
        self.no_answer(e, now);
    }

    /// An answer came: does it prove the seat?
    fn judge(&mut self, q: &Question, now: BootTime) {
        let bundle = serde_json::from_slice::<Bundle>(&q.body);
        let bundle = bundle.map_err(|e| Error::answer(TOKEN.path, e));
        let product = &self.order.product;
        let check = |b: Bundle| self.mooring.check(&b, product, q.nonce.as_deref(), q.bind);
        let v = match bundle.and_then(|b| Ok(check(b)?)) {
            Ok(v) => v,
            Err(Error::Verify(VerifyError::ClockOrStale(e))) => {
                let may_start = self
                    .mooring
                    .may_start(e.restricts.optimistic_start, product);
                self.watch.stale(&e.restricts, may_start, now);
                self.error = Some(VerifyError::ClockOrStale(e).into());
                return;
            }
            Err(e) => {
                self.error = Some(e);
                return self.watch.disproved(now);
            }
        };
        let may_start = v.fresh || self.mooring.may_start(v.optimistic_start, product);
        self.watch.proved(q.asked, &v, may_start, now);
        if let Some(why) = self.watch.rejected() {
            let detail = format!(
                "it is for {} seats of {} by lease {} of claim {}",
                v.seats, self.order.product, v.lease, v.claim
            );
            self.error = Some(Error::Disbelieved { why, detail });
        } else {
            self.error = None;
            let until = q.asked + v.run_for;
            self.proof = Some(licensed(self.order.product.clone(), v, until));
        }
    }
}
