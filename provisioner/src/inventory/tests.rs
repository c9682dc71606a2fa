//! What a `targets.toml` says, and what is wrong with one.

use super::*;

fn parse(text: &str) -> Result<Inventory, Vec<Fault>> {
    let (name, text) = ("targets.toml".to_owned(), text.to_owned());
    Inventory::parse(&File { name, text })
}

#[test]
fn a_target_has_the_groups_that_it_names_and_those_that_name_it() {
    let text = "[target.web1]\ngroups = [\"web\"]\ntags = [\"prod\"]\nvars = { port = 1, own = true }\n[target.db1]\n\
                [group.web]\nvars = { port = 2 }\n[group.all]\nmembers = [\"web1\", \"db1\"]\n[group.all.vars]\nzone = \"a\"\n";
    let inventory = parse(text).unwrap();
    let mut given = Given::default();
    given.assign("own=false").unwrap();
    inventory.tell("web1", &mut given);
    assert_eq!(given.groups.keys().collect::<Vec<_>>(), ["all", "web"]);
    assert_eq!(given.groups["web"]["port"].as_integer(), Some(2));
    assert_eq!(given.vars["port"].as_integer(), Some(1));
    assert_eq!(given.vars["own"].as_bool(), Some(false));
    assert!(given.target_tags.contains("prod"));
    let names: Vec<_> = inventory
        .settings("web1")
        .into_iter()
        .map(|s| s.name)
        .collect();
    assert_eq!(names, ["zone", "port", "port", "own"]);
    let mut nobody = Given::default();
    inventory.tell("web9", &mut nobody);
    assert_eq!(nobody, Given::default());
    assert!(inventory.settings("web9").is_empty());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, place, words) in [
        ("[targets.a]\n", (1, 2), "`targets` is not known"),
        ("[policy.a]\n", (1, 2), "later version"),
        ("target = 1\n", (1, 10), "write [target.NAME]"),
        ("[target]\na = 1\n", (2, 1), "write [target.NAME]"),
        ("[target.\"a b\"]\n", (1, 9), "is called 1 to 63"),
        ("[target.a]\nvia = \"hub\"\n", (2, 1), "later version"),
        (
            "[target.a]\ngruops = []\n",
            (2, 1),
            "`gruops` is not known in [target.a]",
        ),
        ("[target.a]\ngroups = \"web\"\n", (2, 10), "a list of texts"),
        ("[target.a]\ngroups = [1]\n", (2, 10), "a list of texts"),
        (
            "[target.a]\ngroups = [\"web\"]\n",
            (2, 11),
            "there is no [group.web]",
        ),
        ("[target.a]\ntags = [\"-x\"]\n", (2, 9), "is called 1 to 63"),
        ("[target.a]\nvars = 1\n", (2, 8), "`vars` is a table"),
        (
            "[group.a]\nmembers = [\"b\"]\n",
            (2, 12),
            "there is no [target.b]",
        ),
        ("[group.a]\nwhere = \"x &\"\n", (2, 9), "at character 4"),
        ("[group.a]\nwhere = \"@x\"\n", (2, 9), "write `members`"),
        (
            "[target.\"a[1..3]\"]\nips = [\"10.0.0.[1..2]\"]\n",
            (2, 8),
            "2 addresses for 3 targets",
        ),
        ("[target.\"a[1..\"]\n", (1, 9), "a range is written"),
        (
            "[target.a]\nips = [\"a b\"]\n",
            (2, 8),
            "neither an address",
        ),
        ("[target.a]\nhpt_port = 0\n", (2, 12), "from 1 to 65535"),
        (
            "[group.a]\nmember = []\n",
            (2, 1),
            "`member` is not known in [group.a]",
        ),
        ("[group.a\n", (1, 9), ""),
        ("[group.a]\n[group.a]\n", (2, 8), "is there twice"),
    ] {
        let faults = parse(text).unwrap_err();
        let told = faults[0].place.as_ref().unwrap().line_column(text);
        assert!(faults[0].what.contains(words), "{text}: {}", faults[0].what);
        assert_eq!(told, place, "{text}: {}", faults[0].what);
    }
}

#[test]
fn what_was_meant_is_said() {
    let text = "[target.a]\ngroups = [\"wbe\"]\n[group.web]\nmembers = [\"b\"]\n";
    let faults = parse(text).unwrap_err();
    assert_eq!(faults.len(), 2);
    assert_eq!(faults[0].label.as_deref(), Some("did you mean `web`?"));
}

/// A range stands for its targets, and what is said of one by its own name is stronger.
#[test]
fn a_range_is_as_many_targets() {
    let text = "[target.\"web-[08..10]\"]\nips = [\"10.0.0.[8..10]\", \"web-[08..10].example.org\"]\ntags = [\"prod\"]\nvars = { port = 1 }\n\
                [target.web-09]\nips = [\"10.9.9.9\"]\nhpt_port = 7000\ntags = [\"canary\"]\nvars = { port = 2 }\n\
                [group.some]\nmembers = [\"web-[08..09]\"]\n[group.canaries]\nwhere = \"tag:canary & group:some\"\n";
    let inventory = parse(text).unwrap();
    assert_eq!(
        inventory.names().collect::<Vec<_>>(),
        ["web-08", "web-09", "web-10"]
    );
    assert_eq!(
        inventory.at("web-08").ips,
        ["10.0.0.8", "web-08.example.org"]
    );
    let nine = inventory.at("web-09");
    assert_eq!(
        (&nine.ips[..], nine.hpt_port),
        (&["10.9.9.9".to_owned()][..], Some(7000))
    );
    let mut given = Given::default();
    inventory.tell("web-09", &mut given);
    assert_eq!(given.vars["port"].as_integer(), Some(2));
    assert_eq!(
        given.groups.keys().collect::<Vec<_>>(),
        ["canaries", "some"]
    );
    let meant = |text: &str| {
        let pattern = Pattern::parse(text, &mut |_| Err(String::new())).unwrap();
        let names = inventory
            .names()
            .filter(|name| inventory.is_meant(&pattern, name));
        names.collect::<Vec<_>>()
    };
    assert_eq!(meant("tag:prod & !tag:canary"), ["web-08", "web-10"]);
    assert_eq!(meant("group:canaries"), ["web-09"]);
}
