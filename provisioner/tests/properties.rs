//! A plan says exactly what an apply will do: random configs on random hosts in memory, each
//! planned, applied, and planned again.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use hpt_provisioner::config::scope::Scope;
use hpt_provisioner::config::{self, Config, File};
use hpt_provisioner::effect::{
    Access, Content, Effect, GroupEdit, Transaction, UserEdit, UserShape, Want, WriteFile,
};
use hpt_provisioner::host::Key;
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::host::setting::Setting;
use hpt_provisioner::name::{
    AbsPath, GroupName, Mode, ModuleName, PackageName, PackageVersion, SysctlKey, UnitName,
    UserName,
};
use hpt_provisioner::plan::{Reveal, Verdict, plan};
use hpt_provisioner::report::{Event, Outcome};
use hpt_provisioner::run::{Witness, apply};

/// As many pairs of a config and a host.
const PAIRS: u64 = 10_000;
/// Printed with a failure; a pair is this plus its number.
const SEED: u64 = 0x6870_7400;

/// A small generator of our own, so that a pair is its seed and nothing else.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len().try_into().unwrap())).unwrap()]
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// `line` now and then.
    fn maybe(&mut self, percent: u64, line: &str) -> String {
        if self.chance(percent) {
            format!("{line}\n")
        } else {
            String::new()
        }
    }
}

const NAMES: [&str; 4] = ["ana", "bo", "web", "db"];
const PATHS: [&str; 8] = [
    "/etc/a",
    "/etc/b",
    "/srv/d",
    "/srv/d/x",
    "/srv/d/e",
    "/srv/d/e/y",
    "/opt/l",
    "/nowhere/z",
];
const MODES: [&str; 4] = ["0600", "0644", "0755", "0750"];
const TEXTS: [&str; 3] = ["", "one\\n", "two\\nlines\\n"];
const PACKAGES: [&str; 3] = ["nginx", "git", "curl"];
const SYSCTLS: [&str; 3] = ["net.ipv4.ip_forward", "vm.swappiness", "net.bridge.x"];
const MODULES: [&str; 2] = ["dummy", "bridge"];
const UNITS: [&str; 2] = ["nginx", "cron"];

fn block(r: &mut Random, id: usize) -> String {
    let head = |kind: &str| format!("[[{kind}]]\nid = \"{kind}-{id}\"\n");
    let owner = r.one(&NAMES);
    let group = r.one(&NAMES);
    let mode = r.one(&MODES);
    match r.below(26) {
        24 | 25 => system(r, id),
        0 => {
            let rest = match r.below(4) {
                0 => "absent = true\n".to_owned(),
                1 => "state = \"latest\"\n".to_owned() + &r.maybe(20, "hold = false"),
                2 => format!("hold = {}\n", r.chance(70)) + &r.maybe(30, "version = \"2.0\""),
                _ => String::new(),
            };
            head("package") + &format!("name = \"{}\"\n", r.one(&PACKAGES)) + &rest
        }
        1 => {
            let gid = 2000 + r.below(3);
            let absent = r.chance(20);
            let rest = if absent {
                "absent = true\n".to_owned()
            } else {
                r.maybe(40, &format!("gid = {gid}")) + &r.maybe(30, "members = [\"ana\"]")
            };
            head("group") + &format!("name = \"{group}\"\n") + &rest
        }
        2 | 3 => {
            let absent = r.chance(15);
            let shell = r.one(&["/bin/sh", "/bin/bash"]);
            let rest = if absent {
                "absent = true\n".to_owned() + &r.maybe(50, "remove_home = true")
            } else {
                r.maybe(60, &format!("home = \"/home/{owner}\""))
                    + &r.maybe(40, &format!("shell = \"{shell}\""))
                    + &r.maybe(40, &format!("groups = [\"{group}\"]"))
                    + &r.maybe(20, "groups_exclusive = true")
                    + &r.maybe(30, "comment = \"someone\"")
                    + &r.maybe(30, "ssh_public_key = \"ssh-ed25519 AAAAkey ana\"")
                    + &r.maybe(20, "authorized_keys = [\"ssh-rsa AAAAother bo\"]")
            };
            head("user") + &format!("name = \"{owner}\"\n") + &rest
        }
        4 => {
            head("service")
                + &format!("name = \"{}\"\n", r.one(&UNITS))
                + &format!("status = \"{}\"\n", r.one(&["started", "stopped"]))
                + &r.maybe(50, "enabled = true")
                + &r.maybe(10, "masked = false")
        }
        13..=15 => units(r, id, owner),
        // A command in memory does nothing: it may promise no path, and may say that it changes one.
        5 => {
            let changes = format!("changes = [\"{}\"]", r.one(&PATHS));
            head("exec") + "script = \"true\"\nalways = true\n" + &r.maybe(50, &changes)
        }
        6 | 7 => {
            let url = r.one(&["https://h/a", "https://h/b"]);
            head("clone")
                + &format!("url = \"{url}\"\ndest = \"{}\"\n", r.one(&PATHS))
                + &r.maybe(30, "rev = \"v1\"")
        }
        16.. => edit(r, id),
        kind => {
            let form = match kind {
                8 => "dir = true\n".to_owned(),
                9 => format!("symlink_to = \"{}\"\n", r.one(&PATHS)),
                10 => "absent = true\n".to_owned() + &r.maybe(50, "recurse = true"),
                _ => format!("content = \"{}\"\n", r.one(&TEXTS)),
            };
            let access = if kind == 9 || kind == 10 {
                String::new()
            } else {
                r.maybe(50, &format!("mode = \"{mode}\""))
                    + &r.maybe(30, &format!("owner = \"{owner}\""))
                    + &r.maybe(30, &format!("group = \"{group}\""))
            };
            head("file") + &format!("path = \"{}\"\n", r.one(&PATHS)) + &form + &access
        }
    }
}

