//! What the workstation does not know is left to the target.

use hpt_provisioner::config;

use super::faults;
use super::scaffold::files;

#[test]
fn what_the_workstation_does_not_know_is_left_to_the_target() {
    let text = "[[file]]\npath = \"/a\"\ncontent = \"{{ facts.hostname }} {{ secret.x }}\"\n[secret.x]\nenv = \"X\"\n";
    assert!(config::check(&files(text), "web1", &config::Given::default()).is_ok());
    let text = "[[file]]\npath = \"/a\"\ncontent = \"{{ vars.nothing }}\"\n";
    let Err(told) = config::check(&files(text), "", &config::Given::default()) else {
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
    let check = |text: &str| config::check(&files(text), "web1", &config::Given::default());
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
fn an_assertion_about_the_target_is_left_to_it() {
    let text = "[[assert]]\nid = \"here\"\nthat = \"{{ facts.os == 'debian' }}\"\nmsg = \"no\"\n\
                [[group]]\nname = \"a\"\nafter = [\"here\"]\n";
    assert!(config::check(&files(text), "web1", &config::Given::default()).is_ok());
}

#[test]
fn a_secret_in_a_unit_is_told_before_any_host_is_asked() {
    let text = "[secret.s]\nenv = \"S\"\n[[unit]]\nname = \"a\"\ncontent = \"[Service]\\nEnvironment=A={{ secret.s }}\\n\"\n";
    let Err(told) = config::check(&files(text), "web1", &config::Given::default()) else {
        panic!("a unit took a secret");
    };
    assert!(told[0].what.contains("may not go into a unit"), "{told:#?}");
}
