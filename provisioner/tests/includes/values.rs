//! Values that several files and groups set: the stronger one wins.

use hpt_provisioner::config::{self, Given, Level};
use hpt_provisioner::fault::{Fault, Place};

use super::{file, gather, given, scope, tree};

#[test]
fn an_including_file_has_the_last_word_on_a_value() {
    let gathered = gather(&tree(
        "#=== site.toml\ninclude = [\"a.toml\", \"b.toml\"]\n[vars]\nx = 3\n#=== a.toml\n[vars]\nx = 1\ny = 1\n#=== b.toml\n[vars]\ny = 2\n",
    ));
    let given = given(&gathered);
    let outline = config::check(&gathered.files, "", &given).ok().unwrap();
    let set: Vec<_> = outline
        .settings
        .iter()
        .map(|set| (set.name.as_str(), set.value.as_integer().unwrap()))
        .collect();
    assert_eq!(set, [("x", 1), ("y", 1), ("y", 2), ("x", 3)]);
    let config = config::parse(gathered.files, scope(given)).ok().unwrap();
    assert_eq!(config.scope.vars["x"].as_integer(), Some(3));
    assert_eq!(config.scope.vars["y"].as_integer(), Some(2));
}

/// Groups of the target, each with what the inventory gives it.
fn grouped(
    text: &str,
    groups: &[(&str, &str)],
    vars: &str,
) -> Result<(toml::Table, Vec<Level>), String> {
    let mut given = Given::default();
    for (name, vars) in groups {
        given.join((*name).to_owned(), vars).unwrap();
    }
    given.add(vars).unwrap();
    given.target_tags.insert("prod".to_owned());
    let files = vec![file("site.toml", text)];
    let said = |faults: Vec<Fault>| {
        format!(
            "{} {:?}",
            faults[0].what,
            faults[0].place.as_ref().map(Place::order)
        )
    };
    let outline = config::check(&files, "web1", &given).map_err(said)?;
    let levels = outline.settings.into_iter().map(|set| set.level).collect();
    let config = config::parse(files, scope(given)).map_err(said)?;
    Ok((config.scope.vars, levels))
}

#[test]
fn five_levels_each_win_over_the_one_before() {
    let text = "[vars]\na = 1\nb = 1\nc = 1\nd = 1\n[group_vars.web]\nb = 2\nc = 2\nd = 2\n[group_vars.db]\na = 9\n\
                [[assert]]\nthat = \"{{ 'web' in target.groups and 'prod' in target.tags }}\"\nmsg = \"m\"\n";
    let (vars, levels) = grouped(text, &[("web", "c = 3\nd = 3")], "d = 4").unwrap();
    let told: Vec<_> = ["a", "b", "c", "d"]
        .map(|name| vars[name].as_integer().unwrap())
        .into();
    assert_eq!(told, [1, 2, 3, 4]);
    let web = || Level::Group("web".to_owned());
    assert_eq!(levels[4..], [web(), web(), web()]);
}

#[test]
fn groups_that_differ_are_both_named_unless_something_stronger_decides() {
    let text = "[group_vars.a]\nport = 1\n[group_vars.b]\nport = 2\n";
    let both = [("a", ""), ("b", "")];
    let said = grouped(text, &both, "").unwrap_err();
    assert!(
        said.contains("the groups `a` and `b` set `port` differently Some((0, 39"),
        "{said}"
    );
    let vars = grouped(text, &both, "port = 3").unwrap().0;
    assert_eq!(vars["port"].as_integer(), Some(3));
    assert_eq!(
        grouped(text, &both[..1], "").unwrap().0["port"].as_integer(),
        Some(1)
    );
    assert!(grouped("", &[("a", "x = 1"), ("b", "x = 1")], "").is_ok());
    let said = grouped("", &[("a", "x = 1"), ("b", "x = \"1\"")], "").unwrap_err();
    assert!(said.ends_with("`x` differently None"), "{said}");
}
