//! One sidecar, idle with a lease: what it needs; and how fast its socket answers.

use crate::against::{Repeating, Rounds, turns};
use crate::bare::record;
use crate::load::{Client, Pace};
use crate::process::Process;
use crate::site::Site;
use crate::told::figure;
use crate::wire::Conn;
use anyhow::{Result, bail};
use mooring_testkit::secs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::time::sleep;

/// As applications of one pod are: a few.
const CONNECTIONS: usize = 8;
const PER_SECOND: f64 = 1000.0;
const STATUS: &[u8] = b"GET /v1/status HTTP/1.1\r\nhost: mooring\r\n\r\n";

#[derive(Debug, clap::Args)]
pub(crate) struct SidecarArgs {
    /// mooring-sidecar, as its image has it.
    #[arg(long)]
    sidecar: PathBuf,
    /// The compressed image.
    #[arg(long)]
    image: PathBuf,
    /// How long it is idle, in seconds.
    #[arg(long, default_value_t = 60)]
    idle: u64,
}

/// All that is measured of a sidecar.
pub(crate) async fn sidecar(site: &Site, args: &SidecarArgs, rounds: Rounds) -> Result<()> {
    let image = std::fs::metadata(&args.image)?.len();
    println!("the compressed image: {image} bytes");
    let binary = std::fs::metadata(&args.sidecar)?.len();
    let of = format!("{image} bytes, gzip -9; the program {binary}");
    figure("sidecar_image_mb", image as f64 / 1e6, "MB", &of)?;
    let socket = site.file("mooring.sock");
    // In memory, as a pod's volume for it is.
    let state = tempfile::tempdir_in("/dev/shm")?;
    let process = start(site, &args.sidecar, &socket, state.path())?;
    let answer = held(&socket).await?;
    idle(&process, args.idle).await?;
    status(site, &process, &socket, &answer, rounds).await
}

fn start(site: &Site, program: &Path, socket: &Path, state: &Path) -> Result<Process> {
    let path = |name: &str| site.file(name).display().to_string();
    std::fs::write(site.file("token"), site.token("bench"))?;
    let env = [
        ("MOORING_LICENSES", "render".to_owned()),
        (
            "MOORING_SERVER",
            format!("https://localhost:{}", site.api.port()),
        ),
        ("MOORING_ADDRESSES", site.api.to_string()),
        ("MOORING_ROOTS", site.roots().to_owned()),
        ("MOORING_TOKEN_FILE", path("token")),
        ("MOORING_STATE_DIR", state.display().to_string()),
        ("MOORING_SOCKET", socket.display().to_string()),
        ("MOORING_LOG", "info".to_owned()),
    ];
    let env = env.map(|(n, v)| (n.to_owned(), v));
    Process::start(program, &["run"], &env, &site.file("sidecar.log"))
}

/// Waits until it holds; gives what it answers then.
async fn held(socket: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let end = Instant::now() + secs(20);
    loop {
        if let Ok(stream) = UnixStream::connect(socket).await {
            let mut conn = Conn::new(stream);
            let answer = conn.ask(STATUS).await?;
            let text = String::from_utf8_lossy(answer.body);
            if text.contains(r#""state":"Held""#) {
                return Ok((answer.head.to_vec(), answer.body.to_vec()));
            }
            if Instant::now() > end {
                bail!("the sidecar holds no lease after 20 s: {text}");
            }
        } else if Instant::now() > end {
            bail!("the sidecar's socket is not there after 20 s");
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn idle(process: &Process, time: u64) -> Result<()> {
    // What the start takes is not what idling does.
    sleep(secs(2)).await;
    let (cpu, begun) = (process.cpu_secs()?, Instant::now());
    sleep(secs(time)).await;
    let ms = (process.cpu_secs()? - cpu) * 1e3;
    let minute = ms * 60.0 / begun.elapsed().as_secs_f64();
    let rss = process.rss_mib()?;
    println!(
        "idle with a lease for {time} s: {rss:.2} MiB, {minute:.1} ms of a processor a minute"
    );
    let of = format!("{ms:.1} ms in {time} s, D = 30 s");
    figure("sidecar_cpu_ms_per_min", minute, "ms", &of)?;
    figure("sidecar_rss_mib", rss, "MiB", "VmRSS, idle with a lease")
}

async fn status(
    site: &Site,
    process: &Process,
    socket: &Path,
    (head, body): &(Vec<u8>, Vec<u8>),
    rounds: Rounds,
) -> Result<()> {
    let answers = site.file("status");
    let answer = crate::wire::Answer {
        status: 200,
        head,
        body,
    };
    record(&answers, &[("GET", answer)])?;
    let bare_socket = site.file("bare.sock");
    let (file, at) = (
        answers.display().to_string(),
        bare_socket.display().to_string(),
    );
    let args = ["bare", "--socket", &at, "--answers", &file];
    let me = std::env::current_exe()?;
    let bare = Process::start(&me, &args, &[], &site.file("bare.log"))?;
    let sides = (
        (process, askers(socket).await?),
        (&bare, askers(&bare_socket).await?),
    );
    let pace = Pace::PerSecond(PER_SECOND);
    let (compared, reals, bares) = turns(rounds, pace, sides.0, sides.1).await?;
    compared.print(&format!("GET /v1/status, {PER_SECOND} a second"));
    let p99 = compared.of(|r| r.p99().as_secs_f64() * 1e6);
    let of = format!("the bare handler's {:.0} us", p99.bare);
    figure("status_p99_us", p99.real, "us", &of)?;
    let sides = ((process, reals), (&bare, bares));
    let (compared, ..) = turns(rounds, Pace::Closed, sides.0, sides.1).await?;
    compared.print(&format!("GET /v1/status, {CONNECTIONS} connections"));
    let rate = compared.of(|r| r.rate);
    let of = format!(
        "{:.0}/s of the sidecar, {:.0}/s of the bare handler",
        rate.real, rate.bare
    );
    figure("status_ratio", rate.ratio(), "ratio", &of)
}

async fn askers(socket: &Path) -> Result<Vec<Client<UnixStream, Repeating>>> {
    let end = Instant::now() + secs(10);
    let mut all = Vec::new();
    while all.len() < CONNECTIONS {
        match UnixStream::connect(socket).await {
            Ok(stream) => {
                let conn = Conn::new(stream);
                let asker = Repeating::new(vec![STATUS.to_vec()]);
                all.push(Client { conn, asker });
            }
            // It has just been started.
            Err(_) if Instant::now() < end => sleep(Duration::from_millis(10)).await,
            Err(e) => bail!("{}: {e}", socket.display()),
        }
    }
    Ok(all)
}
