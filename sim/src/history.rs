//! What happened in a simulated world, as somebody sees it who looks at every wire and every
//! application at once.
//!
//! This is all that the checker gets. It knows neither of the state machines; its times are the
//! true time of the world in milliseconds, whatever the clocks in it show. A fact is stated the
//! moment it becomes true. Facts of one step of the world carry one time and come in the order in
//! which they happened; several steps may share a time.

use std::fmt;

/// True time of the world, in milliseconds from its beginning.
pub type Ms = u64;

/// Who: a pod's UID. Copies of a holder share it; a pod that replaces another has a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HolderNo(pub u32);

/// Holders that are entitled together, or not: a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupNo(pub u32);

impl GroupNo {
    /// How many there are, but for the one that never is entitled.
    pub const COUNT: u32 = 3;
    /// Never entitled.
    pub const NEVER: Self = Self(u32::MAX);
}

impl HolderNo {
    pub fn group(self) -> GroupNo {
        match self.0 % 89 {
            88 => GroupNo::NEVER,
            _ => GroupNo(self.0 % GroupNo::COUNT),
        }
    }

    /// Which of its namespace's service accounts it runs as.
    pub fn account(self) -> AccountNo {
        AccountNo(self.0 / GroupNo::COUNT % AccountNo::COUNT)
    }

    /// The project that it names, for as long as it is there. An owner's pod names its owner's.
    pub fn project(self) -> Option<ProjectNo> {
        ProjectNo::of(self.0 / GroupNo::COUNT)
    }
}

/// A service account of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountNo(pub u32);

impl AccountNo {
    /// How many each namespace has.
    pub const COUNT: u32 = 2;
}

/// What seats are used for, as their holders say: pods of any namespace may name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectNo(pub u32);

impl ProjectNo {
    /// How many there are.
    pub const COUNT: u32 = 2;

    /// One of them, or none.
    fn of(n: u32) -> Option<Self> {
        let project = n % (Self::COUNT + 1);
        (project < Self::COUNT).then_some(Self(project))
    }
}

/// Whose seats are whose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// For how long who has borrowed a seat may keep it.
    pub notice: Ms,
    /// The first that a holder matches is its own.
    pub groups: Vec<PolicyGroup>,
    /// By pool: for how long a claim that does not fit is passed there by others that do.
    pub backfill: Vec<(Index, Ms)>,
    /// Which projects the owner of each namespace lets its pods name when this comes.
    pub allows: Vec<(GroupNo, ProjectNo)>,
}

/// Holders that share what they own, and what they may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyGroup {
    pub namespaces: Vec<GroupNo>,
    pub accounts: Vec<(GroupNo, AccountNo)>,
    /// Of these namespaces those that name this project, where the namespace allows it.
    pub projects: Vec<(GroupNo, ProjectNo)>,
    /// Higher goes first.
    pub priority: i32,
    pub weight: Option<u32>,
    /// By pool; of one that is not listed it owns nothing, and may have all.
    pub pools: Vec<(Index, Rights)>,
}

/// What a group has of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    pub owned: u32,
    /// The most that it may have.
    pub max: Option<u32>,
    /// How many of those that it owns others may have while it does not want them; none: all.
    pub lend: Option<u32>,
}

impl Policy {
    /// The place of a holder's group, if it is in one.
    pub fn group_of(&self, holder: HolderNo) -> Option<usize> {
        let (namespace, account) = (holder.group(), holder.account());
        let is_of = |g: &PolicyGroup| {
            g.namespaces.contains(&namespace)
                || g.accounts.contains(&(namespace, account))
                || self.takes_project(g, holder)
        };
        self.groups.iter().position(is_of)
    }

    /// Whether a group takes a holder by the project that it names. Its own word alone is none.
    fn takes_project(&self, g: &PolicyGroup, holder: HolderNo) -> bool {
        let named = holder.project().map(|project| (holder.group(), project));
        named.is_some_and(|n| g.projects.contains(&n) && self.allows.contains(&n))
    }

    /// For how long a claim that does not fit is passed in a pool; none: it is not.
    pub fn patience(&self, pool: Index) -> Option<Ms> {
        let found = self.backfill.iter().find(|(p, _)| *p == pool);
        found.map(|(_, patience)| *patience)
    }

