//! What an editor makes of configs by the schema: nothing to say of those that are good, and an error
//! for each unknown field and each value of a wrong type.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

mod python;

#[derive(serde::Deserialize)]
struct Complaint {
    path: String,
    level: String,
    message: String,
}

/// What tombi says of configs, by their names.
fn lint(configs: &BTreeMap<String, String>, python: &Path) -> Vec<Complaint> {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(
        root.join("provisioner/schema.json"),
        dir.path().join("schema.json"),
    )
    .unwrap();
    let settings = "[[schemas]]\npath = \"schema.json\"\ninclude = [\"configs/*.toml\"]\n";
    fs::write(dir.path().join("tombi.toml"), settings).unwrap();
    fs::create_dir(dir.path().join("configs")).unwrap();
    for (name, text) in configs {
        fs::write(dir.path().join("configs").join(name), text).unwrap();
    }
    let mut tombi = Command::new(python.with_file_name("tombi"));
    tombi
        .args(["lint", "--offline", "--no-cache", "--quiet"])
        .args(["--diagnostics-format", "json-lines"])
        .args(["--diagnostics-file", "told", "configs"])
        .current_dir(&dir);
    let output = tombi.output().unwrap();
    let told = fs::read_to_string(dir.path().join("told")).unwrap_or_else(|_| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    let complaints = told.lines().map(|line| serde_json::from_str(line).unwrap());
    complaints.collect()
}

fn good() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/good");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|file| file.path().extension().is_some_and(|e| e == "toml"));
    files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read_to_string(file.path()).unwrap())
        })
        .collect()
}

fn bad(class: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/bad");
    let all = fs::read_to_string(folder.join(format!("{class}.txt"))).unwrap();
    let cases = all.split("#--- ").skip(1).enumerate();
    cases
        .map(|(at, case)| {
            let (_, text) = case.split_once('\n').unwrap();
            (format!("{class}-{at}.toml"), text.to_owned())
        })
        .collect()
}

#[test]
fn an_editor_sees_what_is_wrong_and_nothing_else() {
    let python = match python::with("editors") {
        Ok(python) => python,
        Err(missing) => {
            let insists = std::env::var_os("HPT_REQUIRE_ALL").is_some();
            assert!(!insists, "missing: {missing}");
            eprintln!("skipped, for want of {missing}");
            return;
        }
    };
    let good = good();
    assert!(good.len() >= 20, "{}", good.len());
    for Complaint { path, message, .. } in lint(&good, &python) {
        // Its own taste: blocks stand in the order in which they are executed.
        assert!(message.contains("out-of-order"), "{path}: {message}");
    }
    for class in ["unknown", "types"] {
        let mut bad = bad(class);
        assert!(bad.len() >= 300, "{class}: {}", bad.len());
        for Complaint { path, level, .. } in lint(&bad, &python) {
            if level == "error" {
                bad.remove(path.rsplit('/').next().unwrap());
            }
        }
        assert!(bad.is_empty(), "not refused: {bad:#?}");
    }
}
