//! Promise 20: a claim in the lines of several servers; promise 21: one for what several have
//! together. A judge of its own, of the worlds of several servers ([`crate::lines`]); of promise 1
//! it counts each server's seats at the holders, and of promise 15 it has the part that is about
//! all servers.
//!
//! | file | what it holds |
//! |---|---|
//! | `apps` | what applications are told: of one lease at a time, and why it ends |
//! | `starts` | what starts without a server, and what is refused |
//! | `books` | what each server has booked: seats, what is given back, who waits for a free seat |
//! | `parts` | all parts of a claim, or nothing: what is told, taken, kept, given back |
//! | `rest` | how all stand in the end |
//!
//! Who stands before whom in a line is sure of claims that came to a run with nothing to show; who
//! came with a lease or a place may stand before any.

mod apps;
mod books;
mod parts;
mod rest;
mod starts;

use super::Seen;
use super::measure::{Verdict, margin, slack};
use crate::history::{Broken, Ms, Says};
use crate::lines::history::{
    Answered, AppTold, InBooks, LineStance, Of, PodNo, Sends, SentNo, ServerNo, SiteAt, SiteFact,
};
use std::collections::BTreeMap;

/// The judge.
#[derive(Debug, Default)]
pub struct Lines {
    now: Ms,
    seen: Seen,
    servers: BTreeMap<ServerNo, Server>,
    pods: BTreeMap<PodNo, Pod>,
    /// How many seats each pod asks for that ever was.
    wants: BTreeMap<PodNo, u32>,
    /// Until when messages are lost, or late.
    net_trouble: Ms,
}

#[derive(Debug, Default)]
struct Server {
    up: bool,
    settled: bool,
    /// D.
    lease_for: Ms,
    grace: Ms,
    max_contested: Ms,
    /// What its license has, and what it had at the latest grant.
    seats: u32,
    at_grant: u32,
    /// Until when something is wrong with it; for as long as it is down or settles.
    trouble: Ms,
    /// Of this run.
    books: BTreeMap<PodNo, Entry>,
    /// When they changed last.
    changed: Ms,
    arrivals: u64,
    /// The message that was taken in last, and what had been heard before it.
    taken: Option<(PodNo, SentNo, Heard)>,
}

/// What this run of a server knows of a pod's claim.
#[derive(Debug)]
struct Entry {
    book: InBooks,
    heard: Heard,
}

/// What a server has heard of a claim.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// How it is to stand, as it said last.
    stands: LineStance,
    /// The last message of it that is no late one, and when it came.
    msg: SentNo,
    received: Ms,
    /// Its place among those that came with nothing to show.
    arrival: Option<u64>,
}

#[derive(Debug, Default)]
struct Pod {
    seats: u32,
    start_optimistic: bool,
    /// What its application was told, and since when by that server.
    told: Option<AppTold>,
    since: Ms,
    gives_back: Option<Ms>,
    up_since: Ms,
    trouble: Ms,
    /// What it needs together; most need one.
    parts: Vec<Part>,
    lines: BTreeMap<ServerNo, Line>,
}

/// One part of a claim, and what its pod has heard of it.
#[derive(Debug, Default)]
struct Part {
    servers: Vec<ServerNo>,
    /// One of them has answered.
    answered: bool,
    /// All were silent for long enough, in one process of its sidecar.
    all_silent: bool,
    /// Until when its application may run that was started without them.
    started: Option<Ms>,
    leases: BTreeMap<ServerNo, Lease>,
}

/// What a pod has at a server, as it has heard.
#[derive(Clone, Copy, Debug)]
struct Lease {
    since: Ms,
    /// Until when its application may run by it.
    until: Ms,
    /// Another part is lost since then: it is to be given back.
    over: Option<Ms>,
}

impl Part {
    fn of(servers: &[ServerNo]) -> Self {
        Self {
            servers: servers.to_vec(),
            ..Self::default()
        }
    }
}

/// What a sidecar's present process knows of one server.
#[derive(Debug, Default)]
struct Line {
    asks_since: Option<Ms>,
    /// The last request.
    sent: Ms,
    silent_at: Option<Ms>,
    refused: bool,
    /// Since when it asks for seats there, where not all parts are there.
    takes: Option<Ms>,
    /// Its place in line there, as it was told.
    place: Option<u32>,
    /// It has a place there: until when its application may run on by that, if it still does.
    place_until: Option<Ms>,
}

fn is_licensed(says: Says) -> bool {
    matches!(
        says,
        Says::Held | Says::Grace | Says::Contested | Says::Optimistic
    )
}

impl Server {
    /// When what is booked of a claim that is not heard any more is free at the latest.
    fn frees(&self, heard: Ms) -> Ms {
        let d = self.lease_for;
        heard + d + margin(d) + 1_000 + slack(d)
    }
}

impl Pod {
    fn is_one_of_several(&self) -> bool {
        self.lines.len() > 1
    }

    /// The server whose lease its application goes by now; none while it runs without, or not, or
    /// goes by those of several.
    fn holds_at(&self) -> Option<ServerNo> {
        let told = self.told.as_ref().filter(|_| self.parts.len() < 2)?;
        matches!(told.says, Says::Held | Says::Grace).then_some(told.server)
    }
}

