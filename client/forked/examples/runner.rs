//! Obeys commands from stdin as client/c/tests/runner.c does, which says more. Here, because it
//! forks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::too_many_lines,
    clippy::undocumented_unsafe_blocks
)]

use mooring_client::{
    AppClock, Builder, ClaimName, Error, FirstProof, Item, MinAnchor, Mooring, Seat, Seats,
    SocketClaim, State, Timestamp, VendorKey, boot,
};
use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Words<'a> = [Option<&'a str>];

#[derive(Default)]
struct Runner {
    mooring: Option<Mooring>,
    seats: BTreeMap<String, Seat>,
    heard: BTreeMap<String, Arc<Mutex<String>>>,
}

fn builder(w: &Words<'_>) -> Builder {
    let hex = w[0].unwrap_or_default();
    let keys: Vec<_> = hex
        .as_bytes()
        .chunks(64)
        .map(|k| VendorKey::from_hex(std::str::from_utf8(k).unwrap()))
        .collect();
    let mut b = Mooring::builder(&keys);
    if let Some(v) = w[1] {
        b = b.app_version(v);
    }
    if let Some(d) = w[2] {
        b = b.built_on(d);
    }
    if let Some(s) = w[3] {
        b = b.socket(s);
    }
    if w[4].is_some() {
        b = b.min_anchor(MinAnchor::Hardware);
    }
    b.allow_unverified_start(w[5].is_some())
}

fn state(seat: &Seat) -> String {
    let (name, left) = match seat.check() {
        State::Licensed { until, .. } => ("licensed", boot().until(until)),
        State::Ending { in_, .. } => ("ending", in_),
        State::Unlicensed { .. } => ("unlicensed", Duration::ZERO),
    };
    let why = seat.check().why().map_or("", |w| w.name());
    format!("{name}\t{why}\t{}", left.as_millis())
}

fn proof(l: &mooring_client::Licensed) -> String {
    let (fresh, software, test) = (u8::from(l.fresh), u8::from(l.software), u8::from(l.test));
    format!(
        "ok\t{}\t{}\t{}\t{fresh}\t{}\t{software}\t{}\t{test}\t{}\t{}\t",
        l.lease,
        l.seats,
        l.remaining().as_secs(),
        l.anchor,
        l.overdraft,
        u8::from(l.emergency),
        l.license_id
    )
}

fn ms(word: Option<&str>) -> Duration {
    Duration::from_millis(word.unwrap().parse().unwrap())
}

impl Runner {
    fn m(&self) -> &Mooring {
        self.mooring.as_ref().unwrap()
    }

    fn seat(&self, w: &Words<'_>) -> &Seat {
        &self.seats[w[0].unwrap()]
    }

    fn hold(&mut self, w: &Words<'_>) -> Result<(), Error> {
        let (kind, product) = (w[1].unwrap(), w[2].unwrap_or_default());
        let m = self.m();
        let mut claim = match kind {
            "own" => m.claim(product),
            "pod" => m.pod(product),
            _ => m.named(w[5].unwrap(), product),
        };
        claim = claim.seats(w[3].unwrap().parse().unwrap());
        if w[4].is_some() {
            claim = claim.wait(ms(w[4]));
        }
        if w[6].is_none() {
            claim = claim.without_thread();
        }
        let seat = claim.hold()?;
        self.seats.insert(w[0].unwrap().into(), seat);
        Ok(())
    }

    fn listen(&mut self, w: &Words<'_>) {
        let text = Arc::new(Mutex::new(String::new()));
        self.heard.insert(w[0].unwrap().into(), text.clone());
        let seat = self.seat(w);
        seat.on_change(move |s| {
            let n = match s {
                State::Unlicensed { .. } => "0",
                State::Licensed { .. } => "1",
                State::Ending { .. } => "2",
            };
            let why = s.why().map_or("", |w| w.name());
            text.lock().unwrap().extend([n, why, " "]);
        });
        seat.poll();
    }