    /// The priority of a holder's claims.
    pub fn priority(&self, holder: HolderNo) -> i32 {
        let group = self.group_of(holder).and_then(|g| self.groups.get(g));
        group.map_or(0, |g| g.priority)
    }
}

/// What has pods run, for which the operator claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerNo(pub u32);

impl OwnerNo {
    /// The project that it names, and its pods with it.
    pub fn project(self) -> Option<ProjectNo> {
        ProjectNo::of(self.0)
    }
}

/// How an owner's claim stands, as the operator is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    Reserved,
    Waiting,
    Refused,
    Ended,
}

/// A lineage of sidecar processes over one state volume. It outlives crashes of the sidecar; a copy
/// of the volume is another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyNo(pub u32);

/// A claim's name within its holder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimNo(pub u8);

/// A lease's id, as a number.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseNo(pub u128);

/// A claim's secret, as a number: equal numbers are equal secrets. A claim begun anew has a new
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretNo(pub u32);

/// One sending of a message. A duplicate made by the network has the same number; a retry by the
/// holder has another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MsgNo(pub u64);

/// A run of the server, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunNo(pub u32);

/// A pool or a product, by its place in the license.
pub type Index = usize;

/// What is asked for: (product, seats).
pub type Items = Vec<(Index, u32)>;

/// A license's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct License {
    /// Each pool's (seats, overdraft).
    pub pools: Vec<(u32, u32)>,
    /// When each pool begins and ends, by the wall clock: milliseconds from the world's beginning,
    /// the end exclusive. Pools beyond the list are there as long as the license.
    pub dates: Vec<(Option<i64>, Option<i64>)>,
    /// Each product's alternatives in order; an alternative is a list of (pool, weight): one seat
    /// of the product draws `weight` from each pool of one alternative.
    pub products: Vec<Vec<Vec<(Index, u32)>>>,
    /// The grace that the server tells holders.
    pub grace: Ms,
    /// How long a contested holder may go on after contact.
    pub max_contested: Ms,
    /// When it ends, by the wall clock: milliseconds from the world's beginning.
    pub ends: i64,
    /// For how long renewals go on without the anchor.
    pub anchor_grace: Ms,
    /// How long a pod may run beside the one that it replaces; zero: not at all.
    pub max_handover: Ms,
}

impl License {
    /// The license's end as that of its seats, as a server has it that serves other files beside.
    pub(crate) fn end_seats(&mut self) {
        self.dates.resize(self.pools.len(), (None, None));
        for (_, end) in &mut self.dates {
            *end = Some(end.map_or(self.ends, |t| t.min(self.ends)));
        }
    }
}

/// What a silent holder's seat needs before it is given away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reclaim {
    /// Silence alone.
    #[default]
    Any,
    /// Proof that the pod is gone, or that its grace has passed.
    Confirmed,
}

impl Reclaim {
    /// The same, as the ledger is told.
    pub(crate) const fn real(self) -> mooring_core::policy::Reclaim {
        match self {
            Self::Any => mooring_core::policy::Reclaim::Any,
            Self::Confirmed => mooring_core::policy::Reclaim::Confirmed,
        }
    }
}

/// The application's state, as its socket says (docs/protocol.md, "States at the holder").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Says {
    /// Neither a lease nor a place yet.
    Seeking,
    /// In line.
    Waiting,
    /// Started with no server in reach.
    Optimistic,
    /// The lease is in force.
    Held,
    /// No contact; under the grace.
    Grace,
    /// The seat was given away meanwhile.
    Contested,
    /// Not licensed any more.
    Lost,
    /// The server said no.
    Refused,
    /// Given back.
    Released,
}

impl Says {
    /// Whether the application is licensed in it.
    pub fn licensed(self) -> bool {
        matches!(
            self,
            Self::Held | Self::Grace | Self::Optimistic | Self::Contested
        )
    }
}

