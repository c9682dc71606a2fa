//! Success: every place where a secret may go, and nowhere else, however often it is planned,
//! provisioned and looked at.

use std::fs;

use super::case::Case;
use super::search::ENVIRON;
use super::world::World;

const SITE: &str = r#"
[vars]
port = 80

[[file]]
path = "OUT/content"
content = "url=postgres://app:{{ secret.content }}@db/{{ vars.port }}\n"

[[file]]
path = "OUT/lone"
content = "{{ secret.env }}"
mode = "0640"

[[file]]
path = "OUT/template"
template = "page.j2"

[[file]]
path = "OUT/template_vars"
template = "vars.j2"
template_vars = { word = "{{ secret.vars }}" }

[[file]]
path = "OUT/source"
source = "source"
sensitive = true

[[file]]
path = "OUT/literal"
content = "LITERAL"
sensitive = true

[[file]]
path = "OUT/verified"
content = "{{ secret.verified }}\n"
verify = "/bin/grep -q . %s"

[[exec]]
script = """
printf %s '{{ secret.script }}' > OUT/script
printf '%s\n' '{{ secret.script }}'
"""
creates = "OUT/script"

[[exec]]
id = "stdin"
script = "tee OUT/stdin; cat OUT/stdin >&2"
stdin = "{{ secret.stdin }}"
creates = "OUT/stdin"

[[exec]]
id = "env"
script = "printf '%s' \"$WORD\" > OUT/env; env"
env = { WORD = "{{ secret.env_of_exec }}" }
creates = "OUT/env"
"#;

#[test]
fn what_succeeds_keeps_its_secrets() {
    let Some(world) = World::serving(1) else {
        return;
    };
    let mut case = world.case("success");
    let content = case.secret("content");
    let env = case.env_secret("env");
    let template = case.secret("template");
    let vars = case.secret("vars");
    let verified = case.secret("verified");
    let script = case.plain_secret("script");
    let stdin = case.secret("stdin");
    let env_of_exec = case.secret("env_of_exec");
    let source = case.canary("source");
    let literal = case.plain("literal");
    case.file("page.j2", "{# a page #}<{{ secret.template }}>\n");
    case.file("vars.j2", "<{{ word }}>\n");
    case.file("source", source.text());
    case.config(&SITE.replace("LITERAL", literal.text()));
    let old = case.canary("what was there");
    for name in ["script", "stdin", "env"] {
        // Nothing makes these anew while they are there.
        world.canaries.borrow_mut().may_rest(&case.out(name), &old);
    }
    let files = [
        ("content", &content),
        ("lone", &env),
        ("template", &template),
        ("template_vars", &vars),
        ("source", &source),
        ("literal", &literal),
        ("verified", &verified),
        ("script", &script),
        ("stdin", &stdin),
        ("env", &env_of_exec),
    ];
    world
        .canaries
        .borrow_mut()
        .may_rest(ENVIRON.as_ref(), &env_of_exec);
    for where_ in [&["--target", "web1"][..], &[]] {
        let with = |options: &[&str]| case.hpt(&[where_, options].concat());
        for form in [&[][..], &["--json"], &["-v"]] {
            with(&[form, &["plan"]].concat()).exits(0);
            with(&[form, &["plan", "--all"]].concat()).exits(0);
            with(&[form, &["provision"]].concat())
                .exits(0)
                .says("changed");
            for (name, canary) in files {
                world.holds(&case.out(name), canary);
            }
            with(&[form, &["provision"]].concat()).exits(0);
            with(&[form, &["plan"]].concat()).exits(0);
            // What is there already is a secret too.
            for (name, _) in files {
                fs::write(case.out(name), old.text()).unwrap();
            }
            with(&[form, &["plan"]].concat())
                .exits(0)
                .says("secret content changes, fingerprint");
            with(&[form, &["provision"]].concat())
                .exits(0)
                .says("changed");
            for (name, _) in files {
                fs::remove_file(case.out(name)).unwrap();
            }
        }
    }
    with_secrets_masked(&case);
    world.end(10);
}

/// Commands that print their secrets are heard, and what they say is masked.
fn with_secrets_masked(case: &Case<'_>) {
    case.remote(&["-v", "provision"]).exits(0).says("[secret]");
}
