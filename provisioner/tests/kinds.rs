//! What each kind of block promises, on hosts in memory: what it decides, and that a second run
//! changes nothing. The faults of the original hpt each have their case here.

#![allow(clippy::unwrap_used, reason = "what a test leans on must hold")]

use std::collections::BTreeMap;
use std::sync::Arc;

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config, File};
use hpt_provisioner::effect::{
    Access, Command, Content, Effect, GroupEdit, Transaction, UserEdit, UserShape, Want, WriteFile,
};
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::host::{
    Checkout, Done, Entry, Group, Hash, HostError, Key, Mutate, Observe, Package, Powers, Progress,
    Unit, User,
};
use hpt_provisioner::name::{AbsPath, GroupName, Mode, PackageName, UnitName, UserName};
use hpt_provisioner::plan::{Plan, Planned, Reveal, Verdict, plan};
use hpt_provisioner::report::{Event, Outcome};
use hpt_provisioner::run::{Witness, apply};
use hpt_provisioner::secret::Secret;
use hpt_provisioner::source::{Blob, Source};

struct Deaf;

impl Witness for Deaf {
    fn tell(&mut self, _: Event) {}

    fn go_on(&mut self) -> bool {
        true
    }
}

/// A memory host that lacks powers, or has units that the memory host cannot have.
struct Host {
    inner: Memory,
    powers: Powers,
    unit: Option<Unit>,
    half_configured: bool,
}

impl Host {
    /// What a running Debian host has to begin with.
    fn new() -> Self {
        let mut inner = Memory::new(Facts::default());
        for dir in ["/usr/sbin", "/etc/sudoers.d"] {
            inner.put(&Effect::MakeDir {
                path: path(dir),
                access: Access::default(),
            });
        }
        inner.put(&written("/usr/sbin/visudo", "", 0o755));
        let powers = inner.powers();
        Self {
            inner,
            powers,
            unit: None,
            half_configured: false,
        }
    }

    fn text(&self, at: &str) -> String {
        let bytes = self
            .inner
            .read(&path(at))
            .unwrap()
            .unwrap_or_else(|| panic!("no file {at}"));
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn entry(&self, at: &str) -> Option<Entry> {
        self.inner.path(&path(at)).unwrap()
    }
}

macro_rules! pass_on {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        $(fn $name(&self, $($arg: $type),*) -> $out { self.inner.$name($($arg),*) })*
    };
}

impl Observe for Host {
    pass_on! {
        facts() -> &Facts;
        prefetch(keys: &[Key]) -> ();
        path(path: &AbsPath) -> Result<Option<Entry>, HostError>;
        holds_besides(dir: &AbsPath, gone: &[AbsPath]) -> Result<bool, HostError>;
        hash(path: &AbsPath) -> Result<Option<Hash>, HostError>;
        read(path: &AbsPath) -> Result<Option<Arc<[u8]>>, HostError>;
        user(name: &UserName) -> Result<Option<User>, HostError>;
        group(name: &GroupName) -> Result<Option<Group>, HostError>;
        group_numbered(gid: u32) -> Result<Option<GroupName>, HostError>;
        checkout(path: &AbsPath) -> Result<Option<Checkout>, HostError>;
        blob(hash: &Hash) -> Result<Option<Arc<[u8]>>, HostError>;
        has_blob(hash: &Hash) -> bool;
        fingerprint(secret: &[u8]) -> String;
    }

    fn powers(&self) -> Powers {
        self.powers
    }

    fn package(&self, name: &PackageName) -> Result<Option<Package>, HostError> {
        let configured = !self.half_configured;
        Ok(self
            .inner
            .package(name)?
            .map(|p| Package { configured, ..p }))
    }

    fn unit(&self, name: &UnitName) -> Result<Option<Unit>, HostError> {
        self.unit
            .clone()
            .map_or_else(|| self.inner.unit(name), |unit| Ok(Some(unit)))
    }
}

impl Mutate for Host {
    fn perform(
        &mut self,
        batch: &[Effect],
        tell: &mut dyn FnMut(usize, Progress),
    ) -> Vec<Result<Done, HostError>> {
        for effect in batch {
            if matches!(effect, Effect::Packages(_)) {
                self.half_configured = false;
            }
        }
        self.inner.perform(batch, tell)
    }

    fn guard(&mut self, guard: &Command) -> Result<bool, HostError> {
        self.inner.guard(guard)
    }

