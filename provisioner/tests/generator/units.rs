//! What systemd has: unit files and what becomes of them.

use super::{Random, World};

pub(super) fn service(r: &mut Random, world: &World) -> String {
    let unit = r.one(world.units);
    if r.chance(15) {
        return format!("name = \"{unit}\"\nstatus = \"stopped\"\nmasked = true\n");
    }
    let status = r.one(&["started", "stopped"]);
    format!("name = \"{unit}\"\nstatus = \"{status}\"\n")
        + &r.maybe(50, "enabled = true")
        + &r.maybe(10, "masked = false")
}

pub(super) fn unit(r: &mut Random, world: &World) -> String {
    let unit = r.one(world.units);
    if r.chance(20) {
        return format!("name = \"{unit}.service\"\nabsent = true\n");
    }
    let program = r.one(world.programs);
    let state = r.one(&["started", "stopped"]);
    format!(
        "name = \"{unit}.service\"\ncontent = \"[Service]\\nExecStart={program}\\n[Install]\\nWantedBy=multi-user.target\"\n"
    ) + &r.maybe(50, &format!("state = \"{state}\""))
        + &r.maybe(50, "enabled = true")
}

pub(super) fn dropin(r: &mut Random, world: &World) -> String {
    let rest = if r.chance(25) {
        "absent = true".to_owned()
    } else {
        format!("content = \"[Service]\\nNice={}\"", r.below(3))
    };
    format!("unit = \"{}\"\nname = \"a\"\n{rest}\n", r.one(world.units))
}

pub(super) fn timer(r: &mut Random, world: &World) -> String {
    let name = r.one(world.timers);
    if r.chance(25) {
        return format!("name = \"{name}\"\nabsent = true\n");
    }
    let user = format!("user = \"{}\"", r.one(world.names));
    let hours = 1 + r.below(3);
    // It may run at once, and whoever stops the timer's service waits for its end.
    format!("name = \"{name}\"\non_boot = \"{hours}h\"\ncommand = \"/bin/true\"\n")
        + &r.maybe(30, &user)
}
