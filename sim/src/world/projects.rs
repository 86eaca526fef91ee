//! Projects: what pods and owners say that their seats are for, and what of that counts.

use super::state::World;
use crate::history::{GroupNo, HolderNo, OwnerNo, PolicyGroup, ProjectNo};
use mooring_core::names::ProjectName;
use mooring_core::policy::{AllowedProjects, allowed_projects, projects_of_group};

/// What a pod names: a pod of an owner the same as that, since they have one share.
pub(super) fn of_pod(holder: HolderNo, owner: Option<usize>) -> Option<ProjectName> {
    match owner {
        Some(no) => of_owner(OwnerNo(no as u32)),
        None => named(holder.project()?),
    }
}

/// What an owner names.
pub(super) fn of_owner(no: OwnerNo) -> Option<ProjectName> {
    named(no.project()?)
}

fn named(project: ProjectNo) -> Option<ProjectName> {
    ProjectName::new(&name(project)).ok()
}

fn name(ProjectNo(no): ProjectNo) -> String {
    format!("project-{no}")
}

/// What namespaces allow, as the operator reads it off their annotations.
pub(super) fn allowed(allows: &[(GroupNo, ProjectNo)]) -> AllowedProjects {
    let annotation = |namespace: GroupNo| {
        let its = allows.iter().filter(|(n, _)| *n == namespace);
        let names: Vec<String> = its.map(|(_, project)| name(*project)).collect();
        names.join(", ")
    };
    let namespaces = (0..GroupNo::COUNT).map(GroupNo);
    let each = namespaces.map(|n| (World::namespace(n).into(), allowed_projects(&annotation(n))));
    each.collect()
}

/// The projects of a group, as the operator hands them over to the license server.
pub(super) fn handed_over(g: &PolicyGroup, allowed: &AllowedProjects) -> Vec<String> {
    let each = g.projects.iter().flat_map(|(namespace, project)| {
        let is_its = |n: &str| n == World::namespace(*namespace);
        projects_of_group(&[name(*project)], is_its, allowed)
    });
    each.collect()
}