    fn pause(&mut self, time: std::time::Duration) {
        self.inner.pause(time);
    }
}

fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

fn written(at: &str, text: &str, mode: u32) -> Effect {
    Effect::WriteFile(WriteFile {
        path: path(at),
        content: Content::Inline(text.as_bytes().into()),
        access: Access {
            mode: Some(Mode::new(mode)),
            ..Access::default()
        },
        verify: None,
        secret: false,
    })
}

fn directory(at: &str) -> Effect {
    Effect::MakeDir {
        path: path(at),
        access: Access::default(),
    }
}

fn config_with(text: &str, blobs: BTreeMap<Source, Blob>) -> Config {
    let files = vec![File {
        name: "site.toml".to_owned(),
        text: text.to_owned(),
    }];
    let secrets = BTreeMap::from([
        ("db".to_owned(), Secret::new("hunter2".to_owned())),
        ("hash".to_owned(), Secret::new("$6$salt$hash".to_owned())),
    ]);
    let facts = Some(Facts::default());
    let scope = Scope {
        facts,
        secrets: Some(secrets),
        blobs,
        ..Scope::default()
    };
    config::parse(files, scope).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn config(text: &str) -> Config {
    config_with(text, BTreeMap::new())
}

fn look(config: &Config, host: &Host) -> Plan {
    plan(config, host, Reveal::Content)
}

fn only(plan: Plan) -> Planned {
    let [planned] = <[Planned; 1]>::try_from(plan.blocks).unwrap();
    planned
}

/// The one block of a text, planned.
fn planned(text: &str, host: &Host) -> (Verdict, String) {
    let planned = only(look(&config(text), host));
    (planned.verdict, planned.summary)
}

fn blocked(text: &str, host: &Host) -> String {
    let (verdict, why) = planned(text, host);
    assert_eq!(verdict, Verdict::Blocked, "{why}");
    why
}

/// Applies a text, and once more: the first run changes, the second changes nothing and says so.
fn settles(text: &str, host: &mut Host) {
    settles_with(&config(text), host);
}

fn settles_with(config: &Config, host: &mut Host) {
    let first = apply(config, host, None, &mut Deaf).unwrap();
    assert!(first.succeeded(), "{first:#?}");
    assert!(first.count(Outcome::Changed) > 0, "{first:#?}");
    let left = look(config, host);
    assert!(left.is_empty(), "{left:#?}");
    let second = apply(config, host, None, &mut Deaf).unwrap();
    assert_eq!(
        second.count(Outcome::Ok),
        config.blocks.len(),
        "{second:#?}"
    );
}

// Files.

#[test]
fn removing_a_file_that_is_gone_does_not_make_it() {
    // The original fell through from removal to creation.
    let mut host = Host::new();
    host.inner.put(&written("/etc/old", "x", 0o644));
    for spelling in ["absent", "remove"] {
        let text = format!("[[file]]\npath = \"/etc/old\"\n{spelling} = true\n");
        if spelling == "absent" {
            assert_eq!(planned(&text, &host).0, Verdict::Delete);
            settles(&text, &mut host);
        }
        assert_eq!(planned(&text, &host).0, Verdict::Ok, "{spelling}");
        assert!(host.entry("/etc/old").is_none());
    }
}

#[test]
fn a_directory_is_made_with_its_parents_and_may_be_there() {
    let mut host = Host::new();
    let text = "[[file]]\npath = \"/srv/a/b\"\ndir = true\nmode = \"0750\"\n";
    settles(text, &mut host);
    let mode = |at| host.entry(at).unwrap().mode;
    assert_eq!(
        (mode("/srv/a"), mode("/srv/a/b")),
        (Mode::new(0o755), Mode::new(0o750))
    );
}

#[test]
fn a_wrong_mode_alone_is_set_right_without_writing_the_content() {
    let mut host = Host::new();
    host.inner.put(&written("/etc/x", "same\n", 0o644));
    let text = "[[file]]\npath = \"/etc/x\"\ncontent = \"same\\n\"\nmode = \"0600\"\n";
    assert_eq!(planned(text, &host), (Verdict::Update, "mode".to_owned()));
    settles(text, &mut host);
}

#[test]
fn a_file_and_a_directory_never_replace_each_other() {
    let mut host = Host::new();
    host.inner.put(&written("/etc/x", "", 0o644));
    let why = blocked("[[file]]\npath = \"/etc/x\"\ndir = true\n", &host);
    assert!(
        why.contains("/etc/x is a file and not a directory"),
        "{why}"
    );
    let why = blocked("[[file]]\npath = \"/opt\"\ncontent = \"\"\n", &host);
    assert!(why.contains("/opt is a directory and not a file"), "{why}");
    let why = blocked("[[file]]\npath = \"/etc/x\"\nsymlink_to = \"y\"\n", &host);
    assert!(why.contains("not a symbolic link"), "{why}");
}

#[test]
fn a_link_is_made_and_moved() {
    let mut host = Host::new();
    settles(
        "[[file]]\npath = \"/opt/now\"\nsymlink_to = \"v1\"\n",
        &mut host,
    );
    let moved = "[[file]]\npath = \"/opt/now\"\nsymlink_to = \"v2\"\n";
    assert_eq!(
        planned(moved, &host),
        (Verdict::Update, "v1 -> v2".to_owned())
    );
    settles(moved, &mut host);
}

#[test]
fn a_file_that_may_not_be_overwritten_is_only_made() {
    let mut host = Host::new();
    let text = "[[file]]\npath = \"/etc/x\"\ncontent = \"mine\"\noverwrite = false\n";
    settles(text, &mut host);
    host.inner.put(&written("/etc/x", "theirs", 0o644));
    assert_eq!(planned(text, &host).0, Verdict::Ok);
}

#[test]
fn what_a_file_lacks_is_named_in_the_plan() {
    let mut host = Host::new();
    let why = blocked("[[file]]\npath = \"/no/x\"\ncontent = \"\"\n", &host);
    assert!(why.contains("the directory /no does not exist"), "{why}");
    let why = blocked(
        "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\nowner = \"ana\"\n",
        &host,
    );
    assert!(why.contains("the user ana does not exist"), "{why}");
    let why = blocked(
        "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\ngroup = \"web\"\n",
        &host,
    );
    assert!(why.contains("the group web does not exist"), "{why}");
    host.powers.chown = false;
    host.inner.put(&Effect::User(user("ana")));
    let why = blocked(
        "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\nowner = \"ana\"\n",
        &host,
    );
    assert!(
        why.contains("only root can give a file to another"),
        "{why}"
    );
}

#[test]
fn a_file_with_a_secret_in_it_is_born_private() {
    let mut host = Host::new();
    let text = "[[file]]\npath = \"/etc/env\"\ncontent = \"DB={{ secret.db }}\\n\"\n";
    assert!(
        planned(text, &host).1.starts_with("0600"),
        "{:?}",
        planned(text, &host)
    );
    settles(text, &mut host);
    assert_eq!(host.entry("/etc/env").unwrap().mode, Mode::new(0o600));
    // Whoever says a mode gets it.
    let text = "[[file]]\npath = \"/etc/env2\"\ncontent = \"{{ secret.db }}\"\nmode = \"0640\"\n";
    settles(text, &mut host);
    assert_eq!(host.entry("/etc/env2").unwrap().mode, Mode::new(0o640));
}

#[test]
fn a_template_is_rendered_with_its_own_values_and_secrets_make_it_private() {
    let mut host = Host::new();
    let hash = host.inner.put_blob(b"{{ who }} {{ secret.db }}\n");
    let blobs = BTreeMap::from([(Source::File("x.j2".to_owned()), Blob { hash, size: 26 })]);
    let text =
        "[[file]]\npath = \"/etc/x\"\ntemplate = \"x.j2\"\ntemplate_vars = { who = \"ana\" }\n";
    let config = config_with(text, blobs);
    settles_with(&config, &mut host);
    assert_eq!(host.text("/etc/x"), "ana hunter2\n");
    assert_eq!(host.entry("/etc/x").unwrap().mode, Mode::new(0o600));
}

// Groups, users, sudo.

fn user(name: &str) -> UserEdit {
    UserEdit::Add {
        name: UserName::parse(name).unwrap(),
        as_: UserShape::default(),
        system: false,
        create_home: true,
    }
}

#[test]
fn sudo_is_one_line_however_often_it_is_asked_for() {
    // The original appended a line in each run.
    let mut host = Host::new();
    let text = "[[group]]\nname = \"wheel\"\npasswordless_sudo = true\n[[user]]\nname = \"ana\"\nsudo = \"nopasswd\"\n";
    settles(text, &mut host);
    settles(
        &text.replace("nopasswd", "ALL=(root) /usr/bin/apt"),
        &mut host,
    );
    assert_eq!(
        host.text("/etc/sudoers.d/hpt-group-wheel"),
        "%wheel ALL=(ALL:ALL) NOPASSWD: ALL\n"
    );
    assert_eq!(
        host.text("/etc/sudoers.d/hpt-user-ana"),
        "ana ALL=(root) /usr/bin/apt\n"
    );
    assert_eq!(
        host.entry("/etc/sudoers.d/hpt-user-ana").unwrap().mode,
        Mode::new(0o440)
    );
    // What no longer asks for it has it no longer.
    settles(
        "[[group]]\nname = \"wheel\"\n[[user]]\nname = \"ana\"\nabsent = true\n",
        &mut host,
    );
    for kind in ["group-wheel", "user-ana"] {
        assert!(
            host.entry(&format!("/etc/sudoers.d/hpt-{kind}")).is_none(),
            "{kind}"
        );
    }
}

#[test]
fn a_sudoers_file_that_sudo_would_ignore_is_not_in_place() {
    let mut host = Host::new();
    let text = "[[group]]\nname = \"wheel\"\npasswordless_sudo = true\n";
    settles(text, &mut host);
    host.inner.put(&Effect::User(user("ana")));
    host.inner.put(&Effect::SetAccess {
        path: path("/etc/sudoers.d/hpt-group-wheel"),
        access: Access {
            owner: Some(UserName::parse("ana").unwrap()),
            ..Access::default()
        },
    });
    assert_eq!(planned(text, &host).0, Verdict::Update);
    settles(text, &mut host);
}

#[test]
fn sudo_that_is_not_there_is_named() {
    let mut host = Host::new();
    host.inner.put(&Effect::Remove {
        path: path("/usr/sbin/visudo"),
        recursive: false,
    });
    let text = "[[group]]\nname = \"wheel\"\npasswordless_sudo = true\n";
    assert!(blocked(text, &host).contains("sudo is not installed"));
    let installed = format!("packages = [\"sudo\"]\n{text}");
    let verdicts: Vec<_> = look(&config(&installed), &host)
        .blocks
        .iter()
        .map(|b| b.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Create, Verdict::Maybe]);
}

