//! Requests as fast as they are answered, or at a rate; and how long each took.

use crate::process::{Process, cpu_secs};
use crate::wire::{Answer, Conn};
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{LocalSet, yield_now};

/// Who asks on one connection: one request after the other.
pub(crate) trait Asker: 'static {
    fn ask(&mut self, out: &mut Vec<u8>) -> Result<()>;
    /// Takes the answer; an error is one that must not be.
    fn took(&mut self, answer: Answer<'_>, sent: Instant) -> Result<()>;
}

/// An asker on its connection.
pub(crate) struct Client<S, A> {
    pub(crate) conn: Conn<S>,
    pub(crate) asker: A,
}

/// What a round brought.
#[derive(Debug)]
pub(crate) struct Round {
    /// Answers a second.
    pub(crate) rate: f64,
    /// How long each took, sorted.
    pub(crate) took: Vec<Duration>,
    /// How much of a core the loader used.
    pub(crate) loader: f64,
    /// Answers for each second of the measured process's processor time: what is left of the rate
    /// where others use the core, too.
    pub(crate) by_cpu: f64,
}

impl Round {
    pub(crate) fn p99(&self) -> Duration {
        let at = self.took.len() * 99 / 100;
        self.took.get(at).copied().unwrap_or_default()
    }
}

/// How requests follow one another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each client asks again once it is answered.
    Closed,
    /// So many a second of all clients together, whether or not answers come; an answer's time
    /// counts from when its request was due.
    PerSecond(f64),
}

/// Asks on all `clients` for so long. They come back for the next round.
pub(crate) async fn round<S, A>(
    clients: Vec<Client<S, A>>,
    pace: Pace,
    time: Duration,
    measured: &Process,
) -> Result<(Vec<Client<S, A>>, Round)>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    A: Asker,
{
    let n = clients.len();
    let (cpu, of_measured) = (cpu_secs("self")?, measured.cpu_secs()?);
    let begun = Instant::now();
    let local = LocalSet::new();
    let tasks = clients.into_iter().enumerate().map(|(i, client)| {
        let every = match pace {
            Pace::Closed => Duration::ZERO,
            Pace::PerSecond(rate) => Duration::from_secs_f64(n as f64 / rate),
        };
        let first = begun + every.mul_f64(i as f64 / n as f64);
        local.spawn_local(drive(client, first, every, begun + time))
    });
    let tasks: Vec<_> = tasks.collect();
    let mut back = Vec::with_capacity(n);
    let mut took = Vec::new();
    local
        .run_until(async {
            for task in tasks {
                let (client, times) = task.await??;
                back.push(client);
                took.extend(times);
            }
            Ok::<_, anyhow::Error>(())
        })
        .await?;
    let secs = begun.elapsed().as_secs_f64();
    let answers = took.len() as f64;
    took.sort_unstable();
    let round = Round {
        rate: answers / secs,
        took,
        loader: (cpu_secs("self")? - cpu) / secs,
        by_cpu: answers / (measured.cpu_secs()? - of_measured),
    };
    Ok((back, round))
}

async fn drive<S, A>(
    mut client: Client<S, A>,
    first: Instant,
    every: Duration,
    end: Instant,
) -> Result<(Client<S, A>, Vec<Duration>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Asker,
{
    let mut request = Vec::new();
    let mut took = Vec::new();
    let mut due = first;
    loop {
        if every.is_zero() {
            due = Instant::now();
        } else {
            until(due).await;
        }
        if due >= end {
            return Ok((client, took));
        }
        client.asker.ask(&mut request)?;
        let answer = client.conn.ask(&request).await?;
        took.push(due.elapsed());
        client.asker.took(answer, due)?;
        due += every;
    }
}

/// Sleeps, and is awake for the last millisecond: timers are no finer, and what is due within one
/// must not be sent in a bunch.
async fn until(due: Instant) {
    const COARSE: Duration = Duration::from_millis(2);
    let left = due.saturating_duration_since(Instant::now());
    if left > COARSE {
        tokio::time::sleep(left.saturating_sub(COARSE)).await;
    }
    while Instant::now() < due {
        yield_now().await;
    }
}

/// The middle one.
pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
