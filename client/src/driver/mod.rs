//! The I/O of one seat around [`Watch`]: a connection that follows the claim, one more for each
//! question, a timer on the boot clock. Nothing here waits; [`Driver::fd`] becomes readable when
//! [`Driver::poll`] has something to do.

mod outcome;
mod question;

use crate::clock::boot;
use crate::conn::{Conn, MAX_BODY, Request};
use crate::error::Error;
use crate::events::Parser;
use crate::mooring::{Licensed, Mooring, UnverifiedStart};
use crate::nonce::{nonce, secret};
use crate::order::{Order, Source};
use crate::status::{SidecarClaim, SidecarStatus};
use crate::watch::{Terms, Want, Watch, Word};
use mooring_core::names::ClaimName;
use mooring_core::secret::{Secret, SecretHash};
use mooring_core::time::BootTime;
use mooring_core::wire::{HoldState, ProblemType};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::sync::Arc;
use std::time::Duration;

/// Longer than the sidecar itself waits for the license server.
const ANSWER: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct Question {
    conn: Conn,
    nonce: Option<String>,
    /// Whose seat it is about: it may be another by the time of the answer.
    bind: Option<SecretHash>,
    asked: BootTime,
    body: Vec<u8>,
}

/// A claim that is followed.
#[derive(Debug)]
struct Stream {
    path: String,
    conn: Conn,
    parser: Parser,
    /// The body of an answer that is no stream.
    problem: Vec<u8>,
    resumes: bool,
}

/// One seat's connections.
#[derive(Debug)]
pub(crate) struct Driver {
    mooring: Mooring,
    order: Order,
    watch: Watch,
    stream: Option<Stream>,
    question: Option<Question>,
    epoll: Arc<OwnedFd>,
    timer: OwnedFd,
    /// Until when a first success is waited for.
    pub(crate) deadline: BootTime,
    proof: Option<Licensed>,
    /// Of the present seat, where it is this application's own.
    secret: Option<Secret>,
    spoken: Option<SidecarClaim>,
    error: Option<Error>,
    /// Why there is no start without a server, where only a voucher would permit one.
    no_voucher: Option<String>,
}