#[test]
fn keys_are_there_once_and_private() {
    let mut host = Host::new();
    let hash = host.inner.put_blob(b"PRIVATE\n");
    let blobs = BTreeMap::from([(Source::File("id".to_owned()), Blob { hash, size: 8 })]);
    let text = "[[user]]\nname = \"ana\"\nhome = \"/home/ana\"\nssh_public_key = \"ssh-ed25519 AAAAana ana\"\nssh_private_key = \"id\"\nauthorized_keys = [\"ssh-ed25519 AAAAana again\", \"ssh-ed25519 AAAAbo bo\"]\n";
    settles_with(&config_with(text, blobs), &mut host);
    assert_eq!(
        host.text("/home/ana/.ssh/authorized_keys"),
        "ssh-ed25519 AAAAana ana\nssh-ed25519 AAAAbo bo\n"
    );
    for (file, mode) in [
        ("", 0o700),
        ("/id_rsa", 0o600),
        ("/id_rsa.pub", 0o644),
        ("/authorized_keys", 0o600),
    ] {
        let entry = host.entry(&format!("/home/ana/.ssh{file}")).unwrap();
        assert_eq!(entry.mode, Mode::new(mode), "{file}");
    }
}

#[test]
fn a_home_that_its_user_tampered_with_is_left_alone() {
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("ana")));
    host.inner.put(&Effect::Link {
        path: path("/home/ana/.ssh"),
        to: "/etc".to_owned(),
    });
    let text = "[[user]]\nname = \"ana\"\nauthorized_keys = [\"ssh-ed25519 AAAAana ana\"]\n";
    let why = blocked(text, &host);
    assert!(
        why.contains("/home/ana/.ssh") && why.contains("not a directory"),
        "{why}"
    );
}

