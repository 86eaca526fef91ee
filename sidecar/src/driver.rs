//! One task for each claim: does what its holder says, at the time it says. No rule lives here but one: save, then send.

use crate::alarm::Alarm;
use crate::board::{Board, ClaimAt};
use crate::link::Link;
use crate::store::{About, Store};
use mooring_core::holder::{Answer, Holder, Random, Request, Spec, Step, Tag};
use mooring_core::names::{ClaimName, RequestId};
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;
use mooring_core::wire::ClaimKind;
use mooring_net::{clock, random, shutdown::Shutdown};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The pause before a release is tried again; doubled each time.
const RELEASE_AGAIN: Duration = Duration::from_millis(100);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Chance from the kernel.
pub(crate) struct Kernel;

impl Random for Kernel {
    fn request_id(&mut self) -> RequestId {
        random::request_id()
    }

    fn fraction(&mut self) -> f64 {
        random::fraction()
    }

    fn secret(&mut self) -> Secret {
        random::secret()
    }
}

type Flight = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// One claim's life until it was given back.
#[derive(Clone)]
pub(crate) struct Driver {
    pub(crate) at: ClaimAt,
    pub(crate) about: About,
    pub(crate) board: Arc<Board>,
    pub(crate) link: Link,
    pub(crate) store: Store,
    pub(crate) alarm: Arc<Alarm>,
    /// Says that the claim was changed from outside.
    pub(crate) wake: Arc<Notify>,
}

impl Driver {
    /// Puts the claim back to what was saved last, as after a crash of the whole process.
    pub(crate) fn begin_again(&self, spec: &Spec) {
        let now = clock::boot();
        let holder = match self.store.load() {
            Ok(Some(d)) => Holder::restore(spec.clone(), d.claim, now),
            _ => Holder::new(spec.clone(), random::secret(), now),
        };
        let leaving = self.board.is_leaving(self.at);
        self.board.with(self.at, now, |h| {
            *h = holder;
            if leaving {
                h.release(now);
            }
        });
    }

    /// Runs until the claim is given back after `stop`. The caller bounds the time that this may take.
    pub(crate) async fn run(self, stop: Shutdown) {
        let mut under_way: Option<(Tag, Flight)> = None;
        let mut stopping = false;
        loop {
            let now = clock::boot();
            let asked = self.board.with(self.at, now, |h| {
                let step = h.poll(now, &mut Kernel);
                let save = h.take_dirty().then(|| h.saved().clone());
                (step, save, h.changes_at(now), h.is_released())
            });
            let Some((step, save, changes_at, released)) = asked else {
                return;
            };
            // What leaves stays saved as it was before, with a mark: after a crash it is still to be given back.
            if let Some(saved) = save
                && !(stopping && self.about.kind != ClaimKind::Pod)
                && !self.board.is_leaving(self.at)
                && let Err(e) = self.store.save(&self.about, &saved)
            {
                // The lease matters more than a crash that may never come: it is renewed all the same.
                tracing::error!(claim = %self.about.name, error = %e, "a crash of the sidecar now would lose the lease");
            }
            let until = match step {
                Step::Send {
                    tag,
                    mut request,
                    timeout,
                } => {
                    if let Request::Claim { body, .. } = &mut request {
                        body.others = self.board.others(self.at);
                    }
                    let (link, claim) = (self.link.clone(), self.about.name.clone());
                    tracing::debug!(%claim, ?timeout, "asking the license server");
                    // A request still under way is given up with this: its answer would be ignored.
                    under_way = Some((
                        tag,
                        Box::pin(async move { ask(&link, &claim, request, timeout).await }),
                    ));
                    BootTime::NEVER
                }
                Step::Sleep { until } => until,
            };
            if released {
                self.store.forget();
                return;
            }
            tokio::select! {
                (tag, answer) = landing(&mut under_way) => {
                    under_way = None;
                    let now = clock::boot();
                    self.board.answered(self.at, now, tag, answer, &mut Kernel);
                }
                () = self.sleep_until(until.min(changes_at), now) => {}
                () = self.wake.notified() => {}
                () = stop.asked(), if !stopping => {
                    stopping = true;
                    let now = clock::boot();
                    if self.about.kind != ClaimKind::Pod && !self.board.is_leaving(self.at) {
                        self.board.read(self.at, |h| self.store.keep_leaving(&self.about, h.saved()));
                    }
                    self.board.with(self.at, now, |h| h.release(now));
                }
            }
        }
    }
}

impl Driver {
    /// Sleeps; at least a moment, so that a time in the past never turns the loop into a spin.
    async fn sleep_until(&self, t: BootTime, now: BootTime) {
        if t == BootTime::NEVER {
            return std::future::pending().await;
        }
        let t = t.max(now + Duration::from_millis(1));
        if let Err(e) = self.alarm.until(t).await {
            tracing::error!(error = %e, "the kernel's timer fails; looking at the clock instead");
            clock::sleep_until(t).await;
        }
    }
}

/// Asks once, but for a release: nobody asks that again, so it is tried anew as long as there is time for its answer.
async fn ask(link: &Link, claim: &ClaimName, request: Request, timeout: Duration) -> Answer {
    let end = clock::boot() + timeout;
    let mut pause = RELEASE_AGAIN;
    loop {
        let left = clock::boot().until(end);
        let answer = link.ask(claim, request.clone(), left).await;
        let in_vain = matches!(answer, Answer::NoContact(_));
        let left = clock::boot().until(end);
        if !in_vain || !matches!(request, Request::Release { .. }) || left <= pause {
            return answer;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn landing(under_way: &mut Option<(Tag, Flight)>) -> (Tag, Answer) {
    match under_way {
        Some((tag, flight)) => (*tag, flight.await),
        None => std::future::pending().await,
    }
}
