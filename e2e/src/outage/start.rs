//! Servers that never come up.

use super::steps::{event, first_problem, shown};
use crate::lab::{App, Lab, NO_IMAGE, Server};
use crate::main_job::begin;
use anyhow::Result;

/// A missing PIN Secret, and an image that cannot be pulled: `mooring status` says that, and
/// nothing that only follows from it; so do the pods that ask these servers.
pub(super) async fn a_server_that_cannot_start_says_what_it_lacks(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_server_that_cannot_start_says_what_it_lacks").await?;
    let named = |name: &str| Server {
        name: name.into(),
        ..Server::new(&ns, 1)
    };
    let mut pulls = named("pulls");
    pulls.image = Some(NO_IMAGE.into());
    pulls.apply(lab).await?;
    // It has the other's license and keys, and no PIN.
    let lacks = named("lacks");
    let yaml = lacks.yaml(lab)?;
    let yaml = yaml.replace("lacks-license", "pulls-license");
    let yaml = yaml.replace("lacks-keys", "pulls-keys");
    lab.apply(&yaml).await?.ok("making a LicenseServer")?;
    for (server, says) in [
        (&lacks, &["ReferenceMissing", "lacks-pin"][..]),
        (&pulls, &["PodNotRunning", NO_IMAGE][..]),
    ] {
        let name = format!("of-{}", server.name);
        let which = format!(
            "    mooring.dev/server: {}\n    mooring.dev/start: licensed\n",
            server.name
        );
        let app = App::start_with(lab, &ns, &name, "render", None, &which).await?;
        first_problem(lab, server, says).await?;
        shown(lab, &app, "Waiting", says).await?;
        event(lab, &app, "LicenseWaiting", says).await?;
    }
    Ok(())
}
