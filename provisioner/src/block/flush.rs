//! `[[flush]]`: here the handlers run that were notified so far.

use serde::Deserialize;

use crate::block::{Decision, Kind};
use crate::host::HostError;
use crate::view::View;

/// Runs the handlers that the blocks above have notified, instead of at the end of the run. It has
/// no fields of its own.
///
/// ```toml
/// [[flush]]
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flush {}

impl Kind for Flush {
    const NAME: &'static str = "flush";

    fn primary(&self) -> String {
        String::new() // config names it by its place
    }

    fn decide(&self, _: &View<'_>) -> Result<Decision, HostError> {
        Ok(Decision::InPlace) // without notices, which the engine keeps
    }
}
