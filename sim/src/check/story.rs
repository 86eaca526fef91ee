//! Histories for the tests of the checker: a server and holders that keep to the protocol, said in
//! a few words, with the mistakes put in by hand. The first promise that breaks is kept; what comes
//! after it is not looked at.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::collections::HashMap;

use super::{Checker, Seen};
use crate::history::*;

/// D in all stories.
pub(super) const D: Ms = 10_000;
/// M.
pub(super) const M: Ms = 1010;
/// The grace, and how long contested holders may go on.
pub(super) const G: Ms = 100_000;
pub(super) const C: Ms = 20_000;

pub(super) fn lease(n: u32) -> LeaseNo {
    LeaseNo(u128::from(n) << 104)
}

/// One pool of so many seats; product 0 draws one seat, product 1 two, product 2 one from pool 0 or
/// 1.
pub(super) fn license(seats: u32) -> License {
    License {
        dates: vec![],
        pools: vec![(seats, 0), (seats, 0)],
        products: vec![
            vec![vec![(0, 1)]],
            vec![vec![(0, 2)]],
            vec![vec![(0, 1)], vec![(1, 1)]],
        ],
        grace: G,
        max_contested: C,
        ends: i64::MAX,
        anchor_grace: 600_000,
        max_handover: 0,
    }
}

pub(super) struct Story {
    pub(super) t: Ms,
    checker: Checker,
    broken: Option<Broken>,
    seq: u64,
    msgs: Vec<(u32, Msg)>,
    pub(super) items: HashMap<u32, Items>,
    pub(super) priority: HashMap<u32, i32>,
    holder_of: HashMap<u32, u32>,
    secret_of: HashMap<u32, u32>,
    counter: HashMap<u32, u64>,
}

impl Story {
    /// A first run with so many seats; nothing to settle.
    pub(super) fn new(seats: u32) -> Self {
        let mut s = Self {
            t: 1000,
            checker: Checker::new(),
            broken: None,
            seq: 0,
            msgs: Vec::new(),
            items: HashMap::new(),
            priority: HashMap::new(),
            holder_of: HashMap::new(),
            secret_of: HashMap::new(),
            counter: HashMap::new(),
        };
        s.start(1, 0, Reclaim::Any, license(seats));
        s
    }

    pub(super) fn see(&mut self, fact: Fact) -> &mut Self {
        if self.broken.is_none() {
            let at = At { t: self.t, fact };
            self.broken = self.checker.see(&at).err();
        }
        self
    }

    pub(super) fn wait(&mut self, ms: Ms) -> &mut Self {
        self.t += ms;
        self
    }

    /// The promise that broke, after a last look.
    pub(super) fn verdict(&mut self) -> Option<u8> {
        self.see(Fact::ListAnew).wait(4).see(Fact::ListAnew);
        if let Some(b) = &self.broken {
            println!("{b}");
        }
        self.broken.as_ref().map(|b| b.promise)
    }

    pub(super) fn seen(&self) -> &Seen {
        self.checker.seen()
    }

    pub(super) fn start(&mut self, run: u32, before: Ms, reclaim: Reclaim, license: License) {
        self.seq = 0;
        self.see(Fact::Started {
            run: RunNo(run),
            lease_for: D,
            longest_before: before,
            reclaim,
            license,
            moved: false,
            skewed: false,
        });
        self.see(Fact::Wall(0));
        self.see(Fact::Delegated {
            from: 0,
            to: i64::MAX,
        });
    }

    /// The server crashes and runs again at once.
    pub(super) fn restart(&mut self, run: u32, seats: u32) {
        self.see(Fact::Crashed);
        self.start(run, D, Reclaim::Any, license(seats));
    }

    pub(super) fn holder(&self, copy: u32) -> HolderNo {
        HolderNo(self.holder_of.get(&copy).copied().unwrap_or(copy))
    }

    pub(super) fn secret(&self, copy: u32) -> SecretNo {
        SecretNo(self.secret_of.get(&copy).copied().unwrap_or(copy))
    }

    pub(super) fn items_of(&self, copy: u32) -> Items {
        self.items.get(&copy).cloned().unwrap_or(vec![(0, 1)])
    }

    pub(super) fn begin(&mut self, copy: u32) -> &mut Self {
        self.begin_as(copy, copy, false)
    }