/// What systemd has: unit files and what becomes of them.
fn units(r: &mut Random, id: usize, owner: &str) -> String {
    let head = |kind: &str| format!("[[{kind}]]\nid = \"{kind}-{id}\"\n");
    match r.below(3) {
        0 => {
            let masked = "status = \"stopped\"\nmasked = true";
            let unit = r.one(&UNITS);
            let rest = match r.below(5) {
                0 => "absent = true".to_owned(),
                1 => return head("service") + &format!("name = \"{unit}\"\n{masked}\n"),
                _ => {
                    let text = r.one(&["/bin/a", "/bin/b"]);
                    let state = r.one(&["started", "stopped"]);
                    format!(
                        "content = \"[Service]\\nExecStart={text}\\n[Install]\\nWantedBy=a.target\"\n"
                    ) + &r.maybe(50, &format!("state = \"{state}\""))
                        + &r.maybe(50, "enabled = true")
                }
            };
            head("unit") + &format!("name = \"{unit}.service\"\n{rest}\n")
        }
        1 => {
            let rest = match r.below(4) {
                0 => "absent = true".to_owned(),
                _ => format!("content = \"[Service]\\nNice={}\"", r.below(3)),
            };
            head("dropin") + &format!("unit = \"{}\"\nname = \"a\"\n{rest}\n", r.one(&UNITS))
        }
        _ => {
            let rest = match r.below(4) {
                0 => "absent = true\n".to_owned(),
                _ => {
                    format!("on_boot = {}\ncommand = \"/bin/x\"\n", r.below(3))
                        + &r.maybe(30, &format!("user = \"{owner}\""))
                }
            };
            head("timer") + &format!("name = \"{}\"\n{rest}", r.one(&UNITS))
        }
    }
}

