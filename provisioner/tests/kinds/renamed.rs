//! What `facts.hostname` is in a config that gives the host its name: a second run changes nothing.

use hpt_provisioner::fault::Fault;
use hpt_provisioner::host::setting::Setting;

use super::*;

/// A text as a host reads it that is called so.
fn read(text: &str, hostname: &str) -> Result<Config, Vec<Fault>> {
    let facts = Facts {
        hostname: hostname.to_owned(),
        ..Facts::default()
    };
    let known = Scope {
        facts: Some(facts),
        ..scope(&[])
    };
    config::parse(files(text), known)
}

fn config_on(text: &str, hostname: &str) -> Config {
    read(text, hostname).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn faults(text: &str) -> Vec<String> {
    let faults = read(text, "bare").err().unwrap();
    faults.into_iter().map(|fault| fault.what).collect()
}

#[test]
fn a_renamed_host_is_called_by_its_new_name_everywhere() {
    let text = r#"
[[file]]
path = "/before"
content = "{{ facts.hostname }}\n"

[[hostname]]
name = "other"
when = "facts.hostname != 'other'"

[[file]]
path = "/hn"
content = "{{ facts.hostname }}\n"

[[file]]
path = "/only"
content = ""
when = "facts.hostname == 'bare'"

[[exec]]
id = "x"
script = "true"
always = true

[[file]]
path = "/late"
content = "{{ facts.hostname }} {{ result.x.changed }}\n"
"#;
    let mut host = system::host();
    let report = apply(&config_on(text, "bare"), &mut host, &mut ());
    assert!(report.succeeded(), "{report:#?}");
    let name = system::value(&host, &Setting::Hostname).unwrap();
    assert_eq!(
        (&*name, &*host.text("/before"), &*host.text("/hn")),
        ("other", "other\n", "other\n")
    );
    assert_eq!(host.text("/late"), "other true\n");
    assert!(host.entry("/only").is_none());
    let second = plan(&config_on(text, &name), &host, Reveal::Content);
    let files = second.blocks.iter().filter(|b| b.id.starts_with("file:"));
    for block in files.filter(|block| block.id != "file:/late") {
        assert!(!block.verdict.is_pending(), "{block:#?}");
    }
    assert!(!second.blocks[1].verdict.is_pending(), "{second:#?}");
}

#[test]
fn a_block_that_is_left_out_names_nobody() {
    let text = "[[hostname]]\nname = \"other\"\nwhen = false\n[[file]]\npath = \"/hn\"\ncontent = \"{{ facts.hostname }}\"\n";
    let mut host = system::host();
    let report = apply(&config_on(text, "bare"), &mut host, &mut ());
    assert!(report.succeeded(), "{report:#?}");
    assert_eq!(host.text("/hn"), "bare");
}

#[test]
fn a_name_that_would_grow_with_each_run_is_refused() {
    let text = "[[hostname]]\nname = \"{{ facts.hostname }}.example.org\"\n";
    assert_eq!(
        faults(text),
        ["this is made of `facts.hostname`, and would be another name in each run"]
    );
    let text =
        "[[hostname]]\nname = \"{{ facts.hostname | replace('.example.org', '') }}.example.org\"\n";
    let mut host = system::host();
    let report = apply(&config_on(text, "bare"), &mut host, &mut ());
    assert!(report.succeeded(), "{report:#?}");
}

#[test]
fn a_name_that_only_the_run_knows_is_nobody_s_yet() {
    let text = r#"
[[exec]]
id = "cloud"
script = "echo web7"
always = true

[[hostname]]
id = "name"
name = "{{ result.cloud.stdout }}"

[[file]]
path = "/hn"
content = "{{ facts.hostname }}"
"#;
    assert_eq!(
        faults(text),
        ["`facts.hostname` is not known before the block `name` has run"]
    );
    let (alone, _) = text.split_once("[[file]]").unwrap();
    read(alone, "bare").unwrap_or_else(|faults| panic!("{faults:#?}"));
}
