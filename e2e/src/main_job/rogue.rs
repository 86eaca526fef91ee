//! Pods that do what they should not.
use crate::lab::Lab;
use anyhow::Result;
pub(super) async fn a_namespace_that_is_not_allowed(_: &Lab) -> Result<()> { Ok(()) }
pub(super) async fn a_rogue_pod(_: &Lab) -> Result<()> { Ok(()) }
