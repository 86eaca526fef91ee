//! How long the webhook takes for a review, in process, on one core: from the bytes that the API
//! server sent to those of the answer, through what its handler calls. HTTP, TLS and the look-up of
//! what a watch does not know are not in it.
//!
//! Time is what this thread has had of a core: what else the machine does is not in it.
//!
//! With a number it only answers so many reviews of a pod that opts in, for whoever counts
//! instructions (`e2e/instructions`).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use mooring_bench_webhook::{Desk, Kind, body};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// As the operator's own program has it.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// How many reviews are counted of each kind, after a tenth of them that is not.
const COUNTED: usize = 20_000;

fn main() {
    let desk = Desk::of_one_server();
    if let Some(n) = std::env::args().nth(1) {
        let n: u64 = n.parse().unwrap();
        let body = body(Kind::OptedIn);
        (0..n).for_each(|_| assert_eq!(desk.answer(&body).verdict, "injected"));
        return;
    }
    println!(
        "{:>10}  {:>6}  {:>6}  {:>9}  {:>8}  {:>8}  {:>8}",
        "pod", "bytes", "answer", "reviews/s", "median", "p99", "longest"
    );
    for kind in [Kind::OptedIn, Kind::Refused, Kind::Foreign] {
        let took = Took::measure(&desk, kind);
        println!(
            "{:>10}  {:>6}  {:>6}  {:>9.0}  {:>8.4}  {:>8.4}  {:>8.4}",
            format!("{kind:?}"),
            body(kind).len(),
            desk.answer(&body(kind)).bytes.len(),
            took.per_s(),
            took.at(50.0),
            took.at(99.0),
            took.at(100.0),
        );
        if kind == Kind::OptedIn {
            let other = format!("median {:.4} ms", took.at(50.0));
            result("webhook_p99_ms", took.at(99.0), "ms", &other);
            result("webhook_per_s", took.per_s(), "reviews/s", "one core");
        }
    }
}

/// A line for `e2e/bench`; `against` is what the figure is held to, or made of.
fn result(name: &str, value: f64, unit: &str, against: &str) {
    let value = (value * 1000.0).round() / 1000.0;
    let line = serde_json::json!({
        "name": name, "value": value, "unit": unit, "against": against,
    });
    println!("RESULT {line}");
}

/// What each review took, in order of length.
struct Took(Vec<Duration>);

impl Took {
    fn measure(desk: &Desk, kind: Kind) -> Self {
        let body = body(kind);
        let mut all = Vec::with_capacity(COUNTED);
        for n in 0..COUNTED + COUNTED / 10 {
            let t = cpu();
            let answered = desk.answer(&body);
            let took = cpu().saturating_sub(t);
            assert!(matches!(
                (kind, answered.verdict),
                (Kind::OptedIn, "injected")
                    | (Kind::Refused, "refused")
                    | (Kind::Foreign, "unchanged")
            ));
            if n >= COUNTED / 10 {
                all.push(took);
            }
        }
        all.sort_unstable();
        Self(all)
    }

    /// In milliseconds.
    fn at(&self, percent: f64) -> f64 {
        let last = self.0.len() - 1;
        let at = (last as f64 * percent / 100.0).round() as usize;
        self.0[at].as_secs_f64() * 1e3
    }

    fn per_s(&self) -> f64 {
        let all: Duration = self.0.iter().sum();
        self.0.len() as f64 / all.as_secs_f64()
    }
}

fn cpu() -> Duration {
    let t = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec.try_into().unwrap(), t.tv_nsec.try_into().unwrap())
}
