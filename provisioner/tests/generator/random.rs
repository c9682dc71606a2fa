//! Chance from a seed: what a seed has brought once it brings again.

/// A small generator of our own, so that a case is its seed and nothing else.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    pub fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len().try_into().unwrap())).unwrap()]
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// `line` now and then.
    pub fn maybe(&mut self, percent: u64, line: &str) -> String {
        if self.chance(percent) {
            format!("{line}\n")
        } else {
            String::new()
        }
    }
}
