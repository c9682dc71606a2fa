//! The original hpt: its configs parse and work, and its faults stay gone.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod scaffold;

use hpt_provisioner::config::{self, File};
use hpt_provisioner::effect::{Access, Effect};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::host::{EntryKind, Observe};
use hpt_provisioner::report::{Outcome, Report};
use hpt_provisioner::run::apply;
use scaffold::{Deaf, config, file, path};

fn run(text: &str, host: &mut Memory) -> Report {
    apply(&config(text), host, &mut Deaf)
}

fn text(host: &Memory, at: &str) -> Option<String> {
    let bytes = host.read(&path(at)).unwrap()?;
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// Every block and field that the original knew, in its own spelling.
const EVERYTHING: &str = r#"
packages = ["git", "wget"]
secret = 100

[bucket.bkt]
url = "nyc3.digitaloceanspaces.com"
name = "coleman"

[repo.somerepo]
url = "https://git.foo.com/keys"

[repo.project]
URL = "https://git.foo.com/project"
dest = "/opt/from-repo"

[[group]]
name = "wheel"
passwordless_sudo = true

[[group]]
name = "devs"
gid = "1099"

[[group]]
name = "old"
absent = true

[[user]]
name = "carlos"
home = "/home/carlos"
groups = ["wheel"]
ssh_public_key = "bkt://key.pub"
ssh_private_key = "somerepo://ssh-keys/key"
shell = "/bin/bash"
sudoers = true
absent = false

[[user]]
name = "skipper"
home = "/home/skipper"

[[clone]]
URL = "https://git.foo.com/project"
dest = "/opt/project"

[[exec]]
script = """
mv foo.txt /tmp
"""
user = "carlos"

[[exec]]
dir = "/opt/tmux"
user = "root"
script = """
sh autoconf.sh
./configure && make
"""

[[exec]]
cmd = "/usr/bin/env"
args = ["true"]
env = { A = "b" }
pwd = "/tmp"

[[file]]
path = "/opt/dest"
source = "bkt://some/file"
perms = "0600"
dir = false
owner = "carlos"
group = "devs"

[[file]]
path = "/opt/gone"
remove = true

[[service]]
name = "nginx"
status = "started"
enabled = true

[[service]]
name = "four"
status = "restarted"

[[package]]
name = "nginx"
state = "installed"
"#;

#[test]
fn everything_that_the_original_spelled_parses() {
    let files = [File {
        name: "everything.toml".to_owned(),
        text: EVERYTHING.to_owned(),
    }];
    let outline = match config::check(&files, "", &config::Given::default()) {
        Ok(outline) => outline,
        Err(faults) => panic!("{faults:#?}"),
    };
    assert_eq!(outline.needs.len(), 3, "{:?}", outline.needs);
    assert_eq!(config(EVERYTHING).blocks.len(), 16);
}

#[test]
fn removing_a_file_removes_it_and_does_not_make_it_again() {
    let mut host = Memory::new(Facts::default());
    host.put(&file("/etc/gone", "x", Access::default()));
    for spelling in ["remove", "absent"] {
        host.put(&file("/etc/gone", "x", Access::default()));
        let block = format!("[[file]]\npath = \"/etc/gone\"\n{spelling} = true\n");
        assert_eq!(run(&block, &mut host).count(Outcome::Changed), 1);
        assert_eq!(host.path(&path("/etc/gone")).unwrap(), None);
        assert_eq!(run(&block, &mut host).count(Outcome::Ok), 1);
    }
}

#[test]
fn sudo_and_keys_are_written_once_and_never_appended() {
    let mut host = Memory::new(Facts::default());
    for dir in ["/usr/sbin", "/etc/sudoers.d"] {
        host.put(&Effect::MakeDir {
            path: path(dir),
            access: Access::default(),
        });
    }
    host.put(&file("/usr/sbin/visudo", "", Access::default()));
    let block = "[[group]]\nname = \"wheel\"\npasswordless_sudo = true\n\
                 [[user]]\nname = \"ana\"\nhome = \"/home/ana\"\nsudoers = true\n\
                 ssh_public_key = \"ssh-ed25519 AAAAkey ana\"\n";
    for round in 0..3 {
        let report = run(block, &mut host);
        assert!(report.succeeded(), "{report:#?}");
        let changed = if round == 0 { 2 } else { 0 };
        assert_eq!(
            report.count(Outcome::Changed),
            changed,
            "round {round}: {report:#?}"
        );
        let sudoers = text(&host, "/etc/sudoers.d/hpt-group-wheel").unwrap();
        assert_eq!(sudoers, "%wheel ALL=(ALL:ALL) NOPASSWD: ALL\n");
        let sudoers = text(&host, "/etc/sudoers.d/hpt-user-ana").unwrap();
        assert_eq!(sudoers, "ana ALL=(ALL:ALL) NOPASSWD: ALL\n");
        let keys = text(&host, "/home/ana/.ssh/authorized_keys").unwrap();
        assert_eq!(keys, "ssh-ed25519 AAAAkey ana\n");
    }
    assert_eq!(
        text(&host, "/etc/sudoers"),
        None,
        "/etc/sudoers itself is not touched"
    );
}

#[test]
fn what_is_there_already_is_no_failure() {
    let mut host = Memory::new(Facts::default());
    host.put(&Effect::MakeDir {
        path: path("/opt/app"),
        access: Access::default(),
    });
    let dir = "[[file]]\npath = \"/opt/app\"\ndir = true\n";
    assert_eq!(run(dir, &mut host).count(Outcome::Ok), 1);
    let clone = "[[clone]]\nurl = \"https://git.foo.com/project\"\ndest = \"/opt/app\"\n";
    let planned = hpt_provisioner::plan::plan(
        &config(clone),
        &host,
        hpt_provisioner::plan::Reveal::Content,
    );
    assert_eq!(
        planned.blocks[0].verdict,
        hpt_provisioner::plan::Verdict::Create
    );
}

#[test]
fn missing_parents_of_a_directory_are_made() {
    let mut host = Memory::new(Facts::default());
    let report = run(
        "[[file]]\npath = \"/srv/a/b/c\"\ndir = true\nmode = \"0700\"\n",
        &mut host,
    );
    assert!(report.succeeded());
    for (at, mode) in [
        ("/srv/a", "0755"),
        ("/srv/a/b", "0755"),
        ("/srv/a/b/c", "0700"),
    ] {
        let entry = host.path(&path(at)).unwrap().unwrap();
        assert_eq!(
            (entry.kind, entry.mode.to_string().as_str()),
            (EntryKind::Dir, mode),
            "{at}"
        );
    }
}

#[test]
fn a_run_stops_at_an_error_and_every_block_has_an_outcome() {
    let mut host = Memory::new(Facts::default());
    let text = "[[group]]\nname = \"a\"\n[[file]]\npath = \"/x\"\ncontent = \"\"\nowner = \"nobody-here\"\n[[group]]\nname = \"b\"\n";
    let report = run(text, &mut host);
    let outcomes: Vec<_> = report.blocks.iter().map(|b| b.outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::Changed, Outcome::Failed, Outcome::NotRun]
    );
    assert!(
        report.blocks[1]
            .note
            .contains("the user nobody-here does not exist"),
        "{report:#?}"
    );
}
