#![allow(clippy::unwrap_used)]
use super::*;
use futures::FutureExt as _;
use std::net::{Ipv4Addr, Ipv6Addr};

fn v4(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, n).into()
}

fn v6(net: u16, host: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, net, 0, 0, 0, host).into()
}

fn is_over(s: &Share) -> bool {
    s.over().now_or_never().is_some()
}

/// Takes as long as it gets, without giving back.
fn all_of(shares: &Shares, address: IpAddr, rank: Rank) -> Vec<Share> {
    let take = |_| shares.take(address, 1, rank);
    (0..10_000).map_while(take).collect()
}

#[test]
fn one_address_has_at_most_its_share_and_another_gets_in() {
    let shares = Shares::new(Bounds::new(100, 25));
    let taken = all_of(&shares, v4(1), Rank::Busy);
    assert_eq!(taken.len(), 25);
    assert!(shares.take(v4(2), 1, Rank::Busy).is_some());
    drop(taken);
    assert_eq!(shares.used(), 0);
    assert!(shares.books().peers.is_empty());
}

#[test]
fn of_one_address_the_silent_ones_give_way_then_those_that_rest_and_never_one_that_works() {
    let shares = Shares::new(Bounds::new(100, 3));
    let [silent, idle, busy] =
        [Rank::Silent, Rank::Idle, Rank::Busy].map(|rank| shares.take(v4(1), 1, rank).unwrap());
    let first = shares.take(v4(1), 1, Rank::Busy).unwrap();
    assert!(is_over(&silent) && !is_over(&idle));
    let second = shares.take(v4(1), 1, Rank::Busy).unwrap();
    assert!(is_over(&idle));
    assert!(shares.take(v4(1), 1, Rank::Busy).is_none());
    assert!(![&busy, &first, &second].into_iter().any(is_over));
}

#[test]
fn who_has_said_nothing_has_a_half_and_the_oldest_makes_room() {
    let shares = Shares::new(Bounds::new(1000, 20));
    let first = shares.take(v4(1), 1, Rank::Silent).unwrap();
    let nine: Vec<_> = (0..9)
        .map(|_| shares.take(v4(1), 1, Rank::Silent).unwrap())
        .collect();
    assert!(!is_over(&first));
    let next = shares.take(v4(1), 1, Rank::Silent).unwrap();
    assert!(is_over(&first) && !nine.iter().any(is_over) && !is_over(&next));
    // One that has spoken is out of reach.
    next.set_rank(Rank::Busy);
    for _ in 0..100 {
        std::mem::forget(shares.take(v4(1), 1, Rank::Silent).unwrap());
    }
    assert!(!is_over(&next) && nine.iter().all(is_over));
}

#[test]
fn where_all_is_taken_the_largest_gives_way_to_who_has_less_even_if_it_works() {
    let shares = Shares::new(Bounds::new(100, 25));
    let strangers: Vec<_> = (1..=4)
        .map(|n| all_of(&shares, v4(n), Rank::Busy))
        .collect();
    assert_eq!(shares.used(), 100);
    let innocent: Vec<_> = (0..10)
        .map(|_| shares.take(v4(9), 1, Rank::Busy).unwrap())
        .collect();
    assert_eq!(shares.used(), 100);
    assert!(!innocent.iter().any(is_over));
    let ended = strangers.iter().flatten().filter(|s| is_over(s)).count();
    assert_eq!(ended, 10);
    // Alike with alike: nobody gives way to who would have as much.
    let more = all_of(&shares, v4(9), Rank::Busy);
    assert!(innocent.len() + more.len() <= 20, "{}", more.len());
}

#[test]
fn what_was_ended_is_given_back_once() {
    let shares = Shares::new(Bounds::new(100, 2));
    let ended = shares.take(v4(1), 1, Rank::Idle).unwrap();
    let held = shares.take(v4(1), 1, Rank::Busy).unwrap();
    let next = shares.take(v4(1), 1, Rank::Busy).unwrap();
    assert!(is_over(&ended) && !ended.grow(1));
    ended.set_rank(Rank::Silent);
    drop(ended);
    assert_eq!(shares.used(), 2);
    drop((held, next));
    assert_eq!((shares.used(), shares.books().silent), (0, 0));
}

#[test]
fn a_small_body_gets_in_past_large_ones_and_a_large_one_past_none_that_is_smaller() {
    let shares = Shares::new(Bounds::new(16_000, 4000));
    let large: Vec<_> = (1..=4)
        .map(|n| shares.take(v4(n), 4000, Rank::Busy).unwrap())
        .collect();
    let small = shares.take(v4(9), 5, Rank::Busy).unwrap();
    assert!(small.grow(20));
    assert_eq!(large.iter().filter(|s| is_over(s)).count(), 1);
    assert!(shares.used() <= 16_000);
    let other = shares.take(v4(5), 3000, Rank::Busy).unwrap();
    assert!(!other.grow(1001), "it is past its share");
    assert!(!is_over(&small));
}

#[test]
fn a_host_with_a_network_of_addresses_has_at_most_half_and_its_neighbour_gets_in() {
    let shares = Shares::new(Bounds::new(100, 25));
    let flood: Vec<_> = (0..1000)
        .map_while(|host| shares.take(v6(1, host), 1, Rank::Busy))
        .collect();
    assert_eq!(flood.len(), 50);
    assert!(shares.take(v6(2, 1), 1, Rank::Busy).is_some());
    drop(flood);
    // On a cluster: one pod takes much, another one of the same node little.
    let one = all_of(&shares, v6(1, 1), Rank::Busy);
    let two = all_of(&shares, v6(1, 2), Rank::Busy);
    assert_eq!((one.len(), two.len()), (25, 25));
    let neighbour = shares.take(v6(1, 3), 1, Rank::Busy).unwrap();
    assert!(!is_over(&neighbour));
    drop((one, two, neighbour));
    assert!(shares.books().networks.is_empty());
}

#[test]
fn an_address_of_ipv4_is_the_same_whatever_the_socket_calls_it() {
    let shares = Shares::new(Bounds::new(100, 1));
    let _one = shares.take(v4(1), 1, Rank::Busy).unwrap();
    let mapped = Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().into();
    assert!(shares.take(mapped, 1, Rank::Busy).is_none());
}
