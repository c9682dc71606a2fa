//! Blocks about packages, a kernel and a whole host.

use super::{Random, World};

pub(super) fn package(r: &mut Random, world: &World) -> String {
    let name = r.one(world.packages);
    let versions = world.versions.iter().filter(|of| of.0 == name);
    let versions: Vec<_> = versions.map(|of| of.1).collect();
    let version = |r: &mut Random| match versions.as_slice() {
        [] => String::new(),
        some => format!("version = \"{}\"\n", r.one(some)),
    };
    let rest = match r.below(4) {
        0 => "absent = true\n".to_owned(),
        1 => "state = \"latest\"\n".to_owned() + &r.maybe(20, "hold = false"),
        2 => {
            let hold = format!("hold = {}\n", r.chance(70));
            if r.chance(30) {
                hold + &version(r)
            } else {
                hold
            }
        }
        _ if r.chance(30) => version(r),
        _ => String::new(),
    };
    format!("name = \"{name}\"\n{rest}")
}

pub(super) fn sysctl(r: &mut Random, world: &World) -> String {
    let key = r.one(world.sysctls);
    let rest = if r.chance(20) {
        "absent = true\n".to_owned()
    } else {
        format!("value = {}\n", r.below(2)) + &r.maybe(20, "reload = false")
    };
    format!("key = \"{key}\"\n{rest}")
}

pub(super) fn hostname(r: &mut Random, world: &World) -> String {
    format!("name = \"{}\"\n", r.one(world.names))
}

pub(super) fn kmod(r: &mut Random, world: &World) -> String {
    format!("name = \"{}\"\n", r.one(world.modules)) + &r.maybe(25, "absent = true")
}

pub(super) fn mount(r: &mut Random, _: &World) -> String {
    let at = r.one(&["/srv/d", "/srv/d/e", "/nowhere"]);
    let state = r.one(&["mounted", "present", "unmounted", "absent"]);
    let line = if matches!(state, "mounted" | "present") {
        "device = \"tmpfs\"\nfstype = \"tmpfs\"\n"
    } else {
        ""
    };
    format!("path = \"{at}\"\nstate = \"{state}\"\n{line}")
}

pub(super) fn swap(r: &mut Random, _: &World) -> String {
    let rest = if r.chance(30) {
        "absent = true"
    } else {
        "size = \"1GiB\""
    };
    format!("path = \"{}\"\n{rest}\n", r.one(&["/swap", "/srv/d/x"]))
}

pub(super) fn timezone(r: &mut Random, _: &World) -> String {
    format!("zone = \"{}\"\n", r.one(&["UTC", "Europe/Berlin"]))
}

pub(super) fn firewall(r: &mut Random, _: &World) -> String {
    let rest = match r.below(10) {
        0..3 => "absent = true",
        3..5 => "exclusive = true",
        _ => "allow = [{ port = 22 }]",
    };
    format!("{rest}\n")
}