impl Driver {
    pub(crate) fn new(mooring: Mooring, order: Order, deadline: BootTime) -> Result<Self, Error> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(Error::system)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags).map_err(Error::system)?;
        let added = epoll::add(&epoll, &timer, EventData::new_u64(0), EventFlags::IN);
        added.map_err(Error::system)?;
        // Looked at here, where the caller waits anyway: nothing is asked that the sidecar has not
        // in its memory.
        let no_voucher = match mooring.unverified {
            UnverifiedStart::Voucher => mooring.voucher(&order.product).err(),
            UnverifiedStart::Deny | UnverifiedStart::Allow => None,
        };
        let terms = Terms {
            seats: order.seats,
            unverified: mooring.unverified != UnverifiedStart::Deny && no_voucher.is_none(),
            hold: order.source == Source::Hold,
        };
        let random = u64::from_str_radix(nonce()?.get(..16).unwrap_or_default(), 16);
        let watch = Watch::new(terms, random.unwrap_or_default(), boot());
        Ok(Self {
            mooring,
            order,
            watch,
            stream: None,
            question: None,
            epoll: Arc::new(epoll),
            timer,
            deadline,
            proof: None,
            secret: None,
            spoken: None,
            error: None,
            no_voucher: no_voucher.map(|e| e.to_string()),
        })
    }

    pub(crate) fn fd(&self) -> Arc<OwnedFd> {
        self.epoll.clone()
    }

    pub(crate) fn poll(&mut self) -> Word {
        let now = boot();
        self.read_stream(now);
        self.read_answer(now);
        while let Some(want) = self.watch.want(now) {
            match want {
                Want::Open { resume } => self.open(resume.as_ref(), now),
                Want::Ask { fresh } => self.ask(fresh, now),
            }
        }
        self.arm(now);
        self.watch.word(now)
    }

    pub(crate) fn proof(&self) -> Option<&Licensed> {
        self.proof.as_ref()
    }

    pub(crate) fn spoken(&self) -> Option<&SidecarClaim> {
        self.spoken.as_ref()
    }

    /// What there is to say of the state, in words.
    pub(crate) fn message(&self) -> Option<String> {
        let error = self.error.as_ref().map(ToString::to_string);
        let said = error.or_else(|| self.spoken.as_ref().and_then(|s| s.message.clone()));
        let Some(voucher) = self.no_voucher.as_ref().filter(|_| self.proof.is_none()) else {
            return said;
        };
        let start = format!("no start without a license server: {voucher}");
        Some(said.map_or_else(|| start.clone(), |s| format!("{s}; {start}")))
    }

    /// Ends the connections: a hold is given back by that.
    pub(crate) fn close(&mut self) {
        let stream = self.stream.take().map(|s| s.conn);
        let question = self.question.take().map(|q| q.conn);
        for conn in stream.iter().chain(&question) {
            self.end(conn);
        }
    }

    /// In a forked child: lets go of its copies, and leaves the parent's connections alone.
    pub(crate) fn abandon(&mut self) {
        self.stream = None;
        self.question = None;
    }

    /// A forked child may hold a copy, so closing alone would neither end it nor take it out of the
    /// epoll set.
    fn end(&self, conn: &Conn) {
        let _ = epoll::delete(&*self.epoll, conn.as_fd());
        conn.end();
    }

    fn register(&self, conn: &Conn) -> Result<(), Error> {
        let mut flags = EventFlags::IN;
        flags.set(EventFlags::OUT, conn.writes());
        let (fd, data) = (conn.as_fd(), EventData::new_u64(0));
        let done = match epoll::add(&*self.epoll, fd, data, flags) {
            Err(Errno::EXIST) => epoll::modify(&*self.epoll, fd, data, flags),
            other => other,
        };
        done.map_err(Error::system)
    }

    fn connect(&self, request: &Request<'_>) -> Result<Conn, Error> {
        let conn = Conn::open(self.mooring.sidecar.socket(), request)?;
        let conn = conn.ok_or_else(|| Error::Broken("its queue of connections is full".into()))?;
        self.register(&conn)?;
        Ok(conn)
    }

    /// Whose seat it must be.
    fn bind(&self) -> Option<SecretHash> {
        self.secret.as_ref().map(Secret::hash)
    }

    fn open(&mut self, resume: Option<&ClaimName>, now: BootTime) {
        let optimistic = self.mooring.unverified != UnverifiedStart::Deny;
        if resume.is_none() && self.order.source == Source::Hold {
            // A new seat, which is its own and no earlier one's.
            match secret() {
                Ok(s) => self.secret = Some(s),
                Err(e) => {
                    self.error = Some(e);
                    return self.watch.broken(now);
                }
            }
        }
        let (spec, path) = self.order.follow(resume, optimistic, self.bind());
        let request = Request {
            secret: resume.and(self.secret.as_ref()),
            ..Request::of(spec, &path)
        };
        match self.connect(&request) {
            Ok(conn) => {
                self.stream = Some(Stream {
                    path,
                    conn,
                    parser: Parser::of(spec),
                    problem: Vec::new(),
                    resumes: resume.is_some(),
                });
                self.watch.opened();
                self.read_stream(now);
            }
            Err(e) => {
                self.error = Some(e);
                self.watch.broken(now);
            }
        }
    }

    fn read_stream(&mut self, now: BootTime) {
        let Some(mut s) = self.stream.take() else {
            return;
        };
        let mut body = Vec::new();
        let ended = s.conn.step(&mut body);
        let stays = match (ended, s.conn.status()) {
            (Err(e), _) => Err(e),
            (Ok(ended), None | Some(200)) => {
                s.parser.push(&body);
                match self.read_events(&mut s.parser, now) {
                    Ok(()) if ended => Err(Error::Broken("the sidecar has ended".into())),
                    other => other,
                }
            }
            (Ok(ended), Some(status)) => {
                s.problem.append(&mut body);
                if ended || s.problem.len() > MAX_BODY {
                    Err(Error::of_answer(&s.path, status, &s.problem))
                } else {
                    Ok(())
                }
            }
        };
        let Err(e) = stays.and_then(|()| self.register(&s.conn)) else {
            self.stream = Some(s);
            return;
        };
        self.end(&s.conn);
        let unknown = matches!(&e, Error::Problem(p) if matches!(p.kind, ProblemType::NotFound | ProblemType::UnknownLease));
        // After a refusal the stream ends, which is no news.
        if self.watch.told_state() != Some(HoldState::Refused) {
            self.error = Some(e);
        }
        if unknown && s.resumes {
            self.watch.resume_unknown(now);
        } else {
            self.watch.broken(now);
        }
    }

    fn read_events(&mut self, parser: &mut Parser, now: BootTime) -> Result<(), Error> {
        let bad = |problem: String| Error::answer("its events", problem);
        while let Some(data) = parser.take().map_err(bad)? {
            let spoken = if self.order.source == Source::Hold {
                serde_json::from_str::<SidecarClaim>(&data).map(Some)
            } else {
                serde_json::from_str::<SidecarStatus>(&data).map(|s| s.find(&self.order))
            };
            match spoken {
                // What is not understood changes nothing: the last limit stands.
                Err(e) => self.error = Some(bad(e.to_string())),
                Ok(None) => self.watch.absent(),
                Ok(Some(spoken)) => {
                    if self.watch.rejected().is_none() && !self.watch.is_stale() {
                        self.error = None;
                    }
                    self.watch.told(spoken.told(now), now);
                    self.spoken = Some(spoken);
                }
            }
        }
        Ok(())
    }

    fn arm(&self, now: BootTime) {
        let answer = self.question.as_ref().map(|q| q.asked + ANSWER);
        let deadline = Some(self.deadline).filter(|d| *d > now);
        let wake = Some(self.watch.wake_at(now));
        let at = [answer, deadline, wake].into_iter().flatten().min();
        let at = at
            .filter(|at| *at != BootTime::NEVER)
            .map(BootTime::as_millis);
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let disarmed = time(0, 0);
        let spec = Itimerspec {
            it_interval: disarmed,
            it_value: at.map_or(disarmed, |ms| {
                let nanos = i64::try_from(ms % 1000 * 1_000_000 + 1).unwrap_or(1);
                time(i64::try_from(ms / 1000).unwrap_or(i64::MAX), nanos)
            }),
        };
        // It can only fail for a bad descriptor or a bad time, and these are neither.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec);
    }
}
