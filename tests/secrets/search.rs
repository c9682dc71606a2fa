//! The search, in the end, of all that was said, written and started.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::world::World;

/// Where a secret is that a config gives to a command's environment.
pub const ENVIRON: &str = "an environment";

/// Directories of the host that are searched besides the test's own.
const HOST: [&str; 4] = ["run", "home", "var/lib", "mnt"];

impl World {
    /// What programs were started with, and who said what; the files that are left; then the search.
    #[track_caller]
    pub fn end(mut self, at_least: usize) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
        // Tracers end on their own when there is nobody left to trace, and write until then.
        std::thread::sleep(Duration::from_millis(100));
        let canaries = self.canaries.borrow();
        assert!(
            canaries.count() >= at_least,
            "only {} canaries",
            canaries.count()
        );
        let forms = canaries.forms();
        let mut found = Vec::new();
        let mut bytes_seen = 0;
        let mut look = |place: &Path, bytes: &[u8]| {
            bytes_seen += bytes.len();
            found.extend(canaries.found(&forms, place, bytes));
        };
        for (who, what) in self.said.borrow().iter() {
            look(who, what);
        }
        let mut started = 0;
        for trace in files_in(&self.place.path("traces")) {
            let text = fs::read(&trace).unwrap();
            assert!(
                !text.is_empty(),
                "nothing was traced in {}",
                trace.display()
            );
            for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
                let parts = line.windows(4).position(|part| part == b"], [");
                let Some(arguments) = parts else { continue };
                started += 1;
                look(Path::new("arguments"), &line[..arguments]);
                // hpt's own environment is where some secrets come from.
                if at > 0 {
                    look(Path::new(ENVIRON), &line[arguments..]);
                }
            }
        }
        let inputs = self.place.path("in");
        let mut roots = vec![self.place.path("")];
        roots.extend(HOST.map(|dir| self.host(dir)));
        for path in roots.iter().flat_map(|root| files_in(root)) {
            look(
                Path::new(path.file_name().unwrap()),
                path.as_os_str().as_encoded_bytes(),
            );
            let traced = path.starts_with(self.place.path("traces"));
            if !path.starts_with(&inputs) && !traced {
                look(&path, &fs::read(&path).unwrap_or_default());
            }
        }
        let log = fs::read_to_string(self.place.path("serve.log")).unwrap_or_default();
        assert!(log.is_empty() || log.contains(" hpt"), "logs are on: {log}");
        assert!(
            found.is_empty(),
            "{} leaks:\n{}",
            found.len(),
            found.join("\n")
        );
        eprintln!(
            "{} canaries in {} forms, {} runs, {started} programs started, {bytes_seen} bytes searched",
            canaries.count(),
            forms.count(),
            self.said.borrow().len(),
        );
    }
}

/// Everything that is a file below a directory.
fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_in(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}
