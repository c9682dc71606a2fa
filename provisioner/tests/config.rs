//! What the language promises of a config's text: order, spellings, and every fault with its place.

use std::collections::BTreeMap;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config, File};
use hpt_provisioner::fault::Fault;
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::secret::Secret;

fn file(text: &str) -> Vec<File> {
    vec![File {
        name: "site.toml".to_owned(),
        text: text.to_owned(),
    }]
}

fn parse(text: &str) -> Result<Config, Vec<Fault>> {
    let secrets = BTreeMap::from([("db".to_owned(), Secret::new("hunter2".to_owned()))]);
    let facts = Facts {
        hostname: "web1".to_owned(),
        cpus: 2,
        addresses: vec!["10.0.0.5".to_owned()],
        ..Facts::default()
    };
    let scope = Scope {
        facts: Some(facts),
        secrets: Some(secrets),
        ..Scope::default()
    };
    config::parse(file(text), scope)
}

/// Every fault as `line:column what | label | hint`.
fn faults(text: &str) -> Vec<String> {
    let faults = match parse(text) {
        Ok(config) => config.warnings,
        Err(faults) => faults,
    };
    faults
        .into_iter()
        .map(|fault| {
            let (line, column) = fault.place.map_or((0, 0), |place| place.line_column(text));
            let words = [Some(fault.what), fault.label, fault.hint];
            format!(
                "{line}:{column} {}",
                words.into_iter().flatten().collect::<Vec<_>>().join(" | ")
            )
        })
        .collect()
}

fn ids(text: &str) -> Vec<String> {
    let config = parse(text).unwrap_or_else(|faults| panic!("{faults:#?}"));
    config.blocks.iter().map(|block| block.id.clone()).collect()
}

#[test]
fn blocks_run_in_document_order_across_kinds() {
    let text = r#"
packages = ["nginx"]
[[exec]]
cmd = "/bin/one"
always = true
[[file]]
path = "/a"
content = ""
[[exec]]
cmd = "/bin/two"
always = true
[[group]]
name = "g"
[[file]]
path = "/b"
content = ""
"#;
    assert_eq!(
        ids(text),
        [
            "packages",
            "exec:/bin/one",
            "file:/a",
            "exec:/bin/two",
            "group:g",
            "file:/b"
        ]
    );
}

#[test]
fn files_run_one_after_another() {
    let files = vec![
        File {
            name: "1".to_owned(),
            text: "[[group]]\nname = \"a\"\n".to_owned(),
        },
        File {
            name: "2".to_owned(),
            text: "packages = [\"git\"]\n[[group]]\nname = \"b\"\n".to_owned(),
        },
    ];
    let outline = config::check(&files, "", &config::Given::default()).map(|_| ());
    assert!(outline.is_ok(), "{outline:?}");
    let Ok(config) = config::parse(files, Scope::default()) else {
        panic!()
    };
    let ids: Vec<_> = config.blocks.iter().map(|b| b.id.as_str()).collect();
    assert_eq!(ids, ["group:a", "packages-2", "group:b"]);
}

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
        retries = 1000\non_error = \"ignore\"\ntags = \"x\"\ntimeout = -1\n[settings]\nparallel = 4\nprune = true\n";
    let lines: Vec<usize> = faults(text)
        .iter()
        .map(|fault| fault.split_once(':').unwrap().0.parse().unwrap())
        .collect();
    assert_eq!(
        lines,
        [2, 3, 4, 5, 6, 7, 8, 9, 11, 12],
        "{:#?}",
        faults(text)
    );
}

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
fn duplicate_ids_show_both_places() {
    let text = "[[group]]\nname = \"a\"\n[[group]]\nname = \"a\"\n";
    let Err(faults) = parse(text) else {
        panic!("two blocks with one id")
    };
    let (other, _) = faults[0].other.clone().expect("the first place");
    assert_eq!(other.line_column(text).0, 1);
    assert_eq!(
        faults[0].place.clone().map(|p| p.line_column(text).0),
        Some(3)
    );
}

