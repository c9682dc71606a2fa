//! H9: whether the time of a lookup in the allow list tells which key was looked up (dudect).
//!
//! Two keys are looked up in a random order, a million times each. Welch's t says how sure it is that
//! their times differ: below 4.5 there is no evidence that they do.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../src/allow.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a part of it is measured"
)]
mod allow;

use std::hint::black_box;
use std::time::Instant;

use allow::{Pin, Pins};
use hpt_keystore::{Psk, SecretKey};

const PINS: usize = 64;
const EACH: usize = 1_000_000;
/// Of a hundred times the slowest are left out: there it is the machine that was slow.
const LEFT_OUT: usize = 5;

fn main() {
    let key = || SecretKey::generate().public();
    let keys: Vec<_> = (0..PINS).map(|_| key()).collect();
    let pin = |&key| Pin {
        key,
        psk: Psk::generate(),
    };
    let pins = Pins::new(keys.iter().map(pin).collect());

    let [first, middle, last] = [0, PINS / 2, PINS - 1].map(|at| *keys[at].as_bytes());
    let stranger = *key().as_bytes();
    let mut almost = first;
    almost[31] ^= 1;
    println!("{:36} {:>8} {:>8}  |t|", "mean ns", "one", "other");
    for (what, one, other) in [
        ("the first pin, itself again", first, first),
        ("the first pin, the last", first, last),
        ("the first pin, one in the middle", first, middle),
        ("a stranger, one bit from a pin", stranger, almost),
        // Every answer shows whether it was a pin, so this pair may differ.
        ("a stranger, a pin", stranger, first),
    ] {
        let [one, other] = measure(&pins, &[one, other]).map(|times| Sample::of(&times));
        let t = one.welch(&other).abs();
        println!("{what:36} {:8.1} {:8.1}  {t:.2}", one.mean, other.mean);
    }
}

/// The times of lookups of either key, in nanoseconds.
fn measure(pins: &Pins, keys: &[[u8; 32]; 2]) -> [Vec<f64>; 2] {
    let mut times = [const { Vec::new() }; 2];
    let mut dice = 0x5eed_u64;
    while times.iter().any(|times| times.len() < EACH) {
        // xorshift64*; its high bits are the good ones.
        dice ^= dice >> 12;
        dice ^= dice << 25;
        dice ^= dice >> 27;
        let kind = usize::from(dice.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 63 == 1);
        // Copied, so that both are read from one place.
        let key = black_box(keys[kind]);
        let begun = Instant::now();
        black_box(pins.find(&key).is_some());
        let took = begun.elapsed();
        times[kind].push(f64::from(took.subsec_nanos()));
    }
    let mut all = times.concat();
    all.sort_by(f64::total_cmp);
    let most = all[all.len() / 100 * (100 - LEFT_OUT)];
    for times in &mut times {
        times.retain(|&time| time <= most);
    }
    times
}

/// What is known of one kind's times.
struct Sample {
    mean: f64,
    /// Of the mean, not of the times.
    variance: f64,
}

impl Sample {
    fn of(times: &[f64]) -> Self {
        let count = f64::from(u32::try_from(times.len()).expect("a few million"));
        let mean = times.iter().sum::<f64>() / count;
        let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
        let variance = squares / (count - 1.0) / count;
        Self { mean, variance }
    }

    fn welch(&self, other: &Self) -> f64 {
        (self.mean - other.mean) / (self.variance + other.variance).sqrt()
    }
}
