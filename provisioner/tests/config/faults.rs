//! What is refused or warned of, and where.

use hpt_provisioner::config;

use super::scaffold::files;
use super::{faults, ids, parse};

#[test]
fn all_faults_of_a_file_are_told_at_once_each_with_its_place() {
    let text = "[[service]]\nname = \"nginx\"\nstat = \"started\"\n\n[[grupp]]\nname = \"x\"\n\n[[group]]\nname = \"Bad Name\"\n";
    let told = faults(text);
    assert_eq!(told.len(), 3, "{told:#?}");
    assert_eq!(
        told[0],
        "3:1 unknown field `stat` in [[service]] | did you mean `status`? | `hpt explain service` lists its fields"
    );
    assert_eq!(
        told[1],
        "5:3 there is no block or table named `grupp` | did you mean `group`?"
    );
    assert!(
        told[2].starts_with("9:8 a user or group name is"),
        "{}",
        told[2]
    );
}

#[test]
fn all_that_is_wrong_in_one_block_is_told_at_once() {
    let text = "[[cron]]\nname = \"a b\"\nspec = \"61 * * * *\"\nuser = \"Bad\"\nkommand = \"x\"\n\
        retries = 1000\non_error = \"ignore\"\ntags = \"x\"\ntimeout = -1\n[settings]\nparallel = 4\n";
    let lines: Vec<usize> = faults(text)
        .iter()
        .map(|fault| fault.split_once(':').unwrap().0.parse().unwrap())
        .collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9, 11], "{:#?}", faults(text));
}

#[test]
fn a_wrong_template_hides_nothing_else_that_is_wrong() {
    let text = "[[file]]\npath = \"/a\"\ncontent = \"{{ vars.none }}\"\nmodus = \"0600\"\nbackup = 7\nretries = 1000\n";
    let told = faults(text);
    let lines: Vec<_> = told.iter().map(|fault| &fault[..2]).collect();
    assert_eq!(lines, ["3:", "4:", "5:", "6:"], "{told:#?}");
    // A field that is there and wrong is not told to be missing too.
    let told = faults("[[file]]\npath = \"{{ vars.none }}\"\ncontent = \"\"\n");
    assert_eq!(told.len(), 1, "{told:#?}");
}

#[test]
fn a_wrong_block_is_there_for_those_that_name_it() {
    for handler in [
        "name = \"h\"\nrestrat = \"x\"\n",
        "name = \"h\"\nrestart = \"{{ vars.none }}\"\n",
        "id = \"h\"\nname = \"no name\"\nrestart = \"x\"\n",
    ] {
        let text = format!(
            "[[file]]\npath = \"/a\"\ncontent = \"\"\nnotify = [\"h\"]\n[[handler]]\n{handler}"
        );
        let told = faults(&text);
        assert_eq!(told.len(), 1, "{told:#?}");
    }
    let exec = "[[exec]]\nid = \"x\"\nscript = \"{{ vars.none }}\"\nalways = true\n";
    let text = format!(
        "{exec}[[file]]\npath = \"/a\"\ncontent = \"{{{{ result.x.stdout }}}}\"\nafter = [\"x\"]\n"
    );
    let told = faults(&text);
    assert_eq!(told.len(), 1, "{told:#?}");
}

#[test]
fn what_an_assert_asks_is_an_expression_with_braces_and_without() {
    for that in ["vars.a == 1", "{{ vars.a == 1 }}", " true "] {
        let text = format!("[vars]\na = 1\n[[assert]]\nthat = \"{that}\"\nmsg = \"m\"\n");
        assert_eq!(faults(&text), [""; 0], "{that}");
    }
    let told = faults("[[assert]]\nthat = \"vars.a\"\nmsg = \"m\"\n");
    assert!(
        told[0].starts_with("2:8 `vars.a` is not defined"),
        "{told:?}"
    );
}

#[test]
fn a_config_says_which_hpt_it_needs() {
    assert_eq!(faults("hpt = \">=0.1\"\n"), [""; 0]);
    let told = faults("hpt = \">=99\"\n");
    assert!(
        told[0].starts_with("1:7 the config needs hpt >=99, and the host has hpt "),
        "{told:?}"
    );
    let told = config::check(&files("hpt = \">=99\"\n"), "", &config::Given::default());
    let told = told.err().unwrap();
    assert!(
        told[0]
            .what
            .starts_with("the config needs hpt >=99, and this is hpt ")
    );
}

