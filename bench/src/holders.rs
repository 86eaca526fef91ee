//! Connected holders: what each costs in memory, a server's restart under them, and all of them
//! coming at once.

use crate::crowd::{Crowd, Renewals, Tally, live};
use crate::process::cpu_secs;
use crate::site::Site;
use crate::told::{figure, point};
use crate::wire::tls;
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

/// How many connect at once while the crowd grows.
const AT_ONCE: usize = 64;
/// The crowd under which the server is restarted, and that comes at once.
pub(crate) const RESTARTED: usize = 10_000;
/// What the server keeps for files besides connections, and the loader for itself.
const OTHER_FILES: usize = 200;

fn crowd(
    server: SocketAddr,
    lease_secs: u64,
    interval: Duration,
    at_once: usize,
) -> Result<Rc<Crowd>> {
    Ok(Rc::new(Crowd {
        tls: tls()?,
        server,
        lease: Duration::from_secs(lease_secs),
        interval,
        gate: Semaphore::new(at_once),
        tally: Tally::default(),
    }))
}

/// Whether this process, and so the server, which is bound alike, may have so many connections.
pub(crate) fn may_have(n: usize) -> bool {
    let files = mooring_net::serve::file_limit();
    if files < n + OTHER_FILES {
        println!(
            "{n:>8}  not measured: it wants as many files, and a process here may open {files}"
        );
    }
    files >= n + OTHER_FILES
}

/// Waits until so many have been granted.
async fn granted(crowd: &Crowd, n: usize, time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    while crowd.tally.granted.get() < n {
        if Instant::now() > end {
            let tally = &crowd.tally;
            bail!(
                "{} of {n} have a lease after {time:?}; {} connections broke; refused: {:?}",
                tally.granted.get(),
                tally.broken.get(),
                kinds(tally)
            );
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// What was refused, and how often.
fn kinds(tally: &Tally) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for why in tally.refused.borrow().iter() {
        *kinds.entry(why.clone()).or_default() += 1;
    }
    kinds
}

/// Memory and lateness at each of `levels`, in one run of the server; `server_rss_10k_mib`. Gives
/// the crowd, as large as it may become.
pub(crate) async fn grow(site: &Site, lease_secs: u64, levels: &[usize]) -> Result<Rc<Crowd>> {
    let interval = Duration::from_secs(lease_secs) / 3;
    let crowd = crowd(site.api, lease_secs, interval, AT_ONCE)?;
    println!(
        "D = {lease_secs} s, a renewal every {} s of each",
        interval.as_secs()
    );
    println!(" holders  server MiB  KiB each  renewals/s  late   p99 ms  longest ms  broken");
    let empty = site.process()?.rss_mib()?;
    println!("{:>8}  {empty:>10.1}", 0);
    let mut there = 0;
    for &n in levels {
        if !may_have(n) {
            continue;
        }
        for i in there..n {
            spawn_local(live(crowd.clone(), i, site.token(&format!("h{i}"))));
        }
        there = n;
        granted(&crowd, n, Duration::from_secs(300)).await?;
        // Until the bunches of the beginning have spread, which takes an interval.
        sleep(interval).await;
        crowd.tally.take_renewals();
        let begun = Instant::now();
        sleep(interval).await;
        let went = crowd.tally.take_renewals();
        let rss = site.process()?.rss_mib()?;
        println!(
            "{n:>8}  {rss:>10.1}  {:>8.1}  {:>10.0}  {:>4}  {:>7.2}  {:>10.2}  {:>6}",
            (rss - empty) * 1024.0 / n as f64,
            went.count as f64 / begun.elapsed().as_secs_f64(),
            went.late,
            went.p99.as_secs_f64() * 1e3,
            went.longest.as_secs_f64() * 1e3,
            crowd.tally.broken.get()
        );
        point(
            "memory",
            &format!("license server, D = {lease_secs} s"),
            n as f64,
            rss,
        )?;
        if n == RESTARTED {
            let against = format!(
                "{empty:.1} MiB without any; {} of {} renewals later than a second, {} leases lapsed",
                went.late,
                went.count,
                crowd.tally.lapsed.get()
            );
            figure("server_rss_10k_mib", rss, "MiB", &against)?;
        }
    }
    let refused = kinds(&crowd.tally);
    if !refused.is_empty() {
        println!("refused: {refused:?}");
    }
    Ok(crowd)
}

/// kill -9 under all of them, and a new run: `restart_10k_lost`.
pub(crate) async fn restart(site: &mut Site, crowd: &Crowd) -> Result<()> {
    let tally = &crowd.tally;
    let n = tally.granted.get();
    let (lapsed, broken) = (tally.lapsed.get(), tally.broken.get());
    // Nobody waits for a turn any more.
    crowd.gate.add_permits(n);
    let killed = Instant::now();
    site.kill()?;
    site.launch()?;
    while TcpStream::connect(site.api).await.is_err() {
        sleep(Duration::from_millis(5)).await;
        site.lives()?;
    }
    let away = killed.elapsed();
    sleep(crowd.interval).await;
    let missing = n - tally.reinstated.get().min(n);
    let late = Instant::now();
    // How it ends, for people.
    while tally.reinstated.get() < n && late.elapsed() < crowd.lease {
        sleep(Duration::from_millis(50)).await;
    }
    let lapsed = tally.lapsed.get() - lapsed;
    let last = tally.last_reinstated.get().map(|t| t - killed);
    println!(
        "kill -9 with {n} holders: away for {:.2} s; the last lease was taken in {:.1} s after the \
         kill; {missing} were not within {} s of the server's return, {lapsed} lapsed; {} tries \
         failed; refused: {:?}",
        away.as_secs_f64(),
        last.unwrap_or_default().as_secs_f64(),
        crowd.interval.as_secs(),
        tally.broken.get() - broken,
        kinds(tally)
    );
    if n == RESTARTED {
        let against = format!(
            "of {n}: {missing} not taken in within {} s, {lapsed} applications told that a lease ended",
            crowd.interval.as_secs()
        );
        figure(
            "restart_10k_lost",
            (missing + lapsed) as f64,
            "leases",
            &against,
        )?;
    }
    Ok(())
}

/// Holders that renew four times a second, on a thread of their own: else they would wait for the
/// loader's handshakes, not for the server's.
struct Others {
    ask: mpsc::UnboundedSender<()>,
    went: mpsc::UnboundedReceiver<Renewals>,
}

impl Others {
    /// Starts them, and waits until all have a lease.
    async fn start(server: SocketAddr, lease_secs: u64, tokens: Vec<String>) -> Result<Self> {
        let (ask, mut asked) = mpsc::unbounded_channel();
        let (tell, went) = mpsc::unbounded_channel();
        let going = async move || {
            let crowd = crowd(server, lease_secs, Duration::from_millis(250), AT_ONCE)?;
            let n = tokens.len();
            for (i, token) in tokens.into_iter().enumerate() {
                spawn_local(live(crowd.clone(), i, token));
            }
            granted(&crowd, n, Duration::from_secs(30)).await?;
            tell.send(crowd.tally.take_renewals())?;
            while asked.recv().await.is_some() {
                tell.send(crowd.tally.take_renewals())?;
            }
            Ok::<_, anyhow::Error>(())
        };
        // Made within the thread: what holders share is no thread's but theirs.
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, going())
        });
        let mut this = Self { ask, went };
        this.next().await?;
        Ok(this)
    }

    async fn next(&mut self) -> Result<Renewals> {
        let next = self.went.recv().await;
        next.context("the holders that renew meanwhile have ended")
    }

    /// How their renewals went since the last look.
    async fn renewals(&mut self) -> Result<Renewals> {
        self.ask.send(())?;
        self.next().await
    }
}

