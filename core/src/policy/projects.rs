//! Which projects count for a policy. A pod names its own, so a group takes it by that only where
//! whoever owns the pod's namespace says so.

use crate::mutant::{self, Mutant};
use crate::names::ProjectName;
use std::collections::{BTreeMap, BTreeSet};

/// By namespace the projects that its owner lets its pods name.
pub type AllowedProjects = BTreeMap<String, BTreeSet<String>>;

/// What a namespace's annotation [`PROJECTS`](crate::annotation::PROJECTS) says: names with commas
/// between them. What is none counts for nothing.
pub fn allowed_projects(annotation: &str) -> BTreeSet<String> {
    let names = annotation.split(',').map(str::trim);
    let names = names.filter(|n| ProjectName::new(n).is_ok());
    names.map(str::to_owned).collect()
}

/// The projects of a group, as `namespace/project`: those that it names, of the namespaces that are
/// its, where these let their pods name them. Never by a pod's word alone.
pub fn projects_of_group(
    named: &[String],
    is_its: impl Fn(&str) -> bool,
    allowed: &AllowedProjects,
) -> Vec<String> {
    let its = allowed.iter().filter(|(namespace, _)| is_its(namespace));
    let named = its.flat_map(|(namespace, allowed)| {
        let any = mutant::on(Mutant::ProjectNotAllowed);
        let named = named.iter().filter(move |p| any || allowed.contains(*p));
        named.map(move |p| format!("{namespace}/{p}"))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_those_that_it_names_where_its_namespaces_allow_them() {
        let allowed: AllowedProjects = [
            ("a".to_owned(), allowed_projects("falcon, eagle,No,")),
            ("b".to_owned(), allowed_projects("hawk")),
            ("c".to_owned(), allowed_projects("")),
            ("other".to_owned(), allowed_projects("falcon")),
        ]
        .into();
        let named = ["falcon", "hawk", "No"].map(str::to_owned);
        let found = projects_of_group(&named, |namespace| namespace != "other", &allowed);
        assert_eq!(found, ["a/falcon", "b/hawk"]);
    }
}
