//! A long line, and all seats given back at once, again and again: how long until those in front
//! have them.

use crate::seat::{Seat, Took};
use crate::site::Site;
use crate::told::figure;
use crate::wire::{connect, tls};
use anyhow::{Result, bail};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

pub(crate) const SEATS: usize = 100;
const WAITING: usize = 1000;
const ROUNDS: usize = 20;
/// How long the server may hold an answer back.
const WAIT: Duration = Duration::from_secs(60);

/// What all see.
struct Board {
    /// When the seats of a round were given back.
    released: Cell<Instant>,
    /// From then to each answer.
    took: RefCell<Vec<Duration>>,
    holding: Cell<usize>,
    /// A place in line was confirmed, and the next question is with the server.
    waiting: Cell<usize>,
    fault: RefCell<Option<String>>,
}

/// `storm_grant_p99_ms`.
pub(crate) async fn storm(site: &Site) -> Result<()> {
    let board = Rc::new(Board {
        released: Cell::new(Instant::now()),
        took: RefCell::default(),
        holding: Cell::new(0),
        waiting: Cell::new(0),
        fault: RefCell::default(),
    });
    let (give_back, rounds) = watch::channel(0usize);
    let tls = tls()?;
    for n in 0..SEATS + WAITING {
        let token = site.token(&format!("h{n}"));
        let lives = live(
            board.clone(),
            tls.clone(),
            site.api,
            n,
            token,
            rounds.clone(),
        );
        let of_fault = board.clone();
        spawn_local(async move {
            if let Err(e) = lives.await {
                of_fault.fault.replace(Some(format!("holder {n}: {e:#}")));
            }
        });
        // In order, so that the line stands before the first round.
        while board.holding.get() + board.waiting.get() < n {
            check(&board)?;
            sleep(Duration::from_millis(1)).await;
        }
    }
    let mut all = Vec::new();
    for round in 1..=ROUNDS {
        stand(&board).await?;
        // All questions are with the server.
        sleep(Duration::from_millis(200)).await;
        board.took.borrow_mut().clear();
        board.holding.set(0);
        board.released.set(Instant::now());
        give_back.send(round)?;
        stand(&board).await?;
        all.extend(board.took.take());
    }
    all.sort_unstable();
    let ms = |part: usize| {
        let at = (all.len() * part / 100).min(all.len().saturating_sub(1));
        all.get(at).map_or(f64::NAN, |t| t.as_secs_f64() * 1e3)
    };
    println!(
        "{SEATS} seats given back at once with {WAITING} in line, {ROUNDS} times: from the first \
         release to an answer of who gets a seat: median {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        ms(50),
        ms(99),
        ms(100)
    );
    let against = format!("median {:.1} ms, {} grants", ms(50), all.len());
    figure("storm_grant_p99_ms", ms(99), "ms", &against)
}

fn check(board: &Board) -> Result<()> {
    match board.fault.take() {
        Some(fault) => bail!("{fault}"),
        None => Ok(()),
    }
}

/// Waits until all seats are held, and the others wait.
async fn stand(board: &Board) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(60);
    while board.holding.get() < SEATS || board.waiting.get() < WAITING {
        check(board)?;
        if Instant::now() > end {
            let (holding, waiting) = (board.holding.get(), board.waiting.get());
            bail!("after a minute {holding} hold and {waiting} wait");
        }
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn live(
    board: Rc<Board>,
    tls: TlsConnector,
    server: std::net::SocketAddr,
    n: usize,
    token: String,
    mut rounds: watch::Receiver<usize>,
) -> Result<()> {
    let mut conn = connect(&tls, server, n).await?;
    let mut seat = Seat::new(token);
    let mut request = Vec::new();
    loop {
        let mut waits = false;
        loop {
            seat.claim(&mut request, waits.then_some(WAIT))?;
            let sent = Instant::now();
            let answer = conn.ask(&request).await?;
            match seat.took_claim(answer, sent)? {
                Took::Good => break,
                Took::Waits if waits => {}
                Took::Waits => {
                    waits = true;
                    board.waiting.set(board.waiting.get() + 1);
                }
                other => bail!("{other}"),
            }
        }
        if waits {
            board.waiting.set(board.waiting.get() - 1);
            board.took.borrow_mut().push(board.released.get().elapsed());
        }
        board.holding.set(board.holding.get() + 1);
        rounds.mark_unchanged();
        rounds.changed().await?;
        seat.release(&mut request)?;
        let answer = conn.ask(&request).await?;
        match seat.took_release(answer)? {
            Took::Good => {}
            other => bail!("{other}"),
        }
    }
}