/// 10,000 that connect and claim at once, while 100 others renew four times a second:
/// `claims_per_s_storm`.
pub(crate) async fn storm(site: &Site, lease_secs: u64, n: usize) -> Result<()> {
    const OTHERS: usize = 100;
    if !may_have(n + OTHERS) {
        bail!("too few files");
    }
    let tokens = (0..n + OTHERS).map(|i| site.token(&format!("h{i}")));
    let mut tokens: Vec<String> = tokens.collect();
    let rest = tokens.split_off(OTHERS);
    let mut others = Others::start(site.api, lease_secs, tokens).await?;
    sleep(Duration::from_secs(1)).await;
    let before = others.renewals().await?;
    let interval = Duration::from_secs(lease_secs) / 3;
    let all = crowd(site.api, lease_secs, interval, n)?;
    let (cpu, begun) = (cpu_secs("self")?, Instant::now());
    let of_server = site.process()?.cpu_secs()?;
    for (i, token) in rest.into_iter().enumerate() {
        spawn_local(live(all.clone(), OTHERS + i, token));
    }
    granted(&all, n, Duration::from_secs(120)).await?;
    let last = all.tally.last_grant.get().context("none was granted")?;
    let took = (last - begun).as_secs_f64();
    let wall = begun.elapsed().as_secs_f64();
    let of_server = site.process()?.cpu_secs()? - of_server;
    let during = others.renewals().await?;
    let (loader, broken) = ((cpu_secs("self")? - cpu) / wall, all.tally.broken.get());
    let refused = kinds(&all.tally);
    println!(
        "{n} connect and claim at once: the last has its lease after {took:.2} s; refused: \
         {refused:?}; {broken} tries failed; the server's processor {of_server:.2} s, \
         the loader's core {:.0} % busy",
        loader * 100.0
    );
    println!(
        "  {OTHERS} others renewed meanwhile: {} times, p99 {:.1} ms, longest {:.1} ms, {} later \
         than a second (before: p99 {:.2} ms)",
        during.count,
        during.p99.as_secs_f64() * 1e3,
        during.longest.as_secs_f64() * 1e3,
        during.late,
        before.p99.as_secs_f64() * 1e3
    );
    let against = format!(
        "{n} handshakes and claims in {took:.2} s, {of_server:.2} s of them the server's processor; \
         {} refused, {broken} tries failed; {} of {} renewals of others later than a second",
        refused.values().sum::<usize>(),
        during.late,
        during.count
    );
    figure("claims_per_s_storm", n as f64 / took, "claims/s", &against)
}
