//! Whoever could have others' seats for nothing has them, as if each step went through the line.

use super::*;

fn books(seats: u32) -> Capacity {
    let mut l = license(
        &[("r", seats), ("d", 2)],
        &[("render", "r"), ("denoise", "d|r"), ("trace", "r")],
    );
    l.products[0].count_by = crate::license::CountBy::Node;
    l.products[1].count_by = crate::license::CountBy::ServiceAccount;
    one(&l)
}

const ASKED: [&str; 6] = [
    "render",
    "render:2",
    "render:3",
    "render,denoise",
    "denoise:2",
    "trace",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn nobody_waits_for_seats_that_it_shares(
        ops in proptest::collection::vec((0u8..12, 0u8..200, 0u8..4, 0usize..6), 1..200),
    ) {
        let mut l = Ledger::new(settings(1, Duration::ZERO), books(3), at(0));
        for (new, (op, n, node, what)) in (0..).zip(ops) {
            let now = at(new.into());
            let c = on_node(new, &format!("n{node}"), ASKED[what]);
            match op {
                0 => l.set_capacity(books(1 + u32::from(n % 5)), now),
                1 => {
                    let why = Problem::new(ProblemType::AnchorLost, "gone");
                    l.pause(Some(why), now);
                    let _ = l.claim(c, now);
                    l.pause(None, now);
                }
                2..5 => {
                    let id = LeaseId::from_bytes([n; 16]);
                    let _ = l.release(&ClaimName::pod(), id, &secret(n), None, now);
                }
                _ => {
                    let _ = l.claim(c, now);
                }
            }
            // What a release or another license makes free is given with the next claim.
            if op < 5 {
                continue;
            }
            for rank in l.queue.all() {
                let e = l.entries.get(&rank.id).unwrap();
                let plan = l.capacity.plan(e.items(), e.asks(), &|_| 0);
                let free = plan.is_some_and(|p| p.needs_nothing());
                prop_assert!(!free, "{e:?} waits for what is there");
            }
        }
    }
}
