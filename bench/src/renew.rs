//! Renewals, claims and releases against the bare handler with the same bytes.

use crate::against::{Compared, Rounds, bare, repeaters, turns};
use crate::bare::record;
use crate::holders::may_have;
use crate::load::{Asker, Client, Pace};
use crate::seat::{Seat, Took};
use crate::site::Site;
use crate::told::{figure, point};
use crate::wire::{Answer, connect, tls};
use anyhow::{Result, bail};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Renews its lease.
struct Renewing(Seat);

impl Asker for Renewing {
    fn ask(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.0.renewal(out)
    }

    fn took(&mut self, answer: Answer<'_>, sent: Instant) -> Result<()> {
        good(&self.0.took_renewal(answer, sent)?)
    }
}

/// Claims, releases, claims anew.
struct Pairs(Seat);

impl Asker for Pairs {
    fn ask(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self.0.lease() {
            Some(_) => self.0.release(out),
            None => self.0.claim(out, None),
        }
    }

    fn took(&mut self, answer: Answer<'_>, sent: Instant) -> Result<()> {
        let took = match self.0.lease() {
            Some(_) => self.0.took_release(answer)?,
            None => self.0.took_claim(answer, sent)?,
        };
        good(&took)
    }
}

fn good(took: &Took) -> Result<()> {
    match took {
        Took::Good => Ok(()),
        other => bail!("it was not granted: {other:?}"),
    }
}

type Sidecars<A> = Vec<Client<TlsStream<TcpStream>, A>>;

/// These connected holders, each with a token of its own; with a lease, if `claims`.
async fn holders<A>(
    site: &Site,
    which: Range<usize>,
    claims: bool,
    asker: impl Fn(Seat) -> A,
) -> Result<Sidecars<A>> {
    let tls = tls()?;
    let mut all = Vec::with_capacity(which.len());
    let mut request = Vec::new();
    for i in which {
        let mut conn = connect(&tls, site.api, i).await?;
        let mut seat = Seat::new(site.token(&format!("h{i}")));
        if claims {
            seat.claim(&mut request, None)?;
            let answer = conn.ask(&request).await?;
            good(&seat.took_claim(answer, Instant::now())?)?;
        }
        let asker = asker(seat);
        all.push(Client { conn, asker });
    }
    Ok(all)
}

/// The numbers of connections that there is a goal for.
const GOALS_AT: [usize; 2] = [64, 256];

/// `renew_ratio_64`, `renew_ratio_256`, `renew_bytes`, `renew_p99_ratio`; and a curve over more
/// connections.
pub(crate) async fn renew(site: &Site, rounds: Rounds, more: &[usize]) -> Result<()> {
    let levels = GOALS_AT.iter().chain(more).copied();
    // Both sides' connections are this process's.
    let levels: Vec<usize> = levels.filter(|n| may_have(2 * n)).collect();
    let mut reals = holders(site, 0..1, true, Renewing).await?;
    let file = site.file("renewed");
    let Some(first) = reals.first_mut() else {
        bail!("nobody is connected");
    };
    let request = [first_answer(first, &file).await?];
    let (process, at) = bare(site, &file)?;
    let (mut bares, mut weaker) = (Vec::new(), 0.0);
    for n in levels {
        // Not before: a server ends connections that rest for long.
        reals.extend(holders(site, reals.len()..n, true, Renewing).await?);
        bares.extend(repeaters(at, bares.len()..n, &request).await?);
        let sides = ((site.process()?, reals), (&process, bares));
        let done = turns(rounds, Pace::Closed, sides.0, sides.1).await?;
        let compared;
        (compared, reals, bares) = done;
        compared.print(&format!("renewals, {n} connections"));
        let rate = compared.of(|r| r.rate);
        point("renewals", "license server", n as f64, rate.real)?;
        point("renewals", "bare handler", n as f64, rate.bare)?;
        if GOALS_AT.contains(&n) {
            ratio(&format!("renew_ratio_{n}"), &compared)?;
        }
        if n == 64 {
            weaker = rate.real.min(rate.bare);
        }
    }
    reals.truncate(64);
    bares.truncate(64);
    let half = weaker / 2.0;
    let sides = ((site.process()?, reals), (&process, bares));
    let (compared, ..) = turns(rounds, Pace::PerSecond(half), sides.0, sides.1).await?;
    compared.print(&format!("renewals at {half:.0} a second, 64 connections"));
    let p99 = compared.of(|r| r.p99().as_secs_f64() * 1e3);
    let against = format!(
        "{:.3} ms of the server, {:.3} ms of the bare handler, at {half:.0} a second",
        p99.real, p99.bare
    );
    figure("renew_p99_ratio", p99.ratio(), "ratio", &against)
}

/// `renew_bytes`; records the answer, and gives the request.
async fn first_answer(
    client: &mut Client<TlsStream<TcpStream>, Renewing>,
    file: &Path,
) -> Result<Vec<u8>> {
    let mut request = Vec::new();
    client.asker.ask(&mut request)?;
    let answer = client.conn.ask(&request).await?;
    client.asker.took(answer, Instant::now())?;
    let (head, body) = (answer.head.len(), answer.body.len());
    println!("a renewal's answer: {head} bytes of head, {body} of body");
    let of = format!("head {head}, body {body}");
    figure("renew_bytes", (head + body) as f64, "bytes", &of)?;
    record(file, &[("POST", answer)])?;
    Ok(request)
}

/// `claim_ratio_64`.
pub(crate) async fn claim(site: &Site, rounds: Rounds) -> Result<()> {
    let mut reals = holders(site, 0..64, false, Pairs).await?;
    let file = site.file("claimed");
    let mut requests = Vec::new();
    if let Some(Client { conn, asker }) = reals.first_mut() {
        let (mut claim, mut release) = (Vec::new(), Vec::new());
        asker.ask(&mut claim)?;
        let (status, head, body) = crate::against::heard(conn, &claim).await?;
        let granted = Answer {
            status,
            head: &head,
            body: &body,
        };
        asker.took(granted, Instant::now())?;
        asker.ask(&mut release)?;
        let released = conn.ask(&release).await?;
        asker.took(released, Instant::now())?;
        record(&file, &[("PUT", granted), ("DELETE", released)])?;
        requests = vec![claim, release];
    }
    let (process, at) = bare(site, &file)?;
    let bares = repeaters(at, 0..64, &requests).await?;
    let sides = ((site.process()?, reals), (&process, bares));
    let (compared, ..) = turns(rounds, Pace::Closed, sides.0, sides.1).await?;
    compared.print("claims and releases in turn, 64 connections");
    ratio("claim_ratio_64", &compared)
}

fn ratio(name: &str, compared: &Compared) -> Result<()> {
    let rate = compared.of(|r| r.rate);
    let loader = compared.of(|r| r.loader);
    let against = format!(
        "{:.0}/s of the server, {:.0}/s of the bare handler (the loader's core {:.0} % and {:.0} % busy)",
        rate.real,
        rate.bare,
        loader.real * 100.0,
        loader.bare * 100.0
    );
    figure(name, rate.ratio(), "ratio", &against)
}