/// A block that edits or owns one file. Edits of one file do not contradict each other.
fn edit(r: &mut Random, id: usize) -> String {
    let head = |kind: &str| format!("[[{kind}]]\nid = \"{kind}-{id}\"\n");
    let (at, name) = (r.one(&PATHS), r.one(&NAMES));
    let absent = r.chance(20);
    let unless = |line: String| {
        if absent {
            "absent = true\n".to_owned()
        } else {
            line
        }
    };
    match r.below(7) {
        0 => {
            let line = r.one(&["a = 1", "# note", "one"]);
            head("line")
                + &format!("path = \"{at}\"\nline = \"{line}\"\n")
                + &r.maybe(30, "match = '^#? *a *= '")
                + &unless(r.maybe(20, "insert_after = '^[ot]'"))
        }
        1 => {
            let format = r.one(&["ini", "env", "toml", "json"]);
            let keys = if absent {
                "unset = [\"a\"]\n"
            } else {
                r.one(&[
                    "set = { a = 1 }\n",
                    "set = { b = \"x y\" }\nunset = [\"c\"]\n",
                ])
            };
            head("edit") + &format!("path = \"{at}\"\nformat = \"{format}\"\n{keys}")
        }
        2 => {
            let ip = r.one(&["10.0.0.1", "10.0.0.2"]);
            head("hosts")
                + &format!("ip = \"{ip}\"\nnames = [\"{name}\"]\n")
                + &unless(String::new())
        }
        3 => {
            let rules = format!("rules = [\"{name} ALL=(ALL) ALL\"]\n");
            head("sudoers") + &format!("name = \"{name}\"\n") + &unless(rules)
        }
        4 => {
            let spec = r.one(&["@daily", "5 4 * * *"]);
            let job = format!("user = \"{name}\"\nspec = \"{spec}\"\ncommand = \"true\"\n");
            head("cron") + "name = \"job\"\n" + &unless(job)
        }
        5 => {
            let value = format!("value = {}\n", r.below(3));
            head("limits")
                + &format!("domain = \"{name}\"\ntype = \"-\"\nitem = \"nofile\"\n")
                + &unless(value)
        }
        _ => {
            let key = r.one(&["ssh-ed25519 AAAAkey ana", "ssh-rsa AAAAother bo"]);
            head("authorized_key")
                + &format!("user = \"{name}\"\nkey = \"{key}\"\n")
                + &unless(r.maybe(30, "options = [\"no-pty\"]") + &r.maybe(20, "exclusive = true"))
        }
    }
}

/// The blocks about a kernel and a whole host.
fn system(r: &mut Random, id: usize) -> String {
    let head = |kind: &str| format!("[[{kind}]]\nid = \"{kind}-{id}\"\n");
    let at = r.one(&["/srv/d", "/srv/d/e", "/nowhere"]);
    match r.below(9) {
        0 | 1 => {
            let key = r.one(&SYSCTLS);
            let rest = if r.chance(20) {
                "absent = true\n".to_owned()
            } else {
                format!("value = {}\n", r.below(2)) + &r.maybe(20, "reload = false")
            };
            head("sysctl") + &format!("key = \"{key}\"\n") + &rest
        }
        2 => head("hostname") + &format!("name = \"{}\"\n", r.one(&NAMES)),
        3 => {
            head("kmod")
                + &format!("name = \"{}\"\n", r.one(&MODULES))
                + &r.maybe(25, "absent = true")
        }
        4 | 5 => {
            let state = r.one(&["mounted", "present", "unmounted", "absent"]);
            let line = "device = \"tmpfs\"\nfstype = \"tmpfs\"\n";
            let line = if matches!(state, "mounted" | "present") {
                line
            } else {
                ""
            };
            head("mount") + &format!("path = \"{at}\"\nstate = \"{state}\"\n") + line
        }
        6 => {
            let rest = if r.chance(30) {
                "absent = true\n"
            } else {
                "size = \"1GiB\"\n"
            };
            head("swap") + &format!("path = \"{}\"\n", r.one(&["/swap", "/srv/d/x"])) + rest
        }
        7 => head("timezone") + &format!("zone = \"{}\"\n", r.one(&["UTC", "Europe/Berlin"])),
        _ => {
            let rest = if r.chance(30) {
                "absent = true\n"
            } else {
                "allow = [{ port = 22 }]\n"
            };
            head("firewall") + rest
        }
    }
}

fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

