//! Configs of many files: what runs, in which order, with which values, and what is refused where.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hpt_provisioner::block::Block;
use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config, File, Gathered, Given, Level, Sort, Wanted};
use hpt_provisioner::fault::{Fault, Place};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::secret::Secret;

/// The files of a tree by name. In a text, `#=== NAME` begins a file.
fn tree(text: &str) -> BTreeMap<String, String> {
    let files = text.split("#=== ").skip(1).map(|file| {
        let (name, text) = file.split_once('\n').unwrap();
        (name.to_owned(), text.to_owned())
    });
    files.collect()
}

fn file(name: &str, text: &str) -> File {
    File {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

/// What a workstation finds, beginning with `site.toml`.
fn gather(tree: &BTreeMap<String, String>) -> Gathered {
    let named = vec![file("site.toml", &tree["site.toml"])];
    config::gather(named, &mut |wanted: &Wanted| {
        let inside = |name: &str| match name.rsplit_once('/') {
            Some((dir, file)) => dir == wanted.path && !file.starts_with('.'),
            None => wanted.path.is_empty(),
        };
        let is_it = |name: &str| match wanted.sort {
            Sort::Directory => inside(name),
            Sort::File | Sort::Role => name == wanted.path,
        };
        let found = tree.iter().filter(|(name, _)| is_it(name));
        let found: Vec<_> = found.map(|(name, text)| file(name, text)).collect();
        if found.is_empty() {
            Err(format!("there is no {}", wanted.path))
        } else {
            Ok(found)
        }
    })
}

fn given(gathered: &Gathered) -> Given {
    Given {
        included: gathered.included,
        ..Given::default()
    }
}

fn scope(given: Given) -> Scope {
    let secrets = [("db".to_owned(), Secret::new("hunter2".to_owned()))];
    Scope {
        target: "web1".to_owned(),
        given,
        facts: Some(Facts {
            hostname: "red".to_owned(),
            ..Facts::default()
        }),
        secrets: Some(secrets.into()),
        ..Scope::default()
    }
}

/// A tree as both sides take it.
fn parse(text: &str) -> Config {
    let gathered = gather(&tree(text));
    assert_eq!(gathered.faults, []);
    let given = given(&gathered);
    if let Err(faults) = config::check(&gathered.files, "web1", &given) {
        panic!("{faults:#?}");
    }
    config::parse(gathered.files, scope(given)).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// What is wrong with a tree on the workstation, and the files to which the places belong.
fn faults(text: &str) -> (Vec<File>, Vec<Fault>) {
    let gathered = gather(&tree(text));
    if !gathered.faults.is_empty() {
        return (gathered.files, gathered.faults);
    }
    match config::check(&gathered.files, "web1", &given(&gathered)) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(faults) => (gathered.files, faults),
    }
}

fn ids(config: &Config) -> Vec<&str> {
    config
        .blocks
        .iter()
        .map(|block| block.id.as_str())
        .collect()
}

fn sources(config: &Config) -> Vec<String> {
    let needs = config.blocks.iter().flat_map(Block::needs);
    needs.map(|need| need.source.to_string()).collect()
}

#[test]
fn what_is_included_runs_first_and_a_directory_by_name() {
    let config = parse(
        "#=== site.toml\ninclude = [\"b.toml\", \"conf.d/\"]\n[[group]]\nname = \"last\"\n\
         #=== b.toml\ninclude = [\"a.toml\"]\npackages = [\"git\"]\n[[group]]\nname = \"b\"\n\
         #=== a.toml\n[[group]]\nname = \"a\"\n\
         #=== conf.d/20.toml\n[[group]]\nname = \"d20\"\n\
         #=== conf.d/10.toml\n[[group]]\nname = \"d10\"\n\
         #=== conf.d/.hidden.toml\n[[group]]\nname = \"hidden\"\n\
         #=== conf.d/deeper/30.toml\n[[group]]\nname = \"d30\"\n",
    );
    let wanted = [
        "group:a",
        "packages-2",
        "group:b",
        "group:d10",
        "group:d20",
        "group:last",
    ];
    assert_eq!(ids(&config), wanted);
}

#[test]
fn handlers_of_all_files_run_at_the_end() {
    let config = parse(
        "#=== site.toml\ninclude = [\"a.toml\"]\n[[group]]\nname = \"web\"\nnotify = [\"nginx\"]\n\
         #=== a.toml\n[[handler]]\nname = \"nginx\"\nreload = \"nginx\"\n",
    );
    assert_eq!(ids(&config), ["group:web", "handler:nginx"]);
    assert_eq!(config.blocks[0].notify, [1]);
}

#[test]
fn paths_start_where_the_file_is_that_names_them() {
    let config = parse(
        "#=== site.toml\ninclude = [\"conf.d/\", \"role:roles/web\"]\n[[file]]\npath = \"/0\"\nsource = \"files/x\"\n\
         #=== conf.d/a.toml\ninclude = [\"../more/b.toml\"]\n[[file]]\npath = \"/1\"\ntemplate = \"x.j2\"\n\
         #=== more/b.toml\n[[file]]\npath = \"/2\"\nsource = \"/srv/x\"\n[[user]]\nname = \"ana\"\nhome = \"/home/ana\"\nssh_public_key = \"id.pub\"\nssh_private_key = \"id\"\n\
         [[package_repo]]\nname = \"lab\"\nuris = [\"https://repo.example.org/x\"]\nsource = \"lab.asc\"\nfingerprint = \"0123456789ABCDEF0123456789ABCDEF01234567\"\n\
         #=== roles/web/role.toml\n[[file]]\npath = \"/3\"\nsource = \"bkt://x\"\n[[file]]\npath = \"/4\"\nsource = \"../files/y\"\n[bucket.bkt]\nurl = \"h\"\nname = \"n\"\n",
    );
    let wanted = [
        "/srv/x",
        "more/id.pub",
        "more/id",
        "more/lab.asc",
        "conf.d/x.j2",
        "bkt://x",
        "roles/web/../files/y",
        "files/x",
    ];
    assert_eq!(sources(&config), wanted);
}

const ROLE: &str = "#=== roles/web/role.toml\n[params]\nname = {}\nport = { default = 80, desc = \"where it listens\" }\nalso = { default = [] }\nhost = { default = \"{{ facts.hostname }}\" }\n\
                    [[file]]\npath = \"/etc/{{ params.name }}\"\ncontent = \"{{ params.port }} {{ params.host }} {{ vars.zone }}\"\n\
                    [[group]]\nfor_each = \"{{ params.also }}\"\nname = \"{{ params.name }}-{{ each.value }}\"\nwhen = \"params.port > 80\"\n";

#[test]
fn a_role_is_included_as_often_as_its_params_differ() {
    let config = parse(&format!(
        "#=== site.toml\ninclude = [\n {{ role = \"roles/web\", name = \"shop\", port = \"{{{{ vars.port }}}}\", also = [\"a\", \"b\"] }},\n {{ role = \"roles/web\", name = \"{{{{ facts.hostname }}}}-blog\" }},\n]\n[vars]\nport = 8080\nzone = \"z\"\n{ROLE}"
    ));
    let wanted = [
        "file:/etc/shop",
        "group:shop-a",
        "group:shop-b",
        "file:/etc/red-blog",
    ];
    assert_eq!(ids(&config), wanted);
    let own = |block: usize| config.blocks[block].own["params"].clone();
    assert_eq!(own(0)["port"].as_integer(), Some(8080));
    assert_eq!(own(3)["port"].as_integer(), Some(80));
    assert_eq!(own(3)["host"].as_str(), Some("red"));
    assert!(config.blocks[1].own.contains_key("each"));
}

#[test]
fn a_role_passes_its_params_on() {
    let config = parse(
        "#=== site.toml\ninclude = [{ role = \"a\", n = \"x\" }, { role = \"a\", n = \"y\" }]\n\
         #=== a/role.toml\ninclude = [{ role = \"../b\", n = \"{{ params.n }}-b\" }]\n[params]\nn = {}\n[[group]]\nname = \"{{ params.n }}\"\n\
         #=== b/role.toml\n[params]\nn = {}\n[[group]]\nname = \"{{ params.n }}\"\n",
    );
    assert_eq!(
        ids(&config),
        ["group:x-b", "group:x", "group:y-b", "group:y"]
    );
}

#[test]
fn a_role_tells_nobody_else_its_params() {
    let (_, told) = faults(
        "#=== site.toml\ninclude = [{ role = \"a\", n = \"x\" }]\n#=== a/role.toml\ninclude = [\"../b.toml\"]\n[params]\nn = {}\n\
         #=== b.toml\n[[group]]\nname = \"{{ params.n }}\"\n",
    );
    assert!(
        told[0].what.contains("in the file of a role alone"),
        "{told:#?}"
    );
}

#[test]
fn a_secret_may_not_go_into_a_param() {
    let gathered = gather(&tree(
        "#=== site.toml\ninclude = [{ role = \"a\", content = \"{{ secret.db }}\" }]\n[secret.db]\nenv = \"DB\"\n\
         #=== a/role.toml\n[params]\ncontent = {}\n[[group]]\nname = \"g\"\n",
    ));
    let scope = scope(given(&gathered));
    let told = config::parse(gathered.files, scope).err().unwrap();
    assert!(
        told[0].what.contains("a secret may not go into a param"),
        "{told:#?}"
    );
    assert!(!format!("{told:?}").contains("hunter2"));
}

#[test]
fn a_role_may_be_told_the_name_of_a_secret() {
    let config = parse(
        "#=== site.toml\ninclude = [{ role = \"a\", password = \"db\" }]\n[secret.db]\nenv = \"DB\"\n\
         #=== a/role.toml\n[params]\npassword = {}\n[[file]]\npath = \"/x\"\ncontent = \"{{ secret[params.password] }}\"\n",
    );
    assert!(config.blocks[0].sensitive);
}

#[test]
fn tags_of_a_file_are_those_of_what_it_includes() {
    let gathered = gather(&tree(
        "#=== site.toml\ninclude = [\"a.toml\"]\ntags = [\"web\"]\n#=== a.toml\n[[group]]\nname = \"a\"\n",
    ));
    let mut given = given(&gathered);
    given.tags.insert("web".to_owned());
    let config = config::parse(gathered.files, scope(given)).ok().unwrap();
    assert!(!config.blocks[0].reads().is_empty(), "it is left out");
}

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

/// I4: whoever sends files sends all of them, and no others.
#[test]
fn a_target_judges_the_files_anew() {
    let parse = |files: Vec<File>, included| {
        let given = Given {
            included,
            ..Given::default()
        };
        let told = config::parse(files, scope(given)).err();
        told.map(|faults| faults[0].what.clone())
    };
    let site = || file("site.toml", "include = [\"a.toml\"]\n");
    assert_eq!(parse(vec![site(), file("a.toml", "")], 1), None);
    assert_eq!(parse(vec![site()], 0).unwrap(), "there is no file a.toml");
    assert_eq!(
        parse(vec![site(), file("a.toml", ""), file("b.toml", "")], 2).unwrap(),
        "no file includes this one"
    );
    assert!(
        parse(vec![site(), file("a.toml", "")], 0)
            .unwrap()
            .contains("named to hpt itself")
    );
    let many = (0..300).map(|i| file(&format!("d/{i}.toml"), ""));
    let files = std::iter::once(file("site.toml", "include = [\"d/\"]\n")).chain(many);
    assert!(
        parse(files.collect(), 300)
            .unwrap()
            .contains("at most 256 files")
    );
    let long = "#".repeat(900_000);
    let files = vec![
        file("site.toml", "include = [\"d/\"]\n"),
        file("d/a.toml", &long),
        file("d/b.toml", &long),
    ];
    assert!(
        parse(files, 2)
            .unwrap()
            .contains("at most 1536 KiB together")
    );
}

#[test]
fn roles_that_multiply_are_stopped() {
    let mut text = "#=== site.toml\ninclude = [\"role:r0\", \"role:r0\"]\n".to_owned();
    for i in 0..14 {
        let next = i + 1;
        text +=
            &format!("#=== r{i}/role.toml\ninclude = [\"role:../r{next}\", \"role:../r{next}\"]\n");
    }
    text += "#=== r14/role.toml\n[[group]]\nname = \"a\"\n";
    let (_, told) = faults(&text);
    assert!(
        told.iter()
            .any(|fault| fault.what.contains("at most 1000 files and roles in all")),
        "{told:#?}"
    );
    assert!(told.len() <= 120, "{}", told.len());
    let mut text = "#=== site.toml\ninclude = [\"a0.toml\"]\n".to_owned();
    for i in 0..20 {
        text += &format!("#=== a{i}.toml\ninclude = [\"a{}.toml\"]\n", i + 1);
    }
    text += "#=== a20.toml\n";
    let (_, told) = faults(&text);
    assert!(told[0].what.contains("more than 16 deep"), "{told:#?}");
}

/// One case each: the file and place of the first fault, words of it, and a tree.
#[test]
fn every_bad_tree_is_refused_at_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/trees");
    let all = fs::read_to_string(folder.join("bad.txt")).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in all.split("#--- ").skip(1) {
        let (head, text) = case.split_once('\n').unwrap();
        let (place, words) = head.split_once(' ').unwrap();
        let (files, told) = faults(text);
        let first = told.iter().find(|fault| fault.is_error()).unwrap();
        let at = first.place.as_ref().map_or(String::new(), |place| {
            let file = &files[place.file];
            let (line, column) = place.line_column(&file.text);
            format!("{}:{line}:{column}", file.name)
        });
        if at != place || !first.what.contains(words) {
            wrong.push(format!(
                "wanted {place} {words:?}, got {at} {}\n{text}",
                first.what
            ));
        }
        count += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count >= 30, "{count} cases");
}
