//! Configs that are wrong, with a secret in the very words that are wrong.

use super::case::Case;
use super::world::World;

/// A secret that somebody wrote into the config itself, as `CANARY`; it stays in that file.
const LITERAL: [(&str, &str); 29] = [
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npasswrod = \"CANARY\"",
        "unknown field `passwrod`",
    ),
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npasword = 'CANARY'",
        "unknown field `pasword`",
    ),
    (
        "[[user]]\nname = \"ana\"\npassword = \"CANARY\"",
        "unknown field `password`",
    ),
    (
        "[[user]]\nname = \"ana\"\npasswordhash = \"CANARY\"",
        "unknown field `passwordhash`",
    ),
    (
        "[[user]]\nname = \"ana\"\npassword_hash = [\"CANARY\"]",
        "password_hash",
    ),
    (
        "[[user]]\nname = \"ana\"\npassword_hash = \"CANARY\"",
        "no hash of a password",
    ),
    ("[[user]]\nname = \"ana\"\npassword_hash = CANARY", "error"),
    (
        "user = [{ name = \"ana\", password_hash = \"CANARY\" }]",
        "no hash of a password",
    ),
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npassword = { a = \"CANARY\" }",
        "password",
    ),
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npassword = [\n\"x\",\n\"CANARY\" ]",
        "password",
    ),
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npassword = \"CANARY\\n\"",
        "a password is one line",
    ),
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npassword = \"CANARY",
        "error",
    ),
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npassword = \"CANARY\\q\"",
        "escape",
    ),
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npassword = \"\"\"CANARY\nCANARY\\q\"\"\"",
        "escape",
    ),
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npassword = \"x\"\npassword = \"CANARY\"",
        "is there twice",
    ),
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npassword = \"{{ CANARY }}\"",
        "cannot be rendered",
    ),
    (
        "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\nkey = \"CANARY\"",
        "the private key itself",
    ),
    (
        "[[clone]]\nurl = \"https://ana:CANARY@h/x\"\ndest = \"/x\"",
        "no name and no password",
    ),
    (
        "[[file]]\npath = \"/x\"\nsensitive = true\ncontents = \"CANARY\"",
        "unknown field `contents`",
    ),
    (
        "[[file]]\npath = \"/x\"\nsensitive = true\ncontent = [\"CANARY\"]",
        "content",
    ),
    (
        "[[file]]\npath = \"/x\"\ncontent = [\"CANARY\"]\nsensitive = true",
        "content",
    ),
    (
        "[[exec]]\nscript = \"x\"\nalways = true\nstdin = [\"CANARY\"]",
        "stdin",
    ),
    (
        "[[exec]]\nscript = \"x\"\nalways = true\nenv = { A = [\"CANARY\"] }",
        "env",
    ),
    (
        "[[exec]]\nscript = \"x\"\nalways = true\n[exec.env]\nTOKEN = 5\nPASSWORD = [\"CANARY\"]",
        "error",
    ),
    ("[secret.db]\nvalue = \"CANARY\"", "[secret.db]"),
    ("[secret]\ndb = \"CANARY\"", "[secret.db]"),
    ("secret = \"CANARY\"", "[secret.NAME]"),
    ("[secret.db]\nenv = [\"CANARY\", 5]", "[secret.db]"),
    ("[secret.db]\nenv = \"CANARY\"", "[secret.db]"),
];

#[test]
fn a_secret_in_a_wrong_config_is_not_shown_with_it() {
    let Some(world) = World::serving(2) else {
        return;
    };
    for (config, words) in LITERAL {
        let mut case = world.case("literal");
        let canary = case.plain(config);
        case.config(&config.replace("CANARY", canary.text()));
        case.always(3, words);
        // A password may be any text, and then escapes and quotes get into its way.
        let mut case = world.case("literal");
        let canary = case.canary(config);
        let escaped = canary
            .text()
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('{', "");
        case.config(&config.replace("CANARY", &escaped));
        case.hpt(&["check"]);
        case.remote(&["--json", "plan"]);
    }
    world.end(58);
}

/// Fields that are shown, and what else is none of a secret's business.
const NOT_HERE: [&str; 18] = [
    "[[file]]\npath = \"{{ secret.s }}\"\ncontent = \"x\"",
    "[[file]]\npath = \"/x\"\ncontent = \"x\"\nowner = \"{{ secret.s }}\"",
    "[[file]]\npath = \"/x\"\ncontent = \"x\"\nmode = \"{{ secret.s }}\"",
    "[[file]]\npath = \"/x\"\nsymlink_to = \"{{ secret.s }}\"",
    "[[file]]\npath = \"/x\"\ncontent = \"x\"\nverify = \"/bin/test {{ secret.s }}\"",
    "[[group]]\nname = \"{{ secret.s }}\"",
    "[[user]]\nname = \"{{ secret.s }}\"",
    "[[user]]\nname = \"ana\"\ncomment = \"{{ secret.s }}\"",
    "[[user]]\nname = \"ana\"\nsudo = \"{{ secret.s }}\"",
    "[[package]]\nname = \"{{ secret.s }}\"",
    "[[service]]\nname = \"{{ secret.s }}\"\nstatus = \"started\"",
    "[[clone]]\nurl = \"https://ana:{{ secret.s }}@h/x\"\ndest = \"/x\"",
    "[[clone]]\nurl = \"https://h/x\"\ndest = \"/{{ secret.s }}\"",
    "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\nuser = \"{{ secret.s }}\"\npassword = \"x\"",
    "[[exec]]\nscript = \"x\"\nunless = \"test {{ secret.s }}\"",
    "[[exec]]\nscript = \"x\"\ncreates = \"/{{ secret.s }}\"",
    "[[exec]]\ncmd = \"/bin/echo\"\nargs = [\"--password\", \"{{ secret.s }}\"]\nalways = true",
    "[[exec]]\ncmd = \"/bin/{{ secret.s }}\"\nalways = true",
];

