//! Mooring.
fn main() {}