#[test]
fn an_account_has_what_is_asked_for_and_keeps_the_rest() {
    let mut host = Host::new();
    let text = "[[group]]\nname = \"web\"\ngid = 1099\n[[group]]\nname = \"dev\"\n[[user]]\nname = \"ana\"\nuid = 1500\ngroup = \"web\"\ngroups = [\"dev\"]\nhome = \"/home/ana\"\nshell = \"/bin/bash\"\ncomment = \"Ana\"\npassword_hash = \"{{ secret.hash }}\"\n";
    settles(text, &mut host);
    let less = "[[user]]\nname = \"ana\"\nshell = \"/bin/sh\"\n";
    assert_eq!(
        planned(less, &host),
        (Verdict::Update, "shell /bin/bash -> /bin/sh".to_owned())
    );
    settles(less, &mut host);
    let ana = host
        .inner
        .user(&UserName::parse("ana").unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(
        (ana.comment.as_str(), ana.home.as_str()),
        ("Ana", "/home/ana")
    );
    assert_eq!(ana.groups, [GroupName::parse("dev").unwrap()]);
    let alone = "[[user]]\nname = \"ana\"\ngroups_exclusive = true\n";
    assert_eq!(
        planned(alone, &host),
        (Verdict::Update, "leaves dev".to_owned())
    );
    settles(alone, &mut host);
}

#[test]
fn a_group_that_is_nowhere_is_named() {
    let why = blocked(
        "[[user]]\nname = \"ana\"\ngroups = [\"ops\"]\n",
        &Host::new(),
    );
    assert!(why.contains("the group ops does not exist"), "{why}");
}

#[test]
fn members_join_and_others_stay() {
    let mut host = Host::new();
    for name in ["ana", "bo"] {
        host.inner.put(&Effect::User(user(name)));
    }
    settles("[[group]]\nname = \"dev\"\nmembers = [\"bo\"]\n", &mut host);
    settles(
        "[[group]]\nname = \"dev\"\nmembers = [\"ana\"]\n",
        &mut host,
    );
    let dev = host
        .inner
        .group(&GroupName::parse("dev").unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(dev.members.len(), 2);
    host.inner.put(&Effect::Group(GroupEdit::SetGid {
        name: GroupName::parse("dev").unwrap(),
        gid: 7,
    }));
    assert_eq!(
        planned("[[group]]\nname = \"dev\"\ngid = 8\n", &host),
        (Verdict::Update, "gid 7 -> 8".to_owned())
    );
}

// Packages, services.

#[test]
fn packages_are_one_transaction_and_half_configured_ones_are_not_in_place() {
    let mut host = Host::new();
    let text = "packages = [\"git\", \"curl\"]\n";
    assert_eq!(
        planned(text, &host),
        (Verdict::Create, "git, curl".to_owned())
    );
    settles(text, &mut host);
    host.half_configured = true;
    assert_eq!(planned(text, &host).0, Verdict::Update);
    settles(text, &mut host);
    settles("[[package]]\nname = \"git\"\nabsent = true\n", &mut host);
    settles(
        "[[package]]\nname = \"curl\"\nstate = \"absent\"\n",
        &mut host,
    );
}

#[test]
fn a_version_is_that_version() {
    let mut host = Host::new();
    let text = "[[package]]\nname = \"git\"\nversion = \"1:2.39.5-0+deb12u2\"\n";
    let want = Want {
        name: PackageName::parse("git").unwrap(),
        version: None,
    };
    host.inner.put(&Effect::Packages(Transaction {
        install: vec![want],
        ..Transaction::default()
    }));
    assert_eq!(planned(text, &host).0, Verdict::Update);
    settles(text, &mut host);
}

fn unit(active: &str, enabled: &str) -> Unit {
    Unit {
        active: active.into(),
        enabled: enabled.into(),
        condition_failed: false,
    }
}

#[test]
fn a_service_is_started_enabled_and_then_left_alone() {
    let mut host = Host::new();
    let text = "[[service]]\nname = \"nginx\"\nstatus = \"started\"\nenabled = true\n";
    let why = blocked(text, &host);
    assert!(why.contains("there is no unit nginx.service"), "{why}");
    host.inner.put_unit(UnitName::service("nginx").unwrap());
    settles(text, &mut host);
    settles(
        "[[service]]\nname = \"nginx\"\nstatus = \"stopped\"\nenabled = false\n",
        &mut host,
    );
    for again in ["restarted", "reloaded"] {
        let text = format!("[[service]]\nname = \"nginx\"\nstatus = \"{again}\"\n");
        for _ in 0..2 {
            let report = apply(&config(&text), &mut host, None, &mut Deaf).unwrap();
            assert_eq!(report.count(Outcome::Changed), 1, "{again}: {report:?}");
        }
    }
}

#[test]
fn a_unit_that_cannot_be_as_asked_says_why() {
    let mut host = Host::new();
    host.unit = Some(unit("inactive", "static"));
    let enabled = "[[service]]\nname = \"x\"\nenabled = true\n";
    assert!(blocked(enabled, &host).contains("it is static"));
    host.unit = Some(unit("inactive", "masked"));
    assert!(blocked(enabled, &host).contains("is masked"));
    host.unit = Some(Unit {
        condition_failed: true,
        ..unit("inactive", "enabled")
    });
    let (verdict, words) = planned("[[service]]\nname = \"x\"\nstatus = \"started\"\n", &host);
    assert_eq!(verdict, Verdict::Update);
    assert!(words.contains("condition"), "{words}");
}

// Clones, commands.

#[test]
fn a_clone_that_is_there_is_left_alone_and_another_one_is_not_replaced() {
    // The original failed if the destination was there.
    let mut host = Host::new();
    let text = "[[clone]]\nurl = \"https://git.example.org/app\"\ndest = \"/opt/app\"\n";
    settles(text, &mut host);
    let why = blocked(&text.replace("org/app", "org/other"), &host);
    assert!(
        why.contains("is a clone of https://git.example.org/app"),
        "{why}"
    );
    let tagged = format!("{text}rev = \"v2\"\n");
    assert_eq!(planned(&tagged, &host).0, Verdict::Update);
    settles(&tagged, &mut host);
    let mut host = Host::new();
    host.inner.put(&written("/opt/app", "", 0o644));
    assert!(blocked(text, &host).contains("is no directory"));
}

#[test]
fn a_primary_group_goes_by_name_or_by_number() {
    let mut host = Host::new();
    let numbered = "[[user]]\nname = \"ana\"\ngid = 1000\n";
    let why = blocked(numbered, &host);
    assert!(
        why.contains("no group has the number 1000; make it"),
        "{why}"
    );
    let made = format!("[[group]]\nname = \"staff\"\ngid = 1000\n{numbered}");
    settles(&made, &mut host);
    let name = GroupName::parse("staff").unwrap();
    let ana = host.inner.user(&UserName::parse("ana").unwrap()).unwrap();
    assert_eq!(ana.unwrap().group, Some(name));
    for same in [
        "gid = \"1000\"",
        "group = 1000",
        "group = \"staff\"",
        "gid = \"staff\"",
    ] {
        let text = numbered.replace("gid = 1000", same);
        assert_eq!(planned(&text, &host).0, Verdict::Ok, "{same}");
    }
    // A number that its group is about to lose.
    let moved = format!("[[group]]\nname = \"staff\"\ngid = 1001\n{numbered}");
    let plan = look(&config(&moved), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Blocked);
}

#[test]
fn a_clone_wants_a_place_of_its_own_and_the_plan_says_so() {
    let text = "[[clone]]\nurl = \"https://git.example.org/app\"\ndest = \"/opt/app\"\n";
    let mut host = Host::new();
    host.inner.put(&directory("/opt/app"));
    assert_eq!(planned(text, &host).0, Verdict::Create);
    host.inner.put(&written("/opt/app/old", "", 0o644));
    assert!(blocked(text, &host).contains("holds files and is no git working tree"));
    // What earlier blocks take away is not in the way, and what they leave is.
    let removed = |path: &str| format!("[[file]]\npath = \"{path}\"\nabsent = true\n{text}");
    settles(&removed("/opt/app/old"), &mut host);
    let mut host = Host::new();
    host.inner.put(&directory("/opt/app"));
    host.inner.put(&written("/opt/app/old", "", 0o644));
    host.inner.put(&written("/opt/app/other", "", 0o644));
    let plan = look(&config(&removed("/opt/app/old")), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Blocked);
    let nowhere = text.replace("/opt/app", "/nowhere/app");
    assert!(blocked(&nowhere, &host).contains("the directory /nowhere does not exist"));
}

#[test]
fn a_command_runs_as_its_guards_say() {
    let mut host = Host::new();
    let text = "[[exec]]\nscript = \"make\"\ncreates = \"/opt/built\"\n";
    assert_eq!(planned(text, &host).0, Verdict::Run);
    host.inner.put(&written("/opt/built", "", 0o644));
    assert_eq!(planned(text, &host).0, Verdict::Ok);
    let text = "[[exec]]\nscript = \"rm\"\nremoves = \"/opt/built\"\n";
    assert_eq!(planned(text, &host).0, Verdict::Run);
    // The memory host's guards all succeed.
    for (guard, outcome) in [("unless", Outcome::Skipped), ("only_if", Outcome::Changed)] {
        let text = format!("[[exec]]\nscript = \"x\"\n{guard} = \"true\"\n");
        assert_eq!(
            planned(&text, &host).0,
            Verdict::Maybe,
            "no guard runs in a plan"
        );
        let report = apply(&config(&text), &mut host, None, &mut Deaf).unwrap();
        assert_eq!(report.blocks[0].outcome, outcome);
    }
    for (key, words) in [
        ("user = \"ana\"", "the user ana"),
        ("group = \"ops\"", "the group ops"),
    ] {
        let text = format!("[[exec]]\nscript = \"x\"\nalways = true\n{key}\n");
        let why = blocked(&text, &host);
        assert!(why.contains(words), "{why}");
    }
}

// Powers: what a host cannot do is said in the plan.

#[test]
fn a_host_without_powers_says_so_in_the_plan() {
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("ana")));
    let want = Want {
        name: PackageName::parse("git").unwrap(),
        version: None,
    };
    host.inner.put(&Effect::Packages(Transaction {
        install: vec![want],
        ..Transaction::default()
    }));
    host.inner.put_unit(UnitName::service("x").unwrap());
    host.powers = Powers {
        services: false,
        exec: false,
        packages: false,
        accounts: false,
        chown: false,
    };
    for text in [
        "packages = [\"curl\"]\n",
        "[[package]]\nname = \"git\"\nabsent = true\n",
        "[[package]]\nname = \"git\"\nstate = \"latest\"\n",
        "[[group]]\nname = \"g\"\n",
        "[[user]]\nname = \"bo\"\n",
        "[[user]]\nname = \"ana\"\nabsent = true\n",
        "[[clone]]\nurl = \"https://h/p\"\ndest = \"/opt/p\"\n",
        "[[exec]]\nscript = \"x\"\nalways = true\n",
        "[[service]]\nname = \"x\"\nstatus = \"started\"\n",
        "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\nowner = \"ana\"\n",
    ] {
        let why = blocked(text, &host);
        assert!(
            why.contains("; ") || why.contains(" is a directory"),
            "{why}"
        );
    }
    // What is in place needs no power.
    assert_eq!(planned("packages = [\"git\"]\n", &host).0, Verdict::Ok);
}

