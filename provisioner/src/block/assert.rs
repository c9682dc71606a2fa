//! `[[assert]]`: what must hold before a run goes on.

use std::fmt;

use serde::Deserialize;
use serde::de::{Error, Visitor};

use crate::block::one_line::{OneLine, shortened};
use crate::block::{Decision, Kind};
use crate::config::scope::is_template;
use crate::host::HostError;
use crate::view::View;

/// What must hold before a run goes on: decided when planned, from facts and values, and changing
/// nothing. Where it does not hold, the block is blocked, and no block after it runs.
///
/// ```toml
/// [[assert]]
/// that = "facts.os == 'debian'"
/// msg = "this is for Debian alone"
/// ```
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assert {
    /// The expression, with or without braces, which comes out as true or false, such as
    /// `"facts.os == 'debian'"`.
    that: Truth,
    /// What is said where it is false, one line, such as `"this is for Debian alone"`.
    msg: OneLine,
}

/// `None` on a workstation, for an expression about what the target alone knows.
struct Truth(Option<bool>);

const NO_TRUTH: &str =
    "`that` is one expression that comes out as true or false, and this is a text";

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct TrueOrFalse;
        impl Visitor<'_> for TrueOrFalse {
            type Value = Truth;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an expression that is true or false")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Truth, E> {
                Ok(Truth(Some(value)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Truth, E> {
                if is_template(text) {
                    return Ok(Truth(None));
                }
                Err(E::custom(NO_TRUTH))
            }
        }
        d.deserialize_any(TrueOrFalse)
    }
}

impl Kind for Assert {
    const NAME: &'static str = "assert";

    fn primary(&self) -> String {
        shortened(self.msg.as_str())
    }

    fn check(&self, complain: &mut dyn FnMut(&'static str, String)) {
        if self.that.0.is_none() {
            complain("that", NO_TRUTH.to_owned());
        }
    }

    fn decide(&self, _: &View<'_>) -> Result<Decision, HostError> {
        Ok(if self.that.0 == Some(true) {
            Decision::InPlace
        } else {
            Decision::Blocked(self.msg.as_str().to_owned())
        })
    }
}
