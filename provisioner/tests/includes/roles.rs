//! Roles, and what they are told.

use hpt_provisioner::config;

use super::{faults, gather, given, ids, parse, scope, tree};

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