#[test]
fn a_secret_goes_into_no_field_that_is_shown_or_is_an_argument() {
    let Some(world) = World::serving(3) else {
        return;
    };
    for config in NOT_HERE {
        let mut case = world.case("not-here");
        case.secret("s");
        case.config(config);
        case.always(3, "a secret may not go into");
    }
    world.end(NOT_HERE.len());
}

/// Texts that cannot be rendered, or become something else than is wanted.
const TEXTS: [(&str, &str); 16] = [
    ("{{ secret.s.x.y }}", "in a template that uses a secret"),
    ("a {{ secret.s.x }}", "in a template that uses a secret"),
    ("{{ secret.s + 1 }}", "in a template that uses a secret"),
    ("a {{ secret.s | int }}", "in a template that uses a secret"),
    ("{{ secret.s | nonsense }}", "nonsense"),
    ("{{ secret.s() }}", "in a template that uses a secret"),
    ("{{ vars[secret.s] }}", "in a template that uses a secret"),
    ("a {{ vars[secret.s] }}", "in a template that uses a secret"),
    (
        "{{ [secret.s] | join(1, 2, 3) }}",
        "in a template that uses a secret",
    ),
    (
        "{{ {secret.s: secret.s}.x.y }}",
        "in a template that uses a secret",
    ),
    (
        "a {% set x = secret.s %}{{ x.y.z }}",
        "in a template that uses a secret",
    ),
    (
        "a {{ secret.s }}{{ secret.nothing }}",
        "there is no [secret.nothing] in the config",
    ),
    ("a {% include secret.s %}", "include"),
    (
        "{% for i in range(9999) %}{% for i in range(9999) %}{{ secret.s }}{% endfor %}{% endfor %}",
        "in a template that uses a secret",
    ),
    (
        "a {% if secret.s %}{{ vars.nothing.more }}{% endif %}",
        "in a template that uses a secret",
    ),
    ("{{ [secret.s, secret.s] }}", "which may hold a secret"),
];

#[test]
fn a_template_that_fails_does_not_show_what_it_was_given() {
    let Some(world) = World::serving(4) else {
        return;
    };
    for (text, words) in TEXTS {
        let mut case = world.case("template");
        case.secret("s");
        case.config(&format!(
            "[[file]]\npath = \"OUT/x\"\ncontent = \"{text}\"\n"
        ));
        case.always(3, words);
    }
    for (text, words) in &TEXTS[..15] {
        let mut case = world.case("template-file");
        case.secret("s");
        case.file("page.j2", format!("a page\n{text}\n"));
        case.config("[[file]]\npath = \"OUT/x\"\ntemplate = \"page.j2\"\n");
        if words.starts_with("in a") {
            fails_as_planned(&case, words);
        }
    }
    wrong_forms(&world);
    all_of_them(&world);
    world.end(34);
}

/// A template is looked at when its block is planned: then the block is blocked.
fn fails_as_planned(case: &Case<'_>, words: &str) {
    case.remote(&["plan"]).exits(1).says(words);
    case.remote(&["--json", "-v", "provision"])
        .exits(1)
        .says(words);
    case.hpt(&["-v", "provision"]).exits(1).says(words);
}

fn wrong_forms(world: &World) {
    for (config, words) in [
        (
            "[[user]]\nname = \"ana\"\npassword_hash = \"{{ secret.s }}\"",
            "no hash of a password",
        ),
        (
            "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\nkey = \"{{ secret.s }}\"",
            "the private key itself",
        ),
        (
            "[[clone]]\nurl = \"https://h/x\"\ndest = \"/x\"\npassword = \"a\\n{{ secret.s }}\"",
            "a password is one line",
        ),
        (
            "[[exec]]\nscript = \"x\"\nalways = true\nenv = { \"A-B\" = \"{{ secret.s }}\" }",
            "the name of a variable",
        ),
        (
            "[[exec]]\nscript = \"x\"\nalways = true\nenv = { LD_X = \"{{ secret.s }}\" }",
            "LD_*",
        ),
        (
            "[[exec]]\nscript = \"{{ secret.s }}\"\ncmd = \"/bin/x\"\nalways = true",
            "not both",
        ),
    ] {
        let mut case = world.case("wrong-form");
        case.secret("s");
        case.config(config);
        case.always(3, words);
    }
}

/// Nobody gets all secrets without naming them.
fn all_of_them(world: &World) {
    for text in [
        "{{ secret }}",
        "a {{ secret }}",
        "{{ secret | tojson }}",
        "a{{ secret | items }}",
        "a{% for s in secret %}{{ s }}{% endfor %}",
    ] {
        let mut case = world.case("all");
        case.secret("s");
        case.config(&format!(
            "[[file]]\npath = \"OUT/x\"\ncontent = \"{text}\"\n"
        ));
        case.remote(&["-v", "provision"]);
        case.hpt(&["--json", "provision"]);
    }
}
