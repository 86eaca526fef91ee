//! Many holders as sidecars are: each with a connection of its own, a lease that it renews in
//! time, pauses that grow when nobody answers, and what shows its lease to a server that does not
//! know it.

use crate::seat::{Seat, Took};
use crate::wire::{Conn, connect};
use anyhow::{Context as _, Result, bail};
use mooring_core::holder::CONTACT;
use mooring_core::names::LeaseId;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A sidecar's first pause after a failure; doubled each time, up to a sixth of D.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Later than this a renewal is not on time.
const LATE: Duration = Duration::from_secs(1);

/// What they all do, and what came of it.
pub(crate) struct Crowd {
    pub(crate) tls: TlsConnector,
    pub(crate) server: SocketAddr,
    /// D.
    pub(crate) lease: Duration,
    /// How long after a renewal the next is sent; a third of D at a sidecar.
    pub(crate) interval: Duration,
    /// How many connect at once, where they do not all do.
    pub(crate) gate: Semaphore,
    pub(crate) tally: Tally,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Tally {
    /// How many have been granted a lease, ever.
    pub(crate) granted: Cell<usize>,
    /// When the last was.
    pub(crate) last_grant: Cell<Option<Instant>>,
    /// From when a renewal was due to its answer.
    pub(crate) renewals: RefCell<Vec<Duration>>,
    /// What the server refused.
    pub(crate) refused: RefCell<Vec<String>>,
    /// Connections that failed or broke.
    pub(crate) broken: Cell<usize>,
    /// A lease ended before it was renewed, or became another: what an application is told.
    pub(crate) lapsed: Cell<usize>,
    /// Leases that another run of the server took in, and when the last was.
    pub(crate) reinstated: Cell<usize>,
    pub(crate) last_reinstated: Cell<Option<Instant>>,
}

/// How renewals went.
#[derive(Debug)]
pub(crate) struct Renewals {
    pub(crate) count: usize,
    /// Answered more than a second after they were due.
    pub(crate) late: usize,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

impl Tally {
    /// Those since the last look.
    pub(crate) fn take_renewals(&self) -> Renewals {
        let mut all = self.renewals.take();
        all.sort_unstable();
        Renewals {
            count: all.len(),
            late: all.iter().filter(|t| **t > LATE).count(),
            p99: all.get(all.len() * 99 / 100).copied().unwrap_or_default(),
            longest: all.last().copied().unwrap_or_default(),
        }
    }
}

fn add(to: &Cell<usize>) {
    to.set(to.get() + 1);
}

/// One of them.
struct Holder {
    n: usize,
    seat: Seat,
    conn: Option<Conn<TlsStream<TcpStream>>>,
    /// The server does not know its lease.
    unknown: bool,
    /// When its next request is due.
    due: Instant,
    /// It was told that its lease ended.
    lapsed: bool,
    /// What it was granted first.
    lease: Option<LeaseId>,
    request: Vec<u8>,
}

/// Lives for ever as holder `n`, with this client token.
pub(crate) async fn live(crowd: Rc<Crowd>, n: usize, bearer: String) {
    let mut holder = Holder {
        n,
        seat: Seat::new(bearer),
        conn: None,
        unknown: false,
        due: Instant::now(),
        lapsed: false,
        lease: None,
        request: Vec::new(),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        if matches!(timeout(CONTACT, holder.step(&crowd)).await, Ok(Ok(()))) {
            pause = FIRST_PAUSE;
            // A little earlier or later than others, as sidecars do.
            let next = crowd.interval.mul_f64(0.9 + fastrand::f64() / 10.0);
            holder.due = Instant::now() + next;
            holder.request = Vec::new();
            sleep(next).await;
        } else {
            add(&crowd.tally.broken);
            holder.conn = None;
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(crowd.lease / 6);
        }
        holder.judge(&crowd);
    }
}

impl Holder {
    /// Claims or renews; an error is for another try after a pause.
    async fn step(&mut self, crowd: &Crowd) -> Result<()> {
        if self.conn.is_none() {
            let _turn = crowd.gate.acquire().await?;
            self.conn = Some(connect(&crowd.tls, crowd.server, self.n).await?);
            if self.lease.is_none() {
                return self.claim(crowd).await;
            }
        }
        if self.seat.contact().is_none() || self.unknown {
            return self.claim(crowd).await;
        }
        let conn = self.conn.as_mut().context("a connection")?;
        self.seat.renewal(&mut self.request)?;
        let sent = Instant::now();
        let answer = conn.ask(&self.request).await?;
        match self.seat.took_renewal(answer, sent)? {
            Took::Good => {}
            Took::Unknown => self.unknown = true,
            other => return refused(crowd, &other),
        }
        conn.rest();
        if self.unknown {
            return self.claim(crowd).await;
        }
        crowd.tally.renewals.borrow_mut().push(self.due.elapsed());
        Ok(())
    }

    async fn claim(&mut self, crowd: &Crowd) -> Result<()> {
        let conn = self.conn.as_mut().context("a connection")?;
        self.seat.claim(&mut self.request, None)?;
        let sent = Instant::now();
        let answer = conn.ask(&self.request).await?;
        let took = self.seat.took_claim(answer, sent)?;
        conn.rest();
        let Took::Good = took else {
            return refused(crowd, &took);
        };
        let (tally, now) = (&crowd.tally, Instant::now());
        if self.lease.is_none() {
            self.lease = self.seat.lease();
            add(&tally.granted);
            tally.last_grant.set(Some(now));
        } else if self.lease == self.seat.lease() {
            add(&tally.reinstated);
            tally.last_reinstated.set(Some(now));
        } else {
            self.lease = self.seat.lease();
            add(&tally.lapsed);
        }
        (self.unknown, self.lapsed) = (false, false);
        Ok(())
    }

    /// What its application is told by now.
    fn judge(&mut self, crowd: &Crowd) {
        let ended = self
            .seat
            .contact()
            .is_some_and(|c| c.elapsed() > crowd.lease);
        if ended && !self.lapsed {
            self.lapsed = true;
            add(&crowd.tally.lapsed);
        }
    }
}

fn refused(crowd: &Crowd, took: &Took) -> Result<()> {
    let mut all = crowd.tally.refused.borrow_mut();
    if all.len() < 100_000 {
        all.push(took.to_string());
    }
    bail!("refused")
}
