//! How many seats are held for each project, as their holders say. Anybody makes names up, so only
//! so many are told by name at a time; the others are counted together.

use crate::names::ProjectName;
use std::collections::HashMap;

/// How many are told by name.
const NAMED: usize = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct Projects {
    /// Those that have seats.
    held: HashMap<ProjectName, u64>,
    /// Those that are told by name, whether they have any now or not: who came first stays until
    /// it has none and its place is needed.
    named: Vec<ProjectName>,
}

/// Seats that are held for a project; `None`: for all that are not told by name.
pub type ProjectSeats = (Option<ProjectName>, u64);

impl Projects {
    /// Changes how many a project has.
    pub(super) fn count(&mut self, name: &ProjectName, by: u64, add: impl Fn(&mut u64, u64)) {
        if !self.held.contains_key(name) {
            self.name(name);
            self.held.insert(name.clone(), 0);
        }
        if let Some(seats) = self.held.get_mut(name) {
            add(seats, by);
            if *seats == 0 {
                self.held.remove(name);
            }
        }
    }

    /// Has it told by name, if there is a place for it.
    fn name(&mut self, name: &ProjectName) {
        if self.named.contains(name) {
            return;
        }
        let held = &self.held;
        if self.named.len() < NAMED {
            self.named.push(name.clone());
        } else if let Some(free) = self.named.iter_mut().find(|n| !held.contains_key(*n)) {
            *free = name.clone();
        }
    }

    pub(super) fn seats(&self) -> Vec<ProjectSeats> {
        let of = |name: &ProjectName| self.held.get(name).copied().unwrap_or(0);
        let named = self.named.iter().map(|n| (Some(n.clone()), of(n)));
        let all: u64 = self.held.values().sum();
        let told: u64 = self.named.iter().map(of).sum();
        let others = (all > told).then(|| (None, all - told));
        named.chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn name(n: usize) -> ProjectName {
        ProjectName::new(&format!("p{n}")).unwrap()
    }

    #[test]
    fn so_many_projects_are_told_by_name_and_the_others_together() {
        let mut projects = Projects::default();
        let enter = |p: &mut Projects, n: usize| p.count(&name(n), 2, |seats, by| *seats += by);
        let leave = |p: &mut Projects, n: usize| p.count(&name(n), 2, |seats, by| *seats -= by);
        for n in 0..40 {
            enter(&mut projects, n);
            enter(&mut projects, n);
        }
        let told = projects.seats();
        assert_eq!(told.len(), NAMED + 1);
        assert!(
            told.contains(&(Some(name(0)), 4)) && told.contains(&(None, 32)),
            "{told:?}"
        );
        // One that has no seats keeps its name until another needs it.
        leave(&mut projects, 0);
        leave(&mut projects, 0);
        assert!(projects.seats().contains(&(Some(name(0)), 0)));
        enter(&mut projects, 99);
        let told = projects.seats();
        assert!(
            told.contains(&(Some(name(99)), 2)) && told.contains(&(None, 32)),
            "{told:?}"
        );
        assert_eq!(told.len(), NAMED + 1);
        for n in 1..40 {
            leave(&mut projects, n);
            leave(&mut projects, n);
        }
        let all: u64 = projects.seats().iter().map(|(_, seats)| seats).sum();
        assert_eq!(
            (all, projects.held.len()),
            (2, 1),
            "nothing is kept of the others"
        );
    }
}