    pub(super) fn begin_as(&mut self, copy: u32, secret: u32, optimistic: bool) -> &mut Self {
        self.secret_of.insert(copy, secret);
        let fact = Fact::Begun {
            copy: CopyNo(copy),
            holder: self.holder(copy),
            claim: ClaimNo(0),
            pods: true,
            secret: SecretNo(secret),
            items: self.items_of(copy),
            start_optimistic: optimistic,
            max_grace: 10 * G,
        };
        self.see(fact)
    }

    pub(super) fn copied(&mut self, from: u32, to: u32) -> &mut Self {
        self.holder_of.insert(to, self.holder(from).0);
        self.secret_of.insert(to, self.secret(from).0);
        let counter = self.counter.get(&from).copied().unwrap_or_default();
        self.counter.insert(to, counter);
        self.see(Fact::Copied {
            from: CopyNo(from),
            to: CopyNo(to),
        })
    }

    pub(super) fn claim(&self, copy: u32, held: Option<u32>, ticket: Option<u32>) -> Msg {
        Msg::Claim {
            items: self.items_of(copy),
            secret: self.secret(copy),
            bind: None,
            shows_secret: held.or(ticket).is_some(),
            held: held.map(lease),
            held_given: None,
            held_sent: None,
            ticket: ticket.map(lease),
            runs_after_held: false,
            runs_optimistic: false,
        }
    }

    /// The same by a holder that runs on after it was `Held`.
    pub(super) fn running(&self, copy: u32, held: u32) -> Msg {
        let mut msg = self.claim(copy, Some(held), None);
        if let Msg::Claim {
            runs_after_held, ..
        } = &mut msg
        {
            *runs_after_held = true;
        }
        msg
    }

    pub(super) fn release(&self, copy: u32, no: u32) -> Msg {
        Msg::Release {
            lease: lease(no),
            secret: self.secret(copy),
        }
    }

    pub(super) fn send(&mut self, copy: u32, what: Msg) -> MsgNo {
        let msg = MsgNo(self.msgs.len() as u64);
        self.msgs.push((copy, what.clone()));
        self.see(Fact::Sent {
            copy: CopyNo(copy),
            claim: ClaimNo(0),
            msg,
            what,
        });
        msg
    }

    pub(super) fn receive(&mut self, msg: MsgNo) -> &mut Self {
        let (copy, what) = self.msgs.get(msg.0 as usize).cloned().unwrap();
        let holder = self.holder(copy);
        self.see(Fact::Received {
            msg,
            holder,
            claim: ClaimNo(0),
            what,
        })
    }

    /// Sends a message that arrives at once.
    pub(super) fn sends(&mut self, copy: u32, what: Msg) -> MsgNo {
        let msg = self.send(copy, what);
        self.receive(msg);
        msg
    }

    pub(super) fn book(&mut self, copy: u32, no: u32, book: Book) -> &mut Self {
        self.seq += 1;
        let fact = Fact::Booked {
            seq: self.seq,
            lease: lease(no),
            holder: self.holder(copy),
            claim: ClaimNo(0),
            items: self.items_of(copy),
            priority: self.priority.get(&copy).copied().unwrap_or_default(),
            book,
        };
        self.see(fact)
    }

    pub(super) fn held(&mut self, copy: u32, no: u32) -> &mut Self {
        let seats = self
            .items_of(copy)
            .iter()
            .map(|(product, seats)| if *product == 1 { 2 * seats } else { *seats })
            .sum();
        let draws = vec![(0, seats)];
        self.book(copy, no, Book::Held { draws })
    }

    pub(super) fn ended(&mut self, copy: u32, no: u32, why: &'static str) -> &mut Self {
        self.book(copy, no, Book::Ended(why))
    }

    /// Answers, and the answer is heard at once.
    pub(super) fn answer(&mut self, msg: MsgNo, reply: Reply) -> &mut Self {
        self.see(Fact::Answered {
            msg,
            reply: reply.clone(),
        });
        self.hear(msg, reply)
    }

    pub(super) fn hear(&mut self, msg: MsgNo, reply: Reply) -> &mut Self {
        let copy = CopyNo(self.msgs.get(msg.0 as usize).unwrap().0);
        self.see(Fact::Heard {
            copy,
            claim: ClaimNo(0),
            msg,
            reply,
        })
    }

    pub(super) fn tell(
        &mut self,
        copy: u32,
        says: Says,
        no: Option<u32>,
        limit: Option<Ms>,
        held_until: Option<Ms>,
    ) -> &mut Self {
        self.see(Fact::Tells {
            copy: CopyNo(copy),
            claim: ClaimNo(0),
            says,
            lease: no.map(lease),
            limit,
            held_until,
        })
    }

