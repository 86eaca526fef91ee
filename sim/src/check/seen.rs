//! How often each promise's condition was really put to the test: a promise that nothing could
//! break is not held.

/// Declares the counters, so that they can be listed by name.
macro_rules! seen {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often each promise's condition was really put to the test.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Seen { $($(#[$doc])* pub $name: u64,)* }

        impl Seen {
            /// Each counter with its name.
            pub fn each(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }

            /// Adds what another checker saw.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

seen! {
    /// 1: an application began to be `Held`, counted by pool.
    held,
    /// 1: after it, holders held every seat that was there.
    held_all_seats,
    /// 1: an answer was a problem, since the run could not sign.
    not_signed,
    /// 16: a lease moved from a pool that had ended.
    moved,
    /// 16: a lease had no room to move to.
    stranded,
    /// 16: a pool began.
    pools_begun,
    /// 5: a request was held open.
    held_open,
    /// 5: a claim was granted whose request was held open.
    granted_to_open,
    /// 2: a lease was given back.
    released,
    /// 2: a lease ended that an administrator had taken back.
    taken_back,
    /// 2: a lease ended because its pod was gone.
    gone,
    /// 2: silence freed a seat.
    expired,
    /// 2: the same under `Confirmed`.
    expired_confirmed,
    /// 3: a lease of an earlier run was taken in.
    taken_in,
    /// 3: its holder was `Held` at that moment.
    stayed_held,
    /// 3, 7: a holder came with a lease too late.
    came_too_late,
    /// 3: a claim came back to a new run with its ticket.
    came_with_ticket,
    /// 3: a claim that fits was told to wait because the server settles.
    held_back_settling,
    /// 4: an application was in its grace.
    in_grace,
    /// 4: a limit was reached.
    ran_out,
    /// 15: a start with no server in reach.
    optimistic_starts,
    /// 15: an attempt of one that could have started so, were it not for an answer before, ended in
    /// silence.
    silence_after_an_answer,
    /// 4: told licensed for the first time after a crash of the sidecar.
    told_after_crash,
    /// 5: a grant out of the line.
    granted_from_line,
    /// 5: a grant while a worse-ranked claim waited for the same pool.
    granted_before_others,
    /// 5: the head of the line waited for seats.
    head_waits_for_seats,
    /// 5, 6: a place was told.
    places,
    /// 6: a claim in the books was asked for again.
    repeated,
    /// 6: by a message that was received before.
    repeated_by_network,
    /// 6: a release of another lease than the claim's newest.
    late_releases,
    /// 7: a licensed holder heard that it waits.
    contested_contacts,
    /// 7: and had started with no server in reach.
    contested_optimistic,
    /// 7: one that had started with no server in reach heard that there is no seat for it.
    contested_by_a_problem,
    /// 7: a running claim was booked as contested; started with no server in reach.
    contested_booked,
    /// 7: and had started with no server in reach.
    optimistic_booked,
    /// 7: the gauge was read.
    gauge_read,
    /// 7: when it could not be zero.
    gauge_not_zero,
    /// 8: `cloned` was told.
    cloned,
    /// 8: a renewal was answered while several copies lived.
    renewals_of_copies,
    /// 10: claims judged at the end.
    judged_at_end,
    /// 10: and that wait.
    waits_at_end,
    /// 11: a request with a wrong secret.
    wrong_secrets,
    /// 12: a revoked holder made contact.
    contacts_of_revoked,
    /// 12: a holder asked for a lease that an administrator had taken back.
    contacts_of_taken_back,
    /// 12: one that is not entitled asked for something new.
    asks_unentitled,
    /// 4: a lease of one that is not entitled was called back.
    called_back,
    /// 4: its time was over, and it was refused.
    call_back_over,
    /// 4: it is entitled again, and told so.
    call_back_lifted,
    /// 12: a licensed application's copy heard that it is revoked.
    heard_revoked,
    /// 17: a grant to a group that has a `max`.
    limited_grants,
    /// 17: a grant to one that is in its group by the project that it names.
    by_project,
    /// 17: a grant to one that would be in another group, did its namespace allow its project.
    not_allowed,
    /// 17: a claim waited that its group's `max` held back.
    held_by_max,
    /// 17: one that was held back by what owners keep.
    held_by_owners,
    /// 5: a grant passed a better-ranked claim that was held back.
    passed_held_back,
    /// 5: one was passed that does not fit, and is patient.
    passed_by_fill,
    /// 5: or waits for a limit that the other comes under, too.
    passed_under_limit,
    /// 5: free seats gathered for one whose patience was over.
    patience_over,
    /// 5: a claim came back to a new run with a ticket that says for how long it has been passed.
    passed_over_restart,
    /// 5: it was looked at who has fewer seats for its weight.
    by_weight,
    /// 17: an owner's claim was first in line for seats of its own.
    owner_waits,
    /// 17: it was granted.
    owners_served,
    /// 17: a loan was called back.
    loans_called_back,
    /// 17: its notice was over, and it was refused.
    loans_over,
    /// 17: it was lifted.
    loans_lifted,
    /// 2: a loan that had been called back ended with time.
    loans_expired,
    /// 2: its holder came with another secret.
    loans_begun_anew,
    /// 17: a claim was told that the policy holds it back.
    told_held_back,
    /// 18: what is in use was compared, where an owner or its pods had some of it.
    families_counted,
    /// 18: an owner had its seats.
    owners_reserved,
    /// 18: a pod of one ended while its owner kept its share.
    shares_left,
    /// 18: an owner ended that the operator did not speak of any more.
    owners_expired,
    /// 18: a claim of an owner's pod was reinstated before anybody had named it.
    shares_shown,
    /// 18: a claim could not be granted, and nobody but resting owners was in line with it.
    beside_resting,
    /// 19: a lease was granted beyond the seats.
    handovers_begun,
    /// 19: it had the seats of the pod that it replaced.
    handovers_taken_over,
    /// 19: it ended without.
    handovers_over,
    /// 19: a run took one of an earlier run in.
    handovers_back,
    /// 20: an application was told that it holds at one of several servers.
    lines_held,
    /// 20: one was `Contested` at one of them, and got a seat of another.
    lines_moved,
    /// 20: a seat was booked for who had its seats elsewhere.
    lines_booked_twice,
    /// 20: one that was is free.
    lines_given_back,
    /// 20: all servers of a claim were silent, and its application started.
    lines_silent_starts,
    /// 20: an attempt ended in silence, of one that another server's answer kept from starting.
    lines_kept_by_an_answer,
    /// 20: some of its servers refused a claim, and some did not.
    lines_refused_by_some,
    /// 20: a claim yielded that does not fit where seats are free.
    lines_passed,
    /// 20: a server ended while an application held at another.
    lines_untouched,
    /// 20: claims in several lines that were judged at the end.
    lines_at_end,
    /// 21: an application was told that it is licensed by all parts of its claim.
    parts_whole,
    /// 21: one of them without its servers, and another by a lease.
    parts_whole_in_silence,
    /// 21: a part was asked for while another was reserved.
    parts_taken_in_turn,
    /// 21: one went back to its place in line, since others were not there.
    parts_back_in_line,
    /// 21: an application lost one of them, and gave back the others.
    parts_lost,
    /// 21: claims of several parts that were judged at the end.
    parts_at_end,
    /// 21: and that waited.
    parts_wait_at_end,
    /// 13: the follower compared.
    followed,
    /// 13: it had to list anew.
    listed_anew,
    /// 14: claims granted.
    whole_claims,
    /// 14: of more than one seat.
    many_seats,
}
