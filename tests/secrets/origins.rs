//! Where secrets come from, when that goes wrong: rows that are sealed for others, damaged or no
//! seal at all, and what is typed on a terminal.

use std::fs;
use std::process::{Command, Stdio};

use super::world::{World, hear_out};

#[test]
fn a_row_that_does_not_open_shows_nothing() {
    let Some(world) = World::serving(21) else {
        return;
    };
    world
        .run(&["gen-target-keys", "--target", "db1", "--ip", "127.0.0.1"])
        .exits(0);
    let file = "[[file]]\npath = \"OUT/x\"\ncontent = \"{{ secret.s }}\"\n";
    let flipped = |row: String| {
        let at = row.len() - 12;
        let other = if row.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &row[..at], &row[at + 1..])
    };
    for (name, target, spoil) in [
        ("s", "db1", None), // in web1's row
        ("other", "web1", None),
        ("s", "web1", Some(&flipped)),
    ] {
        let mut case = world.case("row");
        let canary = case.canary("s");
        let row = case.sealed(name, target, &canary);
        let row = row
            .replace("secret.other", "secret.s")
            .replace("db1", "web1");
        let row = match spoil {
            Some(spoil) => spoil(row),
            None => row,
        };
        case.config(&row);
        case.config(file);
        for options in [&["plan"][..], &["--json", "-v", "provision"]] {
            case.remote(options).exits(3).says("cannot be opened");
            case.hpt(options).exits(3).says("with this host's key");
        }
        assert!(!case.out("x").exists(), "nothing is written");
    }

    // What is put into a row by somebody who has not sealed it is not shown either.
    let mut case = world.case("pasted");
    let canary = case.plain("pasted");
    case.config(&format!(
        "[secret.s.sealed]\nweb1 = \"{}\"\n{file}",
        canary.text()
    ));
    case.always(3, "a sealed value begins `hpt1k:`");
    case.hpt(&["check"]).exits(3).says("begins `hpt1k:`");

    let mut case = world.case("elsewhere");
    let canary = case.canary("elsewhere");
    let row = case.sealed("s", "db1", &canary);
    case.config(&format!("{row}{file}"));
    let words = "is sealed for db1, not for web1";
    case.remote(&["check"]).exits(3).says(words);
    case.remote(&["-v", "provision"]).exits(3).says(words);
    world.end(5);
}

#[test]
fn what_is_typed_goes_where_it_is_wanted_and_nowhere_else() {
    let Some(world) = World::serving(22) else {
        return;
    };
    let mut case = world.case("typed");
    let typed = case.plain("typed");
    case.config("[secret.s]\nprompt = \"The word\"\n");
    case.config("[[file]]\npath = \"OUT/x\"\ncontent = \"{{ secret.s }}\"\n");
    for where_ in [&["--target", "web1"][..], &[]] {
        for options in [&["plan"][..], &["--json", "plan"], &["--yes", "-v"]] {
            let options = [where_, options].concat();
            case.typed(&options, "The word: ", typed.text()).exits(0);
        }
        world.holds(&case.out("x"), &typed);
        let options = [where_, &["plan"]].concat();
        case.typed(&options, "The word: ", typed.text())
            .exits(0)
            .says("nothing to do");
        case.unasked(&options)
            .exits(3)
            .says("[secret.s] is asked for, and there is no terminal to ask on");
        std::fs::remove_file(case.out("x")).unwrap();
    }
    case.config(
        "[[exec]]\nscript = \"printf '%s\\\\n' '{{ secret.s }}'; exit 3\"\nalways = true\n",
    );
    for where_ in [&["--target", "web1"][..], &[]] {
        let options = [where_, &["--yes", "-v"]].concat();
        case.typed(&options, "The word: ", typed.text())
            .exits(1)
            .says("[secret]");
    }
    world.end(1);
}

#[test]
fn what_is_in_an_age_file_goes_where_it_is_wanted_and_nowhere_else() {
    if Command::new("age-keygen")
        .arg("--version")
        .output()
        .is_err()
    {
        let insists = std::env::var_os("HPT_REQUIRE_ALL").is_some();
        assert!(!insists, "missing: age (apt install age)");
        eprintln!("skipped, for want of age (apt install age)");
        return;
    }
    let Some(world) = World::serving(23) else {
        return;
    };
    let mut case = world.case("age");
    let value = case.canary("in an age file");
    let dir = world.place.path("in/age");
    let keygen = hear_out(Command::new("age-keygen").stderr(Stdio::null()), b"");
    let key = keygen
        .lines()
        .find(|l| l.starts_with("AGE-SECRET"))
        .unwrap();
    let recipient = keygen.split("public key: ").nth(1).unwrap();
    let recipient = recipient.lines().next().unwrap();
    world
        .canaries
        .borrow_mut()
        .known("an age identity", key.to_owned());
    case.file("key.txt", &keygen);
    let mut seal = Command::new("age");
    seal.args(["--armor", "--recipient", recipient, "--output"]);
    hear_out(seal.arg(dir.join("db.age")), value.text().as_bytes());
    case.config("[secret.s]\nage = { file = \"db.age\", identity = \"key.txt\" }\n");
    case.config("[[file]]\npath = \"OUT/x\"\ncontent = \"{{ secret.s }}\"\n");
    case.hpt(&["check"]).exits(0);
    for options in [&["plan"][..], &["--json", "-v", "provision"], &["plan"]] {
        case.remote(options).exits(0);
        case.hpt(options).exits(0);
    }
    world.holds(&case.out("x"), &value);

    let other = hear_out(Command::new("age-keygen").stderr(Stdio::null()), b"");
    case.file("key.txt", &other);
    case.always(3, "cannot open db.age: age: error: no identity matched");
    case.file("key.txt", "not a key\n");
    case.always(3, "age cannot open db.age");
    case.file("key.txt", &keygen);
    let text = fs::read_to_string(dir.join("db.age")).unwrap();
    case.file("db.age", &text[..text.len() - 60]);
    case.always(3, "age cannot open db.age");
    fs::remove_file(dir.join("db.age")).unwrap();
    case.always(3, "[secret.s]: cannot read");
    case.hpt(&["check"])
        .exits(3)
        .says("[secret.s]: cannot read");
    world.end(2);
}
