//! What of several files runs, where, and when.

use hpt_provisioner::block::Block;
use hpt_provisioner::config::{self, Config};

use super::{gather, given, ids, parse, scope, tree};

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
