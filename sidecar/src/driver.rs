//! One task for each line of a claim: does what the line's [`Drive`](mooring_core::holder::drive::Drive)
//! says, when it says it. The rules are there; here are the disk, the network and the clock.

use crate::alarm::Alarm;
use crate::registry::{LineId, Registry};
use crate::server_client::ServerClient;
use crate::store::{About, Store};
use mooring_core::holder::drive::Do;
use mooring_core::holder::{Answer, Random, Tag};
use mooring_core::names::RequestId;
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;
use mooring_net::{clock, random, shutdown::Shutdown};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Notify;

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

/// One line's life until it was given back.
#[derive(Clone)]
pub(crate) struct Driver {
    pub(crate) id: LineId,
    pub(crate) about: About,
    pub(crate) registry: Arc<Registry>,
    pub(crate) client: ServerClient,
    pub(crate) store: Store,
    pub(crate) alarm: Arc<Alarm>,
    /// Says that the claim was changed from outside.
    pub(crate) wake: Arc<Notify>,
}

impl Driver {
    /// Puts the claim back to what was saved last, as after a crash of the whole process.
    pub(crate) fn begin_again(&self) {
        let saved = self.store.load().ok().flatten();
        let saved = saved.and_then(|mut d| d.lines.remove(self.client.server()));
        self.registry
            .begin_again(self.id, saved, clock::boot(), &mut Kernel);
    }

    /// Runs until the claim is given back after `stop`. The caller bounds the time that this may
    /// take.
    pub(crate) async fn run(self, stop: Shutdown) {
        let mut under_way: Option<(Tag, Flight)> = None;
        let mut stopping = false;
        while let Some(todo) = self.registry.next(self.id, clock::boot(), &mut Kernel) {
            let until = match todo {
                Do::Save => {
                    self.registry.save(self.id.claim);
                    continue;
                }
                Do::Send {
                    tag,
                    request,
                    timeout,
                } => {
                    let (client, claim) = (self.client.clone(), self.about.name_at_server());
                    tracing::debug!(%claim, ?timeout, "asking the license server");
                    let answer = async move { client.ask(&claim, request, timeout).await };
                    under_way = Some((tag, Box::pin(answer)));
                    continue;
                }
                Do::Sleep { until } => until,
                Do::Done => return self.registry.ended(self.id),
                Do::Kept => return,
            };
            tokio::select! {
                (tag, answer) = landing(&mut under_way) => {
                    under_way = None;
                    self.registry.landed(self.id, clock::boot(), tag, answer, &mut Kernel);
                }
                () = self.sleep_until(until) => {}
                () = self.wake.notified() => {}
                () = stop.asked(), if !stopping => {
                    stopping = true;
                    self.registry.stop(self.id, clock::boot());
                }
            }
        }
    }

    async fn sleep_until(&self, t: BootTime) {
        if t == BootTime::NEVER {
            return std::future::pending().await;
        }
        if let Err(e) = self.alarm.until(t).await {
            tracing::error!(error = %e, "the kernel's timer fails; looking at the clock instead");
            clock::sleep_until(t).await;
        }
    }
}

async fn landing(under_way: &mut Option<(Tag, Flight)>) -> (Tag, Answer) {
    match under_way {
        Some((tag, flight)) => (*tag, flight.await),
        None => std::future::pending().await,
    }
}