/// A message from a holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Msg {
    /// `PUT /v1/claims/{name}`.
    Claim {
        items: Items,
        /// Its secret's hash stands for this secret.
        secret: SecretNo,
        /// Whose seat it is, where an application took it for itself.
        bind: Option<SecretNo>,
        /// Whether the secret itself goes along (with ticket or token it must).
        shows_secret: bool,
        /// The lease of the token that it shows, if any.
        held: Option<LeaseNo>,
        /// When that token was given, in true time, and the grace that it says.
        held_given: Option<(Ms, Ms)>,
        /// When the request was sent that it answered, as its holder says.
        held_sent: Option<Ms>,
        /// The lease of the ticket that it shows, if any.
        ticket: Option<LeaseNo>,
        /// Whether the application runs licensed at the moment of sending: was `Held` before.
        runs_after_held: bool,
        /// Whether it runs licensed without ever having been `Held`.
        runs_optimistic: bool,
    },
    /// `POST /v1/leases/renew`.
    Renew {
        lease: LeaseNo,
        secret: SecretNo,
        counter: u64,
        /// The request's id: a retry carries the same.
        request: u64,
    },
    /// `DELETE /v1/claims/{name}`.
    Release { lease: LeaseNo, secret: SecretNo },
}

/// An answer of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200 to a claim, or a renewal that succeeded; with D and the grace.
    Lease {
        lease: LeaseNo,
        lease_for: Ms,
        run_for: Ms,
        /// It is called back: it ends then although it is renewed.
        called_back: bool,
        /// Whose seat it is, as its token says.
        bind: Option<SecretNo>,
    },
    /// 202.
    Waiting {
        /// The lease it will become.
        lease: LeaseNo,
        /// Its place, from 1.
        place: u32,
        /// The reason is that the server settles.
        settling: bool,
        /// The reason is that the policy keeps it from its seats.
        held_back: bool,
        /// Whose seat it will be, as its ticket says.
        bind: Option<SecretNo>,
    },
    /// A release was taken.
    Released,
    /// A problem, by the last part of its type (`unknown-lease`, `cloned`, `revoked`,
    /// `claim-changed`, …).
    Problem(&'static str),
}

