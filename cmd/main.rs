//! The `hpt` command.
fn main() {}