fn host(r: &mut Random) -> Memory {
    let mut host = Memory::new(Facts::default());
    host.put(&Effect::MakeDir {
        path: path("/nowhere-else"),
        access: Access::default(),
    });
    for name in NAMES {
        if r.chance(40) {
            host.put(&Effect::Group(GroupEdit::Add {
                name: GroupName::parse(name).unwrap(),
                gid: Some(u32::try_from(2000 + r.below(3)).unwrap()),
                system: false,
            }));
        }
        if r.chance(40) {
            let as_ = UserShape {
                uid: Some(u32::try_from(1000 + r.below(50)).unwrap()),
                home: Some(path(&format!("/home/{name}"))),
                ..UserShape::default()
            };
            let create_home = r.chance(70);
            let name = UserName::parse(name).unwrap();
            host.put(&Effect::User(UserEdit::Add {
                name,
                as_,
                system: false,
                create_home,
            }));
        }
    }
    for at in ["/srv/d", "/srv/d/e"] {
        if r.chance(40) {
            host.put(&Effect::MakeDir {
                path: path(at),
                access: Access::default(),
            });
        } else {
            break;
        }
    }
    system_files(r, &mut host);
    for at in ["/etc/a", "/etc/b", "/opt/l"] {
        let access = Access {
            mode: Some(Mode::new(0o644)),
            ..Access::default()
        };
        match r.below(4) {
            0 => host.put(&Effect::MakeDir {
                path: path(at),
                access,
            }),
            1 => host.put(&Effect::Link {
                path: path(at),
                to: "/etc/b".to_owned(),
            }),
            2 => host.put(&Effect::WriteFile(WriteFile {
                path: path(at),
                content: Content::Inline(b"one\n".as_slice().into()),
                access,
                verify: None,
                secret: false,
            })),
            _ => {}
        }
    }
    set_up(r, &mut host);
    for package in PACKAGES {
        if r.chance(40) {
            let name = PackageName::parse(package).unwrap();
            let version = PackageVersion::parse("1.0").ok();
            let hold = r.chance(20).then(|| name.clone());
            host.put(&Effect::Packages(Transaction {
                install: vec![Want {
                    name: name.clone(),
                    version,
                }],
                hold: hold.into_iter().collect(),
                ..Transaction::default()
            }));
            if r.chance(40) {
                host.put_newer(name, PackageVersion::parse("2.0").unwrap());
            }
        }
    }
    for unit in UNITS {
        if r.chance(60) {
            host.put_unit(UnitName::service(unit).unwrap());
        }
    }
    host
}

/// What the blocks of sudo, cron, limits and hosts rely on, or find.
fn system_files(r: &mut Random, host: &mut Memory) {
    for folders in [
        ["/etc/sudoers.d", "/etc/cron.d"],
        ["/etc/security", "/etc/security/limits.d"],
        ["/usr/sbin", "/usr/sbin"],
    ] {
        if r.chance(70) {
            for at in folders {
                host.put(&Effect::MakeDir {
                    path: path(at),
                    access: Access::default(),
                });
            }
        }
    }
    for at in ["/usr/sbin/visudo", "/etc/hosts"] {
        if r.chance(60) {
            host.put(&Effect::WriteFile(WriteFile {
                path: path(at),
                content: Content::Inline(b"10.0.0.1 web db # ours\n".as_slice().into()),
                access: Access::default(),
                verify: None,
                secret: false,
            }));
        }
    }
}

/// A kernel with parameters and modules, and perhaps a packet filter, a time zone and a mount.
fn set_up(r: &mut Random, host: &mut Memory) {
    for at in ["/usr/sbin", "/usr/share", "/usr/share/zoneinfo"] {
        host.put(&Effect::MakeDir {
            path: path(at),
            access: Access::default(),
        });
    }
    for at in ["/usr/share/zoneinfo/UTC", "/usr/sbin/nft"] {
        if r.chance(70) {
            host.put(&Effect::WriteFile(WriteFile {
                path: path(at),
                content: Content::Inline(b"".as_slice().into()),
                access: Access::default(),
                verify: None,
                secret: false,
            }));
        }
    }
    let set = |host: &mut Memory, setting, value: &str| {
        let value = Some(value.to_owned());
        host.put(&Effect::Set { setting, value });
    };
    set(host, Setting::Hostname, "ana");
    for key in &SYSCTLS[..2] {
        set(host, Setting::Sysctl(SysctlKey::parse(key).unwrap()), "0");
    }
    let module = Setting::Module(ModuleName::parse(MODULES[0]).unwrap());
    set(host, module, r.one(&[Setting::LOADED, Setting::UNLOADED]));
    if r.chance(20) {
        set(host, Setting::Mounted(path("/srv/d")), "tmpfs tmpfs");
    }
}