impl Lines {
    /// How often what was put to the test.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    fn broken<T>(&self, promise: u8, what: String) -> Result<T, Broken> {
        let t = self.now;
        Err(Broken { promise, t, what })
    }

    /// Takes the next fact.
    ///
    /// # Errors
    /// The promise that is broken.
    pub fn see(&mut self, at: &SiteAt) -> Verdict {
        self.now = at.t;
        match &at.fact {
            SiteFact::Comes { .. }
            | SiteFact::Down(_)
            | SiteFact::Up(_)
            | SiteFact::GivesBack(_)
            | SiteFact::Dies(_) => {
                self.of_pods(&at.fact);
                Ok(())
            }
            SiteFact::Sent {
                pod, server, what, ..
            } => {
                self.sent(*pod, *server, *what)?;
                self.sent_of_parts(*pod, *server, *what)
            }
            SiteFact::Heard { pod, server, says } => {
                self.heard(*pod, *server, *says);
                self.heard_of_parts(*pod, *server, *says);
                Ok(())
            }
            SiteFact::Silence { pod, server } => {
                self.heard_nothing(*pod, *server);
                Ok(())
            }
            SiteFact::Tells { pod, told } => self.told(*pod, *told),
            SiteFact::Received {
                pod,
                server,
                msg,
                what,
            } => {
                self.received((*pod, *server), *msg, *what);
                Ok(())
            }
            SiteFact::Refuses { pod, server, msg } => {
                self.refuses(*server, *pod, *msg);
                Ok(())
            }
            SiteFact::Booked {
                server, pod, book, ..
            } => {
                self.booked(*server, *pod, *book);
                Ok(())
            }
            SiteFact::Stepped(server) => self.stepped(*server),
            SiteFact::Starts { .. }
            | SiteFact::Settled(_)
            | SiteFact::Stops(_)
            | SiteFact::Licensed { .. }
            | SiteFact::Trouble { .. }
            | SiteFact::Quiet => {
                self.of_servers(&at.fact);
                Ok(())
            }
            SiteFact::End => self.end(),
        }
    }

    fn of_pods(&mut self, fact: &SiteFact) {
        let now = self.now;
        if let SiteFact::Comes {
            pod,
            parts,
            seats,
            start_optimistic,
        } = fact
        {
            let lines = parts.iter().flatten().map(|s| (*s, Line::default()));
            let new = Pod {
                seats: *seats,
                start_optimistic: *start_optimistic,
                up_since: now,
                trouble: now,
                lines: lines.collect(),
                parts: parts.iter().map(|s| Part::of(s)).collect(),
                ..Pod::default()
            };
            self.pods.insert(*pod, new);
            self.wants.insert(*pod, *seats);
            return;
        }
        match fact {
            SiteFact::Down(pod) => {
                if let Some(p) = self.pods.get_mut(pod) {
                    p.trouble = Ms::MAX;
                    p.lines.values_mut().for_each(|l| *l = Line::default());
                }
            }
            SiteFact::Up(pod) => {
                if let Some(p) = self.pods.get_mut(pod) {
                    (p.up_since, p.trouble) = (now, now);
                }
            }
            SiteFact::GivesBack(pod) => {
                if let Some(p) = self.pods.get_mut(pod) {
                    p.gives_back = Some(now);
                }
            }
            SiteFact::Dies(pod) => drop(self.pods.remove(pod)),
            _ => {}
        }
    }

    fn of_servers(&mut self, fact: &SiteFact) {
        let now = self.now;
        match fact {
            SiteFact::Starts {
                server,
                lease_for,
                settles,
                grace,
                max_contested,
            } => {
                let s = self.servers.entry(*server).or_default();
                (s.up, s.settled) = (true, *settles == 0);
                (s.lease_for, s.grace, s.max_contested) = (*lease_for, *grace, *max_contested);
                s.books.clear();
                if s.settled {
                    s.trouble = now;
                }
            }
            SiteFact::Settled(server) => {
                let s = self.servers.entry(*server).or_default();
                (s.settled, s.trouble) = (true, now);
            }
            SiteFact::Stops(server) => {
                let holds = |p: &&Pod| p.holds_at().is_some_and(|s| s != *server);
                let elsewhere = self.pods.values().filter(holds).count() as u64;
                self.seen.lines_untouched += elsewhere;
                let s = self.servers.entry(*server).or_default();
                (s.up, s.settled, s.trouble) = (false, false, Ms::MAX);
                s.books.clear();
            }
            SiteFact::Licensed { server, seats } => {
                let s = self.servers.entry(*server).or_default();
                s.seats = *seats;
            }
            SiteFact::Trouble { of, until } => {
                let t = match of {
                    Of::Net => Some(&mut self.net_trouble),
                    Of::Server(s) => self.servers.get_mut(s).map(|s| &mut s.trouble),
                    Of::Pod(p) => self.pods.get_mut(p).map(|p| &mut p.trouble),
                };
                if let Some(t) = t {
                    *t = (*t).max(*until);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