/// How the server's books have a claim, as its watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Book {
    /// In line.
    Waiting,
    /// In line while its application runs on.
    Contested,
    /// Granted.
    Held { draws: Vec<(Index, u32)> },
    /// Granted, renewals missed.
    Silent { draws: Vec<(Index, u32)> },
    /// Refused.
    Refused,
    /// Ended: `released`, `expired`, `gone`, `revoked`, `leftQueue`, …
    Ended(&'static str),
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    // The server
    /// A run starts, with this license in force.
    Started {
        run: RunNo,
        /// D of this run.
        lease_for: Ms,
        /// The longest D that any earlier run may have granted; 0 for none.
        longest_before: Ms,
        /// What it demands before giving a silent holder's seat away.
        reclaim: Reclaim,
        license: License,
        /// An earlier run was on another machine.
        moved: bool,
        /// The last one was, and the wall clock there differs from the one here.
        skewed: bool,
    },
    /// The run ends without a word.
    Crashed,
    /// The server's process (or its whole machine) stands still: messages queue up; clocks go on.
    Frozen,
    /// It goes on.
    Thawed,
    /// Another license is in force.
    Reloaded(License),
    /// By how many milliseconds the wall clock of the server's machine is wrong from now on.
    Wall(i64),
    /// The anchor has signed a delegation for the run, for this time by the wall clock, its end
    /// exclusive: milliseconds from the world's beginning.
    Delegated { from: i64, to: i64 },
    /// The anchor is lost (`true`): nothing new is granted and claims are answered with a problem;
    /// or back.
    AnchorLost(bool),
    /// A message is taken in by the server. Then follow the changes of the books it brings about,
    /// then its answer if it is answered at once.
    Received {
        msg: MsgNo,
        holder: HolderNo,
        claim: ClaimNo,
        what: Msg,
    },
    /// The server answers this sending.
    Answered { msg: MsgNo, reply: Reply },
    /// A claim's state in the books changed.
    Booked {
        /// The number of the change in this run, from 1.
        seq: u64,
        /// The claim's lease: the same while it waits and when it is granted.
        lease: LeaseNo,
        holder: HolderNo,
        claim: ClaimNo,
        items: Items,
        /// Its priority, by the policy in force: higher goes first.
        priority: i32,
        book: Book,
    },
    /// The server is asked now how many seats run on beyond what it granted (the gauge of overlap),
    /// and says so.
    Overlap(u64),
    /// Settling is over in this run.
    Settled,

    // The operator
    /// The operator's roster is taken in by the server.
    Roster(Vec<HolderNo>),
    /// The operator's word that these pods are gone is taken in by the server.
    Gone(Vec<HolderNo>),
    /// A revocation (`true`), or its lifting, is taken in by the server.
    Revoked(HolderNo, bool),
    /// Policies are taken in by the server: whether these holders are entitled from now on.
    Entitled(GroupNo, bool),
    /// A seat policy is taken in by the server, in place of what was in force; none: there is none
    /// from now on.
    Policy(Option<Policy>),
    /// The operator's word of an owner's claim is taken in by the server: what its pods ask for
    /// together, which they are, which of them replace which (the second the first), whether it
    /// rests, or ends.
    Owned {
        owner: OwnerNo,
        items: Items,
        pods: Vec<HolderNo>,
        replaces: Vec<(HolderNo, HolderNo)>,
        rests: bool,
        ends: bool,
    },
    /// What the operator is told of it.
    OwnerStands {
        owner: OwnerNo,
        lease: Option<LeaseNo>,
        stands: Stands,
    },
    /// An owner's claim changed in the books.
    OwnerBooked {
        owner: OwnerNo,
        lease: LeaseNo,
        items: Items,
        book: Book,
    },
    /// Whether the books have a lease beyond the seats: before it changes there, where that
    /// changed.
    Beyond { lease: LeaseNo, is: bool },
    /// What is in use of each pool by the books, when a step is over. Stated where there are
    /// owners.
    Used(Vec<u64>),
    /// An administrator's word that takes this lease back is taken in by the server.
    TakenBack(LeaseNo),
    /// The follower of the watch has caught up with the server: what it has put together from
    /// events since its last list equals what the server lists at this moment (or not).
    Followed { equal: bool },
    /// The follower was told to list anew.
    ListAnew,

    // Holders
    /// A copy begins a claim. `start_optimistic`: it may start with no server in reach.
    Begun {
        copy: CopyNo,
        holder: HolderNo,
        claim: ClaimNo,
        /// It is the pod's own, the same for as long as the pod is there, and no application's.
        pods: bool,
        secret: SecretNo,
        items: Items,
        start_optimistic: bool,
        /// The longest grace that the holder's side allows.
        max_grace: Ms,
    },
    /// A copy sends a message. (Saved before it was sent.)
    Sent {
        copy: CopyNo,
        claim: ClaimNo,
        msg: MsgNo,
        what: Msg,
    },
    /// An answer reaches the copy that asked.
    Heard {
        copy: CopyNo,
        claim: ClaimNo,
        msg: MsgNo,
        reply: Reply,
    },
    /// An attempt of a copy to reach the server has ended with nothing heard.
    Silence { copy: CopyNo, claim: ClaimNo },
    /// What the application is told changes: stated whenever one of these values changes, also by
    /// time alone, at the very millisecond. A copy whose sidecar is down says nothing; its
    /// application goes by what it was told last until the limit. On a frozen machine the
    /// application stands still, too, and says nothing until it thaws.
    Tells {
        copy: CopyNo,
        claim: ClaimNo,
        says: Says,
        /// The lease, if it knows one.
        lease: Option<LeaseNo>,
        /// While licensed: the end of being licensed without further contact, in true time.
        limit: Option<Ms>,
        /// While `Held`: when that ends without a renewal, in true time.
        held_until: Option<Ms>,
    },
    /// The application gives the claim back.
    GivesBack { copy: CopyNo, claim: ClaimNo },
    /// The sidecar is killed; what it saved is kept.
    SidecarDown(CopyNo),
    /// It is started again from what it had saved.
    SidecarUp(CopyNo),
    /// The pod is gone for good: sidecar, application, state.
    Died(CopyNo),
    /// The machine of a copy stands still (a suspend, or SIGSTOP of everything).
    Suspended(CopyNo),
    /// It goes on.
    Resumed(CopyNo),
    /// A copy is made of a holder with all its state.
    Copied { from: CopyNo, to: CopyNo },

    // The world
    /// From here on nothing fails any more: messages arrive within a second, everybody is up (but
    /// the dead), one copy of each holder is left, the anchor is there, nothing is revoked.
    FaultsEnd,
    /// The history ends.
    End,
}

impl fmt::Debug for LeaseNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{:x}", self.0 >> 104)
    }
}

/// A fact and when it became true.
#[derive(Clone, Debug)]
pub struct At {
    pub t: Ms,
    pub fact: Fact,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its number in docs/protocol.md, 1 to 20.
    pub promise: u8,
    pub t: Ms,
    /// What a person needs to understand it.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, t, what } = self;
        write!(f, "promise {promise} broken at {t} ms: {what}")
    }
}
