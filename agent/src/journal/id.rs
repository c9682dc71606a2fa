//! The names of runs.

use hpt_provisioner::name::Day;

/// A new id: the time in UTC, and a few letters that tell runs of one second apart, such as
/// `20261121-171501-3f7a`. `now` is in unix seconds.
pub fn name_run(now: u64) -> String {
    let mut random = [0; 2];
    getrandom::fill(&mut random).expect("the kernel has randomness after boot");
    let (days, seconds) = (now / 86_400, now % 86_400);
    let days = u32::try_from(days).unwrap_or(u32::MAX);
    let day = Day::after_1970(days).to_string().replace('-', "");
    format!(
        "{day}-{:02}{:02}{:02}-{:04x}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        u16::from_be_bytes(random)
    )
}

/// Whether a name that came over the wire may be part of a path (K2).
pub(crate) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_after_its_time() {
        for (now, wanted) in [
            (0, "19700101-000000-"),
            (951_782_399, "20000228-235959-"),
            (951_782_400, "20000229-000000-"),
            (1_795_281_301, "20261121-171501-"),
        ] {
            let name = name_run(now);
            assert!(name.starts_with(wanted), "{name}");
            assert!(name.len() == 20 && is_id(&name), "{name}");
        }
    }

    #[test]
    fn a_name_from_outside_leads_nowhere_else() {
        for bad in ["", ".", "..", "a/b", "a.open", "a\0", "é", &"x".repeat(65)] {
            assert!(!is_id(bad), "{bad:?}");
        }
    }
}
