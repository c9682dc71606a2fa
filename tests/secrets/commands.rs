//! Programs that fail, and say the secret they were given while they do; files that cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::search::ENVIRON;
use super::world::World;

/// Scripts that know `{{ secret.s }}`, and what is said of them. Each prints it.
const SCRIPTS: [(&str, &str); 9] = [
    ("printf '%s\\n' '{{ secret.s }}'; exit 3", "exited with 3"),
    (
        "printf '%s\\n' '{{ secret.s }}' >&2; kill -9 $$",
        "signal 9",
    ),
    ("printf '%s\\n' '{{ secret.s }}'; sleep 60", "within 1 s"),
    ("set -x; test '{{ secret.s }}' = x", "exited with 1"),
    ("'{{ secret.s }}'", "exited with 127"),
    (
        "printf '%s\\n' '{{ secret.s }}' | base64; exit 3",
        "exited with 3",
    ),
    (
        "printf 'ana:%s' '{{ secret.s }}' | base64 | tr +/ -_; exit 3",
        "exited with 3",
    ),
    (
        "printf '%s' '{{ secret.s }}' | od -An -v -tx1 | tr -d ' \\n'; exit 3",
        "exited with 3",
    ),
    (
        "s='{{ secret.s }}'; printf %s \"${s%????????}\"; sleep 0.1; printf '%s\\n' \"${s#????????????????????????}\"; exit 3",
        "exited with 3",
    ),
];

#[test]
fn a_command_that_fails_and_tells_is_masked() {
    let Some(world) = World::serving(5) else {
        return;
    };
    for (script, words) in SCRIPTS {
        let mut case = world.case("script");
        case.plain_secret("s");
        case.config(&format!(
            "[[exec]]\nscript = '''\n{script}\n'''\nalways = true\ntimeout = 1\n"
        ));
        case.fails(words);
    }
    for way in [
        "stdin = \"{{ secret.s }}\"",
        "env = { WORD = \"{{ secret.s }}\" }",
    ] {
        let mut case = world.case("way");
        let canary = case.secret("s");
        world
            .canaries
            .borrow_mut()
            .may_rest(ENVIRON.as_ref(), &canary);
        case.config(&format!("[[exec]]\nscript = '''cat; env; cat /proc/self/environ; exit 3'''\n{way}\nalways = true\n"));
        let ran = case.remote(&["-v", "provision"]).exits(1);
        assert!(
            ran.out.contains("[secret]"),
            "it was said, and masked: {}",
            ran.out
        );
        case.fails("exited with 3");
        case.config("pwd = \"/nowhere\"\n");
        case.fails("the directory /nowhere does not exist");
    }
    for (config, words) in [
        (
            "script = \"{{ secret.s }}\"\nuser = \"nobody-here\"",
            "does not exist",
        ),
        (
            "script = \"{{ secret.s }}\"\ninterpreter = \"/no/sh\"",
            "was not found",
        ),
        (
            "script = \"{{ secret.s }}\"\nonly_if = \"exit 0\"",
            "exited with 127",
        ),
    ] {
        let mut case = world.case("start");
        case.plain_secret("s");
        case.config(&format!("[[exec]]\n{config}\n"));
        case.fails(words);
    }
    world.end(11);
}

#[test]
fn a_file_that_cannot_be_written_is_not_shown() {
    let Some(world) = World::serving(6) else {
        return;
    };
    // /mnt is small: it takes the first page of a file, and not the second.
    let long = |secret: &str| format!("{secret}{}", "x".repeat(40_000));
    assert!(
        world
            .on_host(
                "mkdir /mnt/sealed; mount -t tmpfs -o ro none /mnt/sealed; ln -s loop /mnt/loop"
            )
            .success()
    );
    for (path, words) in [
        ("/mnt/full", "No space left"),
        ("/mnt/sealed/x", "Read-only"),
        ("/mnt/none/x", "does not exist"),
        ("/mnt/loop/x", "link"),
        ("/mnt", "is a directory"),
    ] {
        for field in ["content", "source"] {
            let mut case = world.case("write");
            let canary = case.plain_secret("s");
            case.file("source", long(canary.text()));
            case.file("page", long("{{ secret.s }}"));
            let from = match field {
                "content" => "template = \"page\"",
                _ => "source = \"source\"",
            };
            case.config(&format!(
                "[[file]]\npath = \"{path}\"\n{from}\nsensitive = true\n"
            ));
            case.fails(words);
        }
    }
    checked_by_a_program_that_tells(&world);
    accounts(&world);
    too_large(&world);
    world.end(14);
}

