//! Seats over time: what a license server says is used and who waits, looked at again and again.

use crate::lab::{Lab, Server};
use anyhow::{Context as _, Result};
use std::fmt::{Display, Formatter};
use std::time::{Duration, Instant};

/// What is seen at one look.
#[derive(Clone, Copy, Debug)]
struct Point {
    at: Duration,
    used: usize,
    waiting: usize,
    on_nodes: usize,
}

/// All looks, from the first.
#[derive(Debug)]
pub(super) struct Curve {
    begun: Instant,
    seats: usize,
    points: Vec<Point>,
}

impl Curve {
    pub(super) fn new(seats: usize) -> Self {
        Self {
            begun: Instant::now(),
            seats,
            points: Vec::new(),
        }
    }

    pub(super) async fn look(&mut self, lab: &Lab, server: &Server, on_nodes: usize) -> Result<()> {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}:8081/proxy/metrics",
            server.namespace,
            server.pod_name()
        );
        // The numbers are of one instant; what is on nodes was seen just before.
        let request = http::Request::get(path).body(Vec::new())?;
        let metrics = lab.client.request_text(request).await;
        let metrics = metrics.context("reading the license server's metrics")?;
        let sum = |name: &str| {
            let lines = metrics.lines().filter(|l| l.starts_with(name));
            let numbers = lines.filter_map(|l| l.rsplit(' ').next()?.parse::<usize>().ok());
            numbers.sum()
        };
        self.points.push(Point {
            at: self.begun.elapsed(),
            used: sum("mooring_seats_used{"),
            waiting: sum("mooring_queue "),
            on_nodes,
        });
        Ok(())
    }

    /// The longest time from a look that shows a free seat while somebody waits to the next that
    /// does not.
    pub(super) fn longest_idle(&self) -> Duration {
        let (mut longest, mut since) = (Duration::ZERO, None);
        for p in &self.points {
            if p.used < self.seats && p.waiting > 0 {
                let since = *since.get_or_insert(p.at);
                longest = longest.max(p.at.saturating_sub(since));
            } else if let Some(since) = since.take() {
                longest = longest.max(p.at.saturating_sub(since));
            }
        }
        longest
    }

    /// How much of the seats was used while somebody waited, in percent.
    pub(super) fn used_while_waited(&self) -> usize {
        let waited = || self.points.iter().filter(|p| p.waiting > 0);
        let used: usize = waited().map(|p| p.used).sum();
        100 * used / (waited().count() * self.seats).max(1)
    }
}

/// A line for each two seconds: seats in use, pods on nodes, who waits.
impl Display for Curve {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "    time  seats in use, pods on nodes, waiting")?;
        let mut next = Duration::ZERO;
        for p in &self.points {
            if p.at < next {
                continue;
            }
            next = p.at + Duration::from_secs(2);
            let bar = "#".repeat(p.used) + &".".repeat(self.seats.saturating_sub(p.used));
            writeln!(
                f,
                "  {:4.0} s  {bar} {:3} {:3}",
                p.at.as_secs_f64(),
                p.on_nodes,
                p.waiting
            )?;
        }
        Ok(())
    }
}
