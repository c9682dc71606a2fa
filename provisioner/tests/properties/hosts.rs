//! The random hosts, and the names on them.

use hpt_provisioner::effect::{Access, Effect, GroupEdit, Transaction, UserEdit, UserShape, Want};
use hpt_provisioner::host::Observe;
use hpt_provisioner::host::facts::Facts;
use hpt_provisioner::host::memory::Memory;
use hpt_provisioner::host::setting::Setting;
use hpt_provisioner::listing::{Below, Listed, Listing};
use hpt_provisioner::name::{
    GroupName, Mode, ModuleName, PackageName, PackageVersion, SysctlKey, UnitName, UserName,
};
use hpt_provisioner::source::Blob;

use super::generator::{Random, World};
use super::scaffold::{file, path};

/// The names on these hosts, of which each has some.
pub(crate) const WORLD: World = World {
    names: &["ana", "bo", "web", "db"],
    paths: &[
        "/etc/a",
        "/etc/b",
        "/srv/d",
        "/srv/d/x",
        "/srv/d/e",
        "/srv/d/e/y",
        "/opt/l",
        "/nowhere/z",
    ],
    packages: &["nginx", "git", "curl"],
    versions: &[("nginx", "2.0"), ("git", "2.0"), ("curl", "2.0")],
    sysctls: &["net.ipv4.ip_forward", "vm.swappiness", "net.bridge.x"],
    modules: &["dummy", "bridge"],
    units: &["nginx", "cron"],
    timers: &["nginx", "cron"],
    programs: &["/bin/a", "/bin/b"],
    repositories: &["https://h/a", "https://h/b"],
    without: &[],
};

/// What the sources of a random config are, by their names.
pub(crate) fn sources() -> Vec<(&'static str, Vec<u8>)> {
    let mut sources = Vec::new();
    for (tar, list, content) in [("one.tar", "one", "1"), ("two.tar", "two", "2")] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(1);
        let mut archive = tar::Builder::new(Vec::new());
        archive
            .append_data(&mut header, "x", content.as_bytes())
            .unwrap();
        sources.push((tar, archive.into_inner().unwrap()));
        let mut listing = Listing::default();
        for name in ["x", "e/y", content] {
            let content = Blob {
                hash: blake3::hash(content.as_bytes()),
                size: 1,
            };
            let executable = name == "e/y";
            let file = Listed::File {
                content,
                executable,
            };
            listing.add(Below::parse(name).unwrap(), file);
        }
        sources.push((list, listing.to_text().into_bytes()));
    }
    sources
}

pub(crate) fn host(r: &mut Random) -> Memory {
    let mut host = Memory::new(Facts::default());
    for (_, bytes) in sources() {
        host.put_blob(&bytes);
    }
    let [git, curl] = ["git", "curl"].map(|name| PackageName::parse(name).unwrap());
    host.put_need(git, curl);
    for content in [b"1", b"2"] {
        host.put_blob(content);
    }
    host.put(&Effect::MakeDir {
        path: path("/nowhere-else"),
        access: Access::default(),
    });
    for name in WORLD.names {
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
                shell: Some(path("/bin/sh")),
                ..UserShape::default()
            };
            let create_home = r.chance(70);
            host.put(&Effect::User(UserEdit::Add {
                name: UserName::parse(name).unwrap(),
                as_,
                system: false,
                create_home,
            }));
            host.put(&Effect::Group(GroupEdit::SetGid {
                name: GroupName::parse(name).unwrap(),
                gid: 3000,
            }));
        }
    }
    sudoers(r, &mut host);
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
            2 => host.put(&file(at, "one\n", access)),
            _ => {}
        }
    }
    set_up(r, &mut host);
    for package in WORLD.packages {
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
    for unit in WORLD.units {
        if r.chance(60) {
            host.put_unit(UnitName::service(unit).unwrap());
        }
    }
    host
}

/// Rules of sudo that may be somebody's only way to become root.
fn sudoers(r: &mut Random, host: &mut Memory) {
    let web = GroupName::parse("web").unwrap();
    if r.chance(40) {
        let rules = "%web ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n";
        host.put(&file("/etc/sudoers", rules, Access::default()));
    }
    let users = ["ana", "bo"].map(|name| UserName::parse(name).unwrap());
    for name in users {
        let are_there = host.group(&web).unwrap().is_some() && host.user(&name).unwrap().is_some();
        if are_there && r.chance(60) {
            host.put(&Effect::Group(GroupEdit::AddMembers {
                name: web.clone(),
                members: vec![name],
            }));
        }
    }
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
            host.put(&file(at, "10.0.0.1 web db # ours\n", Access::default()));
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
            host.put(&file(at, "", Access::default()));
        }
    }
    let set = |host: &mut Memory, setting, value: &str| {
        let value = Some(value.to_owned());
        host.put(&Effect::Set { setting, value });
    };
    set(host, Setting::Hostname, "ana");
    for key in &WORLD.sysctls[..2] {
        set(host, Setting::Sysctl(SysctlKey::parse(key).unwrap()), "0");
    }
    let module = Setting::Module(ModuleName::parse(WORLD.modules[0]).unwrap());
    set(host, module, r.one(&[Setting::LOADED, Setting::UNLOADED]));
    if r.chance(20) {
        set(host, Setting::Mounted(path("/srv/d")), "tmpfs tmpfs");
    }
}