#[test]
fn after_asserts_the_order() {
    let right = "[[group]]\nname = \"a\"\n[[group]]\nname = \"b\"\nafter = [\"group:a\"]\n";
    assert_eq!(ids(right).len(), 2);
    let wrong = "[[group]]\nname = \"a\"\nafter = [\"group:b\"]\n[[group]]\nname = \"b\"\n";
    assert!(faults(wrong)[0].contains("no block `group:b` stands before this one"));
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
fn what_the_workstation_does_not_know_is_left_to_the_target() {
    let text = "[[file]]\npath = \"/a\"\ncontent = \"{{ facts.hostname }} {{ secret.x }}\"\n[secret.x]\nenv = \"X\"\n";
    assert!(config::check(&file(text), "web1", &config::Given::default()).is_ok());
    let text = "[[file]]\npath = \"/a\"\ncontent = \"{{ vars.nothing }}\"\n";
    let Err(told) = config::check(&file(text), "", &config::Given::default()) else {
        panic!("an undefined value");
    };
    assert!(
        told[0].what.contains("`vars.nothing` is not defined"),
        "{told:?}"
    );
}

/// A block whose number or name is known on the target alone stands there under an id that the
/// workstation cannot tell: names of it are the target's to judge, and of it alone.
#[test]
fn a_name_that_the_target_alone_can_tell_is_left_to_it() {
    let text = r#"
[[user]]
name = "ana"
uid = "{{ facts.cpus }}"

[[group]]
name = "b"
retries = "{{ facts.cpus }}"
after = ["user:ana"]

[[file]]
path = "/etc/{{ facts.hostname }}"
content = ""

[[group]]
for_each = "{{ facts.addresses }}"
name = "g{{ each.key }}"

[[file]]
path = "/b"
content = "{{ result['user:ana'].changed }}"
after = ["file:/etc/web1", "group:g0"]
notify = ["x"]

[[handler]]
name = "x"
restart = "x"
timeout = "{{ facts.cpus }}s"
"#;
    let check = |text: &str| config::check(&file(text), "web1", &config::Given::default());
    let told = |text: &str| match check(text) {
        Ok(_) => Vec::new(),
        Err(told) => told.into_iter().map(|fault| fault.what).collect(),
    };
    assert_eq!(told(text), Vec::<String>::new());
    for (right, wrong) in [
        ("\"file:/etc/web1\"", "\"file:/usr/web1\""),
        ("\"group:g0\"", "\"cron:g0\""),
        ("\"user:ana\"", "\"package:ana\""),
        ("result['user:ana']", "result['clone:/ana']"),
    ] {
        let told = told(&text.replacen(right, wrong, 1));
        assert!(
            told.len() == 1 && told[0].contains("stands before"),
            "{wrong}: {told:?}"
        );
    }
    let misnamed = told(&text.replacen("[\"x\"]", "[\"y\"]", 1));
    assert_eq!(misnamed, ["there is no handler `y`"]);
    // What a handler is called is not known either while one of its fields is not.
    let open = text.replacen("restart = \"x\"", "restart = \"{{ facts.hostname }}\"", 1);
    assert_eq!(told(&open), Vec::<String>::new());
    // The target knows, and judges.
    assert_eq!(faults(&open), Vec::<String>::new());
    assert!(faults(&text.replacen("file:/etc/web1", "file:/etc/web2", 1))[0].contains("web2"));
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
    let Ok(outline) = config::check(&file(text), "", &config::Given::default()) else {
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
        let Err(told) = config::check(&file(text), "", &config::Given::default()) else {
            panic!("{text}")
        };
        assert!(
            told.iter().any(|f| f.what.contains(words)),
            "{words}: {told:#?}"
        );
    }
}

#[test]
fn a_repo_with_a_destination_is_a_clone() {
    let text = "[repo.app]\nURL = \"https://git.example.org/app\"\ndest = \"/opt/app\"\n[[group]]\nname = \"a\"\n";
    assert_eq!(ids(text), ["clone:/opt/app", "group:a"]);
}

#[test]
fn what_comes_later_says_so() {
    for (text, words) in [
        (
            "[[group]]\nname = \"a\"\nconfirm = true\n",
            "`confirm` comes with a later version",
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

#[test]
fn an_assertion_about_the_target_is_left_to_it() {
    let text = "[[assert]]\nid = \"here\"\nthat = \"{{ facts.os == 'debian' }}\"\nmsg = \"no\"\n\
                [[group]]\nname = \"a\"\nafter = [\"here\"]\n";
    let files = [File {
        name: "site.toml".to_owned(),
        text: text.to_owned(),
    }];
    assert!(config::check(&files, "web1", &config::Given::default()).is_ok());
}

#[test]
fn a_secret_in_a_unit_is_told_before_any_host_is_asked() {
    let text = "[secret.s]\nenv = \"S\"\n[[unit]]\nname = \"a\"\ncontent = \"[Service]\\nEnvironment=A={{ secret.s }}\\n\"\n";
    let Err(told) = config::check(&file(text), "web1", &config::Given::default()) else {
        panic!("a unit took a secret");
    };
    assert!(told[0].what.contains("may not go into a unit"), "{told:#?}");
}
