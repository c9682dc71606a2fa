//! Old spellings work, and wrong ones are answered with the one that does.

use super::{faults, ids};

#[test]
fn the_originals_own_example_is_met_with_the_spelling_that_works() {
    let told = faults("[[file]]\npath = \"/a\"\nperms = 0600\n");
    assert_eq!(
        told,
        ["3:9 TOML has no numbers with a leading zero | write mode = \"0600\""]
    );
    let told = faults("[[file]]\npath = \"/a\"\ncontent = \"\"\nmode = 644\n");
    assert_eq!(
        told,
        ["4:8 `mode = 644` is a decimal number, and a mode is octal | write mode = \"0644\""]
    );
    assert_eq!(
        faults("[[file]]\npath = \"/a\"\ncontent = \"\"\nmode = 0o644\n"),
        [""; 0]
    );
}

#[test]
fn old_spellings_work_and_name_the_new_ones() {
    let text = r#"
secret = 100
[[file]]
path = "/a"
remove = true
[[file]]
path = "/b"
content = ""
perms = "0600"
[[group]]
name = "devs"
gid = "1099"
[[exec]]
dir = "/opt"
script = "true"
always = true
[[clone]]
URL = "https://git.example.org/project"
dest = "/opt/project"
"#;
    assert_eq!(ids(text).len(), 5);
    let told = faults(text).join("\n");
    for words in [
        "`remove` is spelled `absent`",
        "`perms` is spelled `mode`",
        "write gid = 1099",
        "`dir` is spelled `pwd`",
        "`URL` is spelled `url`",
        "no effect",
    ] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
}

#[test]
fn a_value_of_another_type_is_answered_with_the_spelling_that_works() {
    for (text, words) in [
        (
            "[[file]]\npath = \"/x\"\ncontent = \"\"\nowner = 1000",
            "`id -nu 1000` prints it",
        ),
        (
            "[[file]]\npath = \"/x\"\ncontent = \"\"\ngroup = 0",
            "`getent group 0` shows it",
        ),
        (
            "[[user]]\nname = \"a\"\ngroups = \"sudo, web\"",
            "write a list: [\"sudo\", \"web\"]",
        ),
        (
            "[[user]]\nname = \"a\"\nsystem = \"yes\"",
            "write `true` or `false`, without quotes",
        ),
        (
            "[[user]]\nname = \"a\"\nuid = \"x1\"",
            "expected a whole number",
        ),
        (
            "[[package]]\nname = \"nginx\"\nversion = 1.10",
            "in quotes, with all its digits",
        ),
        (
            "[[clone]]\nurl = \"https://h/p\"\ndest = \"/p\"\nrev = 12",
            "write it in quotes: \"12\"",
        ),
        (
            "[[exec]]\ncmd = \"/x\"\nalways = true\nargs = [\"-p\", 80]",
            "write it in quotes: \"80\"",
        ),
        (
            "[[exec]]\ncmd = \"/x\"\nalways = true\nenv = { PORT = 80 }",
            "write it in quotes",
        ),
        (
            "[[exec]]\ncmd = \"/x\"\nalways = true\nenv = { DEBUG = true }",
            "write it in quotes",
        ),
        (
            "[[exec]]\ncmd = \"/x\"\nalways = true\nsuccess = [\"3\"]",
            "write it without quotes: 3",
        ),
    ] {
        let said = faults(text);
        assert!(
            said.len() == 1 && said[0].contains(words),
            "{text}\n{said:#?}"
        );
    }
}