    /// Waits until the seat changes, driving it.
    fn wait(&self, w: &Words<'_>) -> String {
        let (seat, end) = (self.seat(w), boot() + ms(w[1]));
        let seen = seat.changes();
        while boot() < end {
            seat.poll();
            if seat.changes() != seen {
                return state(seat);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        "error\tAgain\tnot yet".into()
    }

    fn obey(&mut self, command: &str, w: &Words<'_>) -> Result<Option<String>, Error> {
        let mut said = "ok".to_owned();
        match command {
            "connect" => self.mooring = Some(builder(w).connect()?),
            "hold" => self.hold(w)?,
            "state" | "check" => {
                // As the other languages do where no thread is: now and then it looks at the
                // socket.
                let seat = self.seat(w);
                let licensed = seat.poll().is_licensed();
                said = match command {
                    "state" => state(seat),
                    _ if licensed => "yes".into(),
                    _ => "no".into(),
                };
            }
            "proof" => {
                let held = self.seat(w).details().proof;
                said = held.as_ref().map_or("none".into(), proof);
            }
            "claim" => said = self.seat(w).details().claim.unwrap().to_string(),
            "prove" => said = proof(&self.m().verify(w[0].unwrap())?),
            "listen" => self.listen(w),
            "heard" => said = self.heard[w[0].unwrap()].lock().unwrap().to_string(),
            "wait" => said = self.wait(w),
            "put" => {
                let item = Item {
                    product: w[1].unwrap().parse().unwrap(),
                    seats: Seats::new(w[2].unwrap().parse().unwrap()).unwrap(),
                    version: None,
                };
                let asked = SocketClaim {
                    items: vec![item],
                    start: None,
                };
                let name = ClaimName::new(w[0].unwrap()).unwrap();
                let status = self.m().sidecar().put_claim(&name, &asked, ms(w[3]))?;
                match status.problem {
                    _ if status.licensed => {}
                    Some(p) => return Err(p.into()),
                    None => said = "error\tAgain\tnot yet".into(),
                }
            }
            "delete" => {
                let name = ClaimName::new(w[0].unwrap()).unwrap();
                self.m().sidecar().delete_claim(&name)?;
            }
            "release" => drop(self.seats.remove(w[0].unwrap())),
            "fork" => {
                self.fork(w[0].unwrap());
                return Ok(None);
            }
            "threads" => {
                let tasks = std::fs::read_dir("/proc/self/task").unwrap();
                said = tasks.count().to_string();
            }
            "verify" => {
                let bundle = serde_json::from_str(w[8].unwrap());
                let bundle = bundle.map_err(|e| Error::answer("bundle", e))?;
                let date = |w: &str| Timestamp::from_millisecond(w.parse().unwrap()).unwrap();
                let clock = w[9].map(|now| AppClock {
                    now: date(now),
                    first: w[10].map(|issued_at| FirstProof {
                        issued_at: date(issued_at),
                        ago: ms(w[11]),
                    }),
                });
                let product = w[6].unwrap_or_default();
                let v = builder(w).judge(product, &bundle, w[7], w[12], clock.as_ref())?;
                let (fresh, software, test) =
                    (u8::from(v.fresh), u8::from(v.software), u8::from(v.test));
                said = format!(
                    "ok\t{}\t{}\t{}\t{fresh}\t{}\t{software}\t{}\t{test}\t{}\t{}\t{}",
                    v.lease,
                    v.seats,
                    v.run_for.as_secs(),
                    v.anchor,
                    v.overdraft,
                    u8::from(v.emergency),
                    v.license_id,
                    v.issued_at
                );
            }
            other => said = format!("unknown command {other}"),
        }
        Ok(Some(said))
    }

    fn fork(&mut self, slot: &str) {
        let child = unsafe { libc::fork() };
        if child == 0 {
            let seat = self.seats.remove(slot).unwrap();
            println!("{}", state(&seat));
            drop(seat);
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        assert!(
            unsafe { libc::waitpid(child, &raw mut status, 0) } == child && status == 0,
            "the child failed"
        );
    }
}

fn main() {
    let mut runner = Runner::default();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let mut words: Vec<_> = line
            .split('\t')
            .map(|w| Some(w).filter(|w| !w.is_empty()))
            .collect();
        words.resize(16, None);
        let said = match runner.obey(words[0].unwrap(), &words[1..]) {
            Ok(said) => said,
            Err(e) => Some(format!("error\t{}\t{e}", e.reason())),
        };
        if let Some(said) = said {
            println!("{said}");
        }
        std::io::stdout().flush().unwrap();
    }
}
