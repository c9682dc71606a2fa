//! A process as a file names it: whoever looks finds out whether it lives, and keeps nobody from a lock.

use std::fs;

/// This process by its number and the moment it began, which no other one shares.
pub(crate) fn own() -> String {
    let number = std::process::id();
    format!(
        "{number} {}",
        began(&number.to_string()).unwrap_or_default()
    )
}

/// Whether the process of this name lives. One that was killed does not, also before it is reaped.
pub(crate) fn lives(name: &str) -> bool {
    let Some((number, then)) = name.trim_end().split_once(' ') else {
        return false;
    };
    number.bytes().all(|byte| byte.is_ascii_digit()) && began(number).is_some_and(|it| it == then)
}

/// When it began, in ticks since the host was booted; `None` if it is over.
fn began(number: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name of its program comes first, and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let is_over = matches!(state, "Z" | "X");
    (!is_over).then(|| fields.nth(18).map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test needs a process")]
    fn a_process_lives_until_it_is_killed_and_no_other_is_taken_for_it() {
        assert!(lives(&own()));
        assert!(!lives(&format!("{} 1", std::process::id())));
        for none in ["", "1", " ", "../self 1", "4194305 1"] {
            assert!(!lives(none), "{none}");
        }
        let mut sleeps = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let number = sleeps.id().to_string();
        let name = format!("{number} {}", began(&number).unwrap());
        assert!(lives(&name));
        sleeps.kill().unwrap();
        let start = std::time::Instant::now();
        while lives(&name) {
            assert!(start.elapsed() < std::time::Duration::from_secs(10));
        }
        sleeps.wait().unwrap();
        assert!(!lives(&name));
    }
}
