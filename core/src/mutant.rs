//! Mistakes that tests can switch on, one at a time, to see that the simulator finds them
//! (docs/simulator.md has the table).
//!
//! Without the feature `mutants`, which only the simulator asks for, every question here is
//! answered `false` at compile time.

macro_rules! mistakes {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$about:meta])* $m:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$about])* $m,)* }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$(stringify!($m)),*].len()] = [$(Self::$m),*];
        }
    };
}

mistakes! {
/// A mistake.
pub enum Mutant {
    /// The holder counts D from the answer instead of from the sending.
    DurationFromResponse,
    /// A silent holder's seat is free at last receipt + D, without M.
    FreedWithoutMargin,
    /// A new run settles by its own D, not by the longest before.
    SettlesByNewDuration,
    /// A claim in line is granted while the server settles.
    GrantedWhileSettling,
    /// A lease is reinstated although its token has expired.
    ExpiredReinstated,
    /// A lease that ended in this run is reinstated again.
    ReinstatedTwice,
    /// A receipt, a ticket or a token counts without the claim's secret.
    ReinstatedWithoutSecret,
    /// A receipt counts whoever has sealed it.
    ReceiptUnverified,
    /// A receipt counts for any holder's claim.
    ReceiptOfAnyClaim,
    /// A renewal whose answer needs no signature is answered with a receipt though the run may not
    /// sign.
    ReceiptWithoutAnchor,
    /// On another machine a receipt's age is judged by that machine's clock alone.
    SentAgoUnheard,
    /// A repeated claim is taken for a new one.
    RepeatTakesSecondSeat,
    /// A repeated claim goes to the end of the line.
    RepeatLosesPlace,
    /// A release frees whatever the claim has now, not the lease it names.
    LateReleaseFreesNewer,
    /// A repeated renewal is taken for another copy's.
    RetrySeenAsCopy,
    /// The renewal counter is not looked at.
    CounterUnchecked,
    /// The grace is counted from the lease's end.
    GraceFromExpiry,
    /// A crash of the sidecar starts the grace anew.
    CrashRestartsGrace,
    /// Each contact extends `Contested`.
    FlappingExtendsContested,
    /// Limits are counted on the clock that stops in a suspend. Set where the clock is read: the
    /// simulated edge.
    MonotonicClock,
    /// A claim is granted with fewer seats than it asks for.
    PartialGrant,
    /// A claim that fits is granted past a better-ranked one that does not.
    SmallOvertakesHead,
    /// A place lives on although its holder has not asked for D.
    DeadWaiterGranted,
    /// What is free in a shrunk pool is calculated without a floor.
    ShrinkUnderflows,
    /// A request leaves before what it depends on is saved.
    SentBeforeSaved,
    /// That a claim is being given back is not saved: a crash brings it back.
    LeavingMarkForgotten,
    /// An answer is signed though the run may not: without its anchor beyond the grace, or without
    /// a valid license.
    SignedWithoutAuthority,
    /// A request is held open for as long as its client likes, beyond half a lease.
    WaitsWithoutBound,
    /// License and clock are looked at when an answer is signed, after the books have granted.
    SigningRefusedAfterGrant,
    /// A token's age is taken from the wall clock, although the boot clock runs on.
    AgedByWallClock,
    /// A revoked holder's renewal is granted.
    RevokedRenews,
    /// A watch is not told that a holder fell silent.
    SilenceUntold,
    /// After a crash of its sidecar a claim that was answered starts without the server.
    AnswerForgottenInCrash,
    /// After its sidecar was told to end and started again a claim that was answered starts without
    /// the server.
    AnswerForgottenInRestart,
    /// `anchor-lost`, `license-invalid`, `overloaded` and `too-many-claims` are heard as silence.
    ProblemHeardAsSilence,
    /// That the sidecar could not ask is heard as the server's silence.
    OwnFaultHeardAsSilence,
    /// An application starts without the server by time alone, though nobody was asked meanwhile.
    OptimisticByTimer,
    /// Whether a holder is entitled is looked at when it claims, and never when it renews.
    JudgedAtClaimsOnly,
    /// The notice of a lease that is called back begins anew with each renewal.
    NoticeBeginsAnew,
    /// A lease that is called back is free the moment that its holder is told so.
    FreedByCallingBack,
    /// A lease that an administrator took back is renewed.
    TakenBackRenews,
    /// A lease that an administrator takes back is free in that step.
    FreedByTakingBack,
    /// A seat's tokens do not say whose it is.
    BindForgotten,
    /// A lease whose seats are of a pool that has ended is renewed.
    LeaseOutlivesPool,
    /// A lease that moves to another pool keeps what it had in the one that has ended.
    MoveCountsTwice,
    /// A claim that its group's limit, or what owners keep, holds back gathers free seats.
    LimitBlocksPool,
    /// A claim that its group's limit holds back stands in the way of all who would borrow, too.
    LimitStopsBorrowers,
    /// What an owner has not got of what it keeps limits others, each owner by itself.
    OwnersBySeparateLimits,
    /// What is owned is lent although its owner waits for it.
    LentThoughWanted,
    /// An owner's claim for what it owns waits behind one of its group that wants more.
    OwnersWaitBehindTheirOwn,
    /// Whose loan is called back is not asked whether its group has more than it owns.
    OwnedCalledBack,
    /// What was called back for an owner stays called back, though the owner is gone or served.
    LoanNotLifted,
    /// Whose loan was called back comes back before all others.
    CalledBackRanksFirst,
    /// A loan is free the moment that its notice is over.
    LoanFreedWithoutMargin,
    /// A loan that is called back is renewed for as long as its holder asks.
    LoanNeverEnds,
    /// A loan is free when its holder begins anew, whatever is left of its notice.
    LoanFreedBeforeNotice,
    /// A lease is reinstated only if a policy leaves its group the seats.
    LimitAtReinstating,
    /// A policy that comes ends leases beyond a group's limit.
    LimitThrowsOut,
    /// Who waits keeps the priority that it had when a policy comes.
    PolicyKeepsRanks,
    /// Weights count for nothing.
    WeightsIgnored,
    /// A project counts in each namespace of its group, whatever the namespace allows.
    ProjectNotAllowed,
    /// A project counts in all namespaces once it does in one.
    ProjectOfAnyNamespace,
    /// A claim that is in the books is of the group that it would be in without its project.
    ProjectForgotten,
    /// A claim that does not fit is passed whatever its patience.
    PassedForEver,
    /// A ticket does not say for how long its claim has been passed.
    PatienceForgotten,
    /// Each claim that is granted past another starts that one's patience anew.
    PassedAnew,
    /// An owner's place of which no pod lives gathers free seats.
    GhostGathers,
    /// A claim that stands in the lines of several servers keeps seats from others at each.
    GathersEverywhere,
    /// What a claim has at another server than the one that is chosen is not given back.
    LosersKept,
    /// An application starts by the silence of one of its servers, though another has answered.
    AnswerOfOneIsNone,
    /// A claim takes its parts in the order of its own list.
    PartsInLocalOrder,
    /// A claim takes its parts though others stand before it in the line of the last.
    PartsTakenEarly,
    /// A part is kept for as long as the others take.
    PartsKept,
    /// An application is told that it is licensed by the first of its parts.
    PartShown,
    /// An owner is granted what is there of what it asks for.
    GangHalved,
    /// The seat of an owner's pod that goes is free, though its owner keeps its share.
    ShareGoesToStrangers,
    /// A receipt does not say whose share its pod has.
    FamilyForgotten,
    /// What an owner's pods have is free with what it has itself, when the operator is silent.
    OwnerSilenceFreesPods,
    /// A seat that was handed over is handed over again at once.
    ChainOfHandovers,
    /// A lease beyond the seats is renewed for as long as its holder asks.
    HandoverNeverEnds,
    /// The pod whose seats are to be handed over is told to go.
    PredecessorTold,
    /// A receipt does not say that its lease has no seats of its own.
    HandoverForgotten,
    /// The seats of a pod that goes are free, though another waits for them.
    HandoverLeaksSeat,
}
}

#[cfg(feature = "mutants")]
mod switch {
    use super::Mutant;
    use std::cell::Cell;

    thread_local!(static ON: Cell<Option<Mutant>> = const { Cell::new(None) });

    /// Makes this mistake on this thread from now on; `None`: no mistake.
    pub fn set(m: Option<Mutant>) {
        ON.set(m);
    }

    pub fn on(m: Mutant) -> bool {
        ON.get() == Some(m)
    }
}

#[cfg(not(feature = "mutants"))]
mod switch {
    use super::Mutant;

    pub(crate) const fn on(_: Mutant) -> bool {
        false
    }
}

#[cfg(not(feature = "mutants"))]
pub(crate) use switch::on;
#[cfg(feature = "mutants")]
pub use switch::{on, set};
