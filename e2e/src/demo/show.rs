//! What the demo says, and where it shows it.

use crate::lab::Lab;
use anyhow::Result;

pub(super) const NAMESPACE: &str = "mooring-demo";

pub(super) fn say(text: &str) {
    println!("\n\x1b[1m{text}\x1b[0m");
}

pub(super) async fn print(lab: &Lab, line: &str) -> Result<()> {
    let o = lab.kubectl(line).await?;
    println!("$ {}\n{}", o.command, o.clone().ok("looking")?.trim_end());
    Ok(())
}