#[test]
fn an_unguarded_exec_draws_a_warning_and_still_works() {
    let text = "[[exec]]\nscript = \"true\"\n";
    assert_eq!(ids(text).len(), 1);
    assert!(
        faults(text)[0].contains("this runs every time"),
        "{:?}",
        faults(text)
    );
}

#[test]
fn a_value_that_names_another_is_refused_since_nobody_renders_it() {
    let text = "[vars]\na = 1\nroot = \"/var/www/{{ vars.a }}\"\nnames = [{ b = \"{{facts.hostname}}\" }]\n";
    let told = faults(text);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("3:1 `vars.root` holds braces that nobody renders"));
    assert!(told[1].starts_with("4:1 `vars.names`"), "{told:?}");
    // Braces that ask for nothing of ours are a text like any other.
    let others = "[vars]\nformat = \"{{.Names}} {{ user }}\"\n";
    assert_eq!(faults(others), Vec::<String>::new());
}

#[test]
fn a_secret_goes_only_where_nothing_shows_it() {
    assert!(
        parse("[[file]]\npath = \"/a\"\ncontent = \"{{ secret.db }}\"\n")
            .is_ok_and(|c| c.blocks[0].sensitive)
    );
    let told = faults("[[file]]\npath = \"/{{ secret.db }}\"\ncontent = \"\"\n").join("\n");
    assert!(told.contains("a secret may not go into `path`"), "{told}");
    let told = faults("[[exec]]\nscript = \"x\"\nenv = { A = \"{{ secret.db }}\" }\ntimeout = \"{{ secret.db }}\"\n").join("\n");
    assert!(!told.contains("hunter2"), "{told}");
    // A value of the wrong type beside a secret is not quoted either.
    let told = faults("[[exec]]\nscript = \"{{ secret.db }}\"\numask = [\"hunter2\"]\n").join("\n");
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn sources_are_collected_once_and_judged() {
    let text = r#"
[bucket.bkt]
url = "nyc3.digitaloceanspaces.com"
name = "coleman"
[[file]]
path = "/a"
source = "bkt://some/file"
[[file]]
path = "/b"
source = "bkt://some/file"
"#;
    let Ok(outline) = config::check(&files(text), "", &config::Given::default()) else {
        panic!()
    };
    assert_eq!(outline.needs.len(), 1);
    for (text, words) in [
        (
            "[[file]]\npath = \"/a\"\nsource = \"bkt://x\"\n",
            "there is no [bucket.bkt]",
        ),
        (
            "[[file]]\npath = \"/a\"\nsource = \"https://x/y\"\n",
            "needs its `sha256`",
        ),
        (
            "[[file]]\npath = \"/a\"\nsource = \"http://x/y\"\n",
            "plain http",
        ),
    ] {
        let Err(told) = config::check(&files(text), "", &config::Given::default()) else {
            panic!("{text}")
        };
        assert!(
            told.iter().any(|f| f.what.contains(words)),
            "{words}: {told:#?}"
        );
    }
}

#[test]
fn what_comes_later_says_so() {
    for (text, words) in [
        (
            "[settings]\nparallel = 4\n",
            "`parallel` comes with a later version",
        ),
        (
            "[[container]]\nname = \"x\"\n",
            "`container` blocks come with a later version",
        ),
    ] {
        assert!(faults(text)[0].contains(words), "{:?}", faults(text));
    }
}

#[test]
fn limits_hold() {
    let deep = format!("[vars]\nx = {}{}\n", "[".repeat(40), "]".repeat(40));
    assert!(
        faults(&deep)[0].contains("nested deeper"),
        "{:?}",
        faults(&deep)
    );
    let long = format!("[vars]\nx = \"{}\"\n", "a".repeat(300 * 1024));
    assert!(
        faults(&long)[0].contains("a string is at most"),
        "{:?}",
        faults(&long).len()
    );
    let many = "[[group]]\nname = \"a\"\n".repeat(10_001);
    assert!(
        faults(&many)[0].contains("at most 10000 blocks"),
        "{}",
        faults(&many)[0]
    );
    let big = "# ".repeat(1 << 20);
    assert!(faults(&big)[0].contains("at most 1 MiB"));
}
