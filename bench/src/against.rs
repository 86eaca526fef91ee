//! The server and the bare handler in turns, on the same core by the same loader.

use crate::load::{Asker, Client, Pace, Round, median, round};
use crate::process::Process;
use crate::site::Site;
use crate::wire::{Answer, Conn, connect, tls};
use anyhow::{Result, bail};
use mooring_testkit::{free_port, look_for, secs};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// The same requests over and over, whatever is answered.
pub(crate) struct Repeating {
    requests: Vec<Vec<u8>>,
    next: usize,
}

impl Repeating {
    pub(crate) fn new(requests: Vec<Vec<u8>>) -> Self {
        Self { requests, next: 0 }
    }
}

impl Asker for Repeating {
    fn ask(&mut self, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        out.extend(self.requests.get(self.next).into_iter().flatten());
        self.next = (self.next + 1) % self.requests.len();
        Ok(())
    }

    fn took(&mut self, answer: Answer<'_>, _: Instant) -> Result<()> {
        if !matches!(answer.status, 200 | 204) {
            bail!("it answered {}", answer.status);
        }
        Ok(())
    }
}

/// The bare handler as a process, with the server's certificate, and these answers.
pub(crate) fn bare(site: &Site, answers: &Path) -> Result<(Process, SocketAddr)> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let (dir, answers) = (site.file(""), answers.display().to_string());
    let (listen, dir) = (at.to_string(), dir.display().to_string());
    let args = [
        "bare",
        "--listen",
        &listen,
        "--dir",
        &dir,
        "--answers",
        &answers,
    ];
    let me = std::env::current_exe()?;
    let process = Process::start(&me, &args, &[], &site.file("bare.log"))?;
    look_for("the bare handler listens", secs(10), || {
        std::net::TcpStream::connect(at).map_err(|e| e.to_string())
    })?;
    Ok((process, at))
}

/// These connections to the bare handler, on each of which the requests are repeated.
pub(crate) async fn repeaters(
    to: SocketAddr,
    which: Range<usize>,
    requests: &[Vec<u8>],
) -> Result<Vec<Client<TlsStream<TcpStream>, Repeating>>> {
    let tls = tls()?;
    let mut all = Vec::with_capacity(which.len());
    for i in which {
        let conn = connect(&tls, to, i).await?;
        let asker = Repeating::new(requests.to_vec());
        all.push(Client { conn, asker });
    }
    Ok(all)
}

/// How often, and how long at a time.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Rounds {
    /// Rounds of each.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of a round.
    #[arg(long, default_value_t = 2.0)]
    secs: f64,
}

/// What the two brought, round by round.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    real: Vec<Round>,
    bare: Vec<Round>,
}

/// A median of both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Both {
    pub(crate) real: f64,
    pub(crate) bare: f64,
}

impl Both {
    /// The real one for one of the bare.
    pub(crate) fn ratio(self) -> f64 {
        self.real / self.bare
    }
}

impl Compared {
    pub(crate) fn of(&self, what: impl Fn(&Round) -> f64) -> Both {
        Both {
            real: median(self.real.iter().map(&what).collect()),
            bare: median(self.bare.iter().map(&what).collect()),
        }
    }

    /// For people: rates, and whether the loader was the limit.
    pub(crate) fn print(&self, what: &str) {
        let (rate, by_cpu) = (self.of(|r| r.rate), self.of(|r| r.by_cpu));
        let loader = self.of(|r| r.loader);
        let p99 = self.of(|r| r.p99().as_secs_f64() * 1e3);
        println!("{what}, medians of {} rounds each", self.real.len());
        for (who, pick) in [
            ("Mooring", (|b| b.real) as fn(Both) -> f64),
            ("bare", |b| b.bare),
        ] {
            println!(
                "  {who:>7}: {:>8.0} a second, {:>8.0} for a second of its processor, \
                 p99 {:>6.2} ms, the loader's core {:>3.0} % busy",
                pick(rate),
                pick(by_cpu),
                pick(p99),
                pick(loader) * 100.0
            );
        }
        let (rate, by_cpu) = (rate.ratio(), by_cpu.ratio());
        println!("    ratio: {rate:>8.3} by rate, {by_cpu:.3} by processor time");
    }
}

/// One after the other, again and again. Each is warmed up by a round that does not count.
pub(crate) async fn turns<S, A, T, B>(
    rounds: Rounds,
    pace: Pace,
    (real, mut reals): (&Process, Vec<Client<S, A>>),
    (bare, mut bares): (&Process, Vec<Client<T, B>>),
) -> Result<(Compared, Vec<Client<S, A>>, Vec<Client<T, B>>)>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    A: Asker,
    B: Asker,
{
    let mut compared = Compared::default();
    for i in 0..=rounds.rounds {
        let part = if i == 0 { 0.3 } else { 1.0 };
        let time = Duration::from_secs_f64(rounds.secs * part);
        let (back, of_real) = round(reals, pace, time, real).await?;
        reals = back;
        let (back, of_bare) = round(bares, pace, time, bare).await?;
        bares = back;
        if i > 0 {
            compared.real.push(of_real);
            compared.bare.push(of_bare);
        }
    }
    Ok((compared, reals, bares))
}

/// What a conversation with the real thing was: its request and its whole answer.
pub(crate) async fn heard<S: AsyncRead + AsyncWrite + Unpin>(
    conn: &mut Conn<S>,
    request: &[u8],
) -> Result<(u16, Vec<u8>, Vec<u8>)> {
    let a = conn.ask(request).await?;
    Ok((a.status, a.head.to_vec(), a.body.to_vec()))
}