fn parse(text: &str) -> Config {
    let files = vec![File {
        name: "random.toml".to_owned(),
        text: text.to_owned(),
    }];
    let scope = Scope {
        facts: Some(Facts::default()),
        secrets: Some([].into()),
        ..Scope::default()
    };
    config::parse(files, scope).unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"))
}

struct Silent;

impl Witness for Silent {
    fn tell(&mut self, _: Event) {}

    fn go_on(&mut self) -> bool {
        true
    }
}

/// What a verdict promises of an outcome. `maybe` promises nothing but an end.
fn keeps(verdict: Verdict, outcome: Outcome) -> bool {
    match verdict {
        Verdict::Ok => outcome == Outcome::Ok,
        Verdict::Skip => outcome == Outcome::Skipped,
        Verdict::Blocked => outcome == Outcome::Failed,
        Verdict::Maybe => outcome != Outcome::NotRun,
        Verdict::Create | Verdict::Update | Verdict::Delete | Verdict::Run => {
            outcome == Outcome::Changed
        }
    }
}

#[test]
fn what_is_planned_is_what_happens_and_then_nothing_is_left() {
    let (mut changed, mut blocked, mut empty) = (0, 0, 0);
    for pair in 0..PAIRS {
        let seed = SEED + pair;
        let mut r = Random(seed);
        let mut host = host(&mut r);
        let count = 1 + r.below(10);
        let text: String = (0..count)
            .map(|i| block(&mut r, usize::try_from(i).unwrap()))
            .collect();
        let config = parse(&text);
        let first = plan(&config, &host, Reveal::Content);
        let report = apply(&config, &mut host, &mut Silent);
        let context = || {
            format!(
                "seed {seed:#x}\n{text}\n{:#?}\n{:#?}",
                first.blocks, report.blocks
            )
        };
        let undone = report
            .blocks
            .iter()
            .any(|b| b.note.contains("a later block undid it"));
        for (planned, ended) in first.blocks.iter().zip(&report.blocks) {
            // A config that contradicts itself is told so, block by block; after the first failure nothing runs.
            if undone || ended.outcome == Outcome::NotRun {
                break;
            }
            assert!(
                keeps(planned.verdict, ended.outcome),
                "{} {}",
                planned.id,
                context()
            );
            if ended.outcome == Outcome::Failed {
                let foreseen = matches!(planned.verdict, Verdict::Blocked | Verdict::Maybe);
                assert!(foreseen, "{} failed unforeseen {}", planned.id, context());
                blocked += 1;
                break;
            }
            changed += usize::from(ended.outcome == Outcome::Changed);
        }
        if !report.succeeded() || contradicts_itself(&config, &host) {
            continue;
        }
        let second = plan(&config, &host, Reveal::Content);
        // A command runs each time, and what it says that it changes cannot be known before.
        let settled = |v: Verdict| !v.is_pending() || matches!(v, Verdict::Run | Verdict::Maybe);
        for again in &second.blocks {
            assert!(settled(again.verdict), "{} is left {}", again.id, context());
        }
        empty += 1;
    }
    // The generator must reach each of them, or it proves little.
    assert!(
        changed > 5_000 && blocked > 500 && empty > 1_000,
        "{changed} {blocked} {empty}"
    );
}

/// Whether two blocks want different things of one path, user, group or package, so that no order
/// of applying them leaves both in place.
fn contradicts_itself(config: &Config, host: &Memory) -> bool {
    let again = plan(config, host, Reveal::Outline);
    let pending: Vec<_> = (0..config.blocks.len())
        .filter(|i| {
            again.blocks[*i].verdict.is_pending() && again.blocks[*i].verdict != Verdict::Run
        })
        .collect();
    pending.iter().any(|i| {
        let keys = config.blocks[*i].reads();
        let meets = |other: &Key| keys.iter().any(|key| overlap(key, other));
        (0..config.blocks.len()).any(|j| j != *i && config.blocks[j].reads().iter().any(meets))
    })
}

/// Whether two keys are one, or one path lies below the other.
fn overlap(one: &Key, other: &Key) -> bool {
    let below = |a: &AbsPath, b: &AbsPath| a.as_path().starts_with(b.as_path());
    match (one, other) {
        (Key::Path(a), Key::Path(b)) => below(a, b) || below(b, a),
        _ => one == other,
    }
}
