//! What happened in a world of several servers: all that its judge gets. As in the history of a
//! world of one, times are true, and a fact is stated the moment it becomes true.

use crate::history::{LeaseNo, Ms, Says};

/// A license server of the world: its place in the order that all go by.
pub type ServerNo = usize;

/// A pod. One that replaces another has a new number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodNo(pub u32);

/// A message, by when it was sent: of two of one pod to one server the later has the higher number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SentNo(pub u64);

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteAt {
    pub t: Ms,
    pub fact: SiteFact,
}

/// How a claim is to stand in a line, as its holder says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStance {
    /// Free seats are to gather for it there.
    Gathers,
    /// It keeps none from others.
    Yields,
    /// It is to have none yet.
    Rests,
}

/// What a pod sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    Claim {
        stands: LineStance,
        /// It shows a lease or a place that it was given.
        shows: bool,
    },
    Renewal,
    Release,
}

/// What a pod is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    Lease,
    /// A place in line, and which.
    Place(u32),
    /// The server could never grant it, or has not got what it asks for.
    Refusal,
    Other,
}

/// How a claim stands in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InBooks {
    /// In line; `runs`: before others, since its application was licensed by this server and runs.
    Line {
        runs: bool,
    },
    Seats,
    Gone,
}

/// What a pod's application is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppTold {
    pub says: Says,
    /// Whose word that is: the chosen server's, if one is.
    pub server: ServerNo,
    pub chosen: bool,
    pub lease: Option<LeaseNo>,
    /// While it is licensed: until when.
    pub limit: Option<Ms>,
    /// While it is `Held`: until when by this lease.
    pub held_until: Option<Ms>,
}

/// What something goes wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Server(ServerNo),
    Pod(PodNo),
    /// Every message.
    Net,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteFact {
    /// A pod comes, and claims at these servers: so many seats for each part, of one of its
    /// servers.
    Comes {
        pod: PodNo,
        parts: Vec<Vec<ServerNo>>,
        seats: u32,
        start_optimistic: bool,
    },
    /// Its sidecar is killed, or told to end, with all that was not saved.
    Down(PodNo),
    /// Its sidecar starts again.
    Up(PodNo),
    /// Its sidecar is told to end, and gives back what it has.
    GivesBack(PodNo),
    /// The pod is there no more.
    Dies(PodNo),
    Sent {
        pod: PodNo,
        server: ServerNo,
        msg: SentNo,
        what: Sends,
    },
    /// A server takes a message in: what comes of it follows.
    Received {
        pod: PodNo,
        server: ServerNo,
        msg: SentNo,
        what: Sends,
    },
    /// It answers the message that it took in with a problem.
    Refuses {
        pod: PodNo,
        server: ServerNo,
        msg: SentNo,
    },
    /// An answer came to the sidecar, which has saved what it changes.
    Heard {
        pod: PodNo,
        server: ServerNo,
        says: Answered,
    },
    /// An attempt of it has ended with nothing heard.
    Silence {
        pod: PodNo,
        server: ServerNo,
    },
    Tells {
        pod: PodNo,
        told: AppTold,
    },
    /// A run of a server starts: D, how long it settles, for how long an application may run on
    /// after the last request that was answered with a lease, and for how long a contested one may.
    Starts {
        server: ServerNo,
        lease_for: Ms,
        settles: Ms,
        grace: Ms,
        max_contested: Ms,
    },
    Settled(ServerNo),
    Stops(ServerNo),
    /// So many seats it has from now on.
    Licensed {
        server: ServerNo,
        seats: u32,
    },
    Booked {
        server: ServerNo,
        pod: PodNo,
        lease: LeaseNo,
        book: InBooks,
    },
    /// A step of a server is over.
    Stepped(ServerNo),
    /// Something is wrong until then at the latest.
    Trouble {
        of: Of,
        until: Ms,
    },
    /// Nothing goes wrong from here on.
    Quiet,
    End,
}