#[test]
fn outcomes_are_told_as_they_are() {
    use Outcome::{Changed, Failed, NotRun, Ok};
    // The original knew an outcome of users and groups alone.
    let mut host = Host::new();
    let text = "packages = [\"git\"]\n[[group]]\nname = \"g\"\n[[file]]\npath = \"/etc/x\"\ncontent = \"\"\n[[exec]]\nscript = \"x\"\nalways = true\n[[file]]\npath = \"/no/x\"\ncontent = \"\"\n[[group]]\nname = \"h\"\n";
    let report = apply(&config(text), &mut host, None, &mut Deaf).unwrap();
    let outcomes: Vec<_> = report.blocks.iter().map(|b| b.outcome).collect();
    assert_eq!(
        outcomes,
        [Changed, Changed, Changed, Changed, Failed, NotRun]
    );
    let report = apply(&config(text), &mut host, None, &mut Deaf).unwrap();
    let outcomes: Vec<_> = report.blocks.iter().map(|b| b.outcome).collect();
    assert_eq!(outcomes, [Ok, Ok, Ok, Changed, Failed, NotRun]);
}

#[test]
fn a_value_that_only_the_target_knows_is_not_judged_on_the_workstation() {
    for text in [
        "[[user]]\nname = \"ana\"\npassword_hash = \"{{ secret.hash }}\"\n",
        "[[exec]]\ncmd = \"{{ secret.db }}\"\nalways = true\n",
        "[[clone]]\nurl = \"https://{{ facts.hostname }}/x\"\ndest = \"/opt/x\"\n",
        "[[file]]\npath = \"/a\"\nmode = \"{{ facts.hostname }}\"\ncontent = \"\"\n",
    ] {
        let files = [File {
            name: "site.toml".to_owned(),
            text: text.to_owned(),
        }];
        if let Err(faults) = config::check(&files, "web1") {
            panic!("{text}{faults:#?}");
        }
    }
}