    pub(super) fn says(&mut self, copy: u32, says: Says) -> &mut Self {
        self.tell(copy, says, None, None, None)
    }

    /// Its application is told `Held`, by a request sent at `sent`.
    pub(super) fn says_held(&mut self, copy: u32, no: u32, sent: Ms) -> &mut Self {
        self.tell(copy, Says::Held, Some(no), Some(sent + G), Some(sent + D))
    }

    pub(super) fn held_now(&mut self, copy: u32, no: u32) -> &mut Self {
        let sent = self.t;
        self.says_held(copy, no, sent)
    }

    /// A claim that may start without the server asks, and hears nothing for as long as it takes.
    pub(super) fn hears_nothing(&mut self, copy: u32) -> &mut Self {
        self.send(copy, self.claim(copy, None, None));
        self.says(copy, Says::Seeking).wait(15_000);
        self.see(Fact::Silence {
            copy: CopyNo(copy),
            claim: ClaimNo(0),
        })
    }

    pub(super) fn says_grace(&mut self, copy: u32, no: u32, sent: Ms) -> &mut Self {
        self.tell(copy, Says::Grace, Some(no), Some(sent + G), None)
    }

    /// A claim that is granted at once; its application is told so.
    pub(super) fn granted(&mut self, copy: u32, no: u32) -> &mut Self {
        self.begin(copy);
        let msg = self.sends(copy, self.claim(copy, None, None));
        self.held(copy, no);
        self.answer(msg, got(no)).held_now(copy, no)
    }

    /// A claim that waits, and is granted at once.
    pub(super) fn waits_and_is_granted(&mut self, copy: u32, no: u32) -> &mut Self {
        self.begin(copy);
        let msg = self.sends(copy, self.claim(copy, None, None));
        self.book(copy, no, Book::Waiting).held(copy, no);
        self.answer(msg, got(no)).held_now(copy, no)
    }

    /// A claim that waits.
    pub(super) fn waits(&mut self, copy: u32, no: u32, place: u32) -> &mut Self {
        self.begin(copy);
        let msg = self.sends(copy, self.claim(copy, None, None));
        self.book(copy, no, Book::Waiting);
        self.answer(msg, waiting(no, place))
            .says(copy, Says::Waiting)
    }

    /// It asks again, and still waits.
    pub(super) fn asks_again(&mut self, copy: u32, no: u32, place: u32) -> &mut Self {
        let msg = self.sends(copy, self.claim(copy, None, Some(no)));
        self.answer(msg, waiting(no, place))
    }

    pub(super) fn renewal(&mut self, copy: u32, no: u32) -> Msg {
        let counter = self.counter.entry(copy).or_default();
        *counter += 1;
        let counter = *counter;
        Msg::Renew {
            lease: lease(no),
            secret: self.secret(copy),
            counter,
            request: u64::from(copy) << 32 | counter,
        }
    }

    pub(super) fn renews(&mut self, copy: u32, no: u32) -> &mut Self {
        let what = self.renewal(copy, no);
        let msg = self.sends(copy, what);
        self.answer(msg, got(no)).held_now(copy, no)
    }

    /// It gives back; the server takes that in.
    pub(super) fn gives_back(&mut self, copy: u32, no: u32) -> &mut Self {
        self.see(Fact::GivesBack {
            copy: CopyNo(copy),
            claim: ClaimNo(0),
        })
        .says(copy, Says::Released);
        let msg = self.sends(copy, self.release(copy, no));
        self.ended(copy, no, "released").see(Fact::Answered {
            msg,
            reply: Reply::Released,
        })
    }

    pub(super) fn dies(&mut self, copy: u32) -> &mut Self {
        self.see(Fact::Died(CopyNo(copy)))
    }
}

pub(super) fn got(no: u32) -> Reply {
    Reply::Lease {
        lease: lease(no),
        lease_for: D,
        run_for: G,
        called_back: false,
        bind: None,
    }
}

/// The same, called back: it ends after so long.
pub(super) fn called_back(no: u32, run_for: Ms) -> Reply {
    Reply::Lease {
        lease: lease(no),
        lease_for: D.min(run_for),
        run_for,
        called_back: true,
        bind: None,
    }
}

pub(super) fn waiting(no: u32, place: u32) -> Reply {
    Reply::Waiting {
        lease: lease(no),
        place,
        settling: false,
        held_back: false,
        bind: None,
    }
}

pub(super) fn settling(no: u32, place: u32) -> Reply {
    Reply::Waiting {
        lease: lease(no),
        place,
        settling: true,
        held_back: false,
        bind: None,
    }
}