/// What checks a file repeats what is wrong with it.
fn checked_by_a_program_that_tells(world: &World) {
    for program in ["/bin/sh", "/bin/ls -d -- /none %s; cat"] {
        let mut case = world.case("verify");
        case.plain_secret("s");
        case.config(&format!("[[file]]\npath = \"OUT/x\"\ncontent = \"{{{{ secret.s }}}} (\\n\"\nverify = \"{program} %s\"\n"));
        case.fails("verify");
        assert!(!case.out("x").exists());
    }
    let mut case = world.case("verify");
    case.plain_secret("s");
    case.config("[[file]]\npath = \"OUT/x\"\ncontent = \"{{ secret.s }}\\n\"\nverify = \"/bin/grep -v -e x %s -e nothing --line-buffered -H /none\"\n");
    case.fails("[secret]");
}

/// A user with a password and a key, made by tools of the system; then by one that fails and tells.
fn accounts(world: &World) {
    let mut case = world.case("user");
    let hash = case.plain("hash");
    case.secret_is("hash", &format!("$6$salt${}", hash.text()));
    let key = case.plain("key");
    case.file(
        "id",
        format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
            key.text()
        ),
    );
    case.config("[[user]]\nname = \"ana\"\nhome = \"/home/ana\"\npassword_hash = \"{{ secret.hash }}\"\nssh_private_key = \"id\"\n");
    for options in [
        &["--json", "plan"][..],
        &["-v", "provision"],
        &["provision"],
        &["plan", "--all"],
    ] {
        case.remote(options).exits(0);
        case.hpt(options).exits(0);
    }
    world.holds(&world.host("/home/ana/.ssh/id_rsa"), &key);
    world.holds(&world.host("/etc/shadow"), &hash);
    let copies = ["/run/etc/shadow", "/etc/shadow-", "/run/etc/shadow-"];
    for path in copies.map(|path| world.host(path)) {
        world.canaries.borrow_mut().may_rest(&path, &hash);
    }

    let tool = world.place.path("out/chpasswd");
    fs::write(&tool, "#!/bin/sh\ncat\ncat >&2\nexit 5\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(
        world
            .on_host(&format!(
                "mount --bind {} /usr/sbin/chpasswd",
                tool.display()
            ))
            .success()
    );
    let mut case = world.case("user");
    let hash = case.plain("other hash");
    case.secret_is("hash", &format!("$6$salt${}", hash.text()));
    case.config("[[user]]\nname = \"ana\"\npassword_hash = \"{{ secret.hash }}\"\n");
    case.fails("[secret]");
    // The same from a password that stands in the config itself.
    let mut case = world.case("user");
    let hash = case.plain("literal hash");
    case.config(&format!(
        "[[user]]\nname = \"ana\"\npassword_hash = \"$6$salt${}\"\n",
        hash.text()
    ));
    case.fails("exited with 5");
}

/// What is too large to travel is refused with its size.
fn too_large(world: &World) {
    let mut case = world.case("large");
    let key = case.plain("key");
    case.file("id", key.text().repeat(40_000));
    case.config("[[user]]\nname = \"bo\"\nhome = \"/home/bo\"\nssh_private_key = \"id\"\n");
    case.always(3, "at most 1 MiB");
    let mut case = world.case("large");
    let secret = case.plain("secret");
    case.secret_is("s", &secret.text().repeat(3_000));
    case.config("[[file]]\npath = \"OUT/x\"\ncontent = \"{{ secret.s }}\"\n");
    case.always(3, "at most 64 KiB");
    let mut case = world.case("message");
    let secret = case.plain("secret");
    for number in 0..70 {
        case.secret_is(&format!("s{number}"), &secret.text().repeat(2_000));
    }
    case.config("[[file]]\npath = \"OUT/x\"\ncontent = \"{{ secret.s0 }}\"\n");
    case.remote(&["-v", "plan"]);
    case.remote(&["--json", "provision"]);
    // A sensitive source is none that lies in the store of the host.
    let mut case = world.case("store");
    let source = case.plain("source");
    case.file("source", source.text().repeat(10_000));
    case.config("[[file]]\npath = \"OUT/x\"\nsource = \"source\"\nsensitive = true\n");
    case.remote(&["-v", "provision"]).exits(0).says("changed 1");
    world.holds(&case.out("x"), &source);
}
