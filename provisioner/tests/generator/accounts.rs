//! Users and groups.

use super::{Random, World};

pub(super) fn group(r: &mut Random, world: &World) -> String {
    let name = r.one(world.names);
    let gid = 2000 + r.below(3);
    let member = format!("members = [\"{}\"]", world.names[0]);
    let rest = if r.chance(20) {
        "absent = true\n".to_owned()
    } else {
        r.maybe(40, &format!("gid = {gid}")) + &r.maybe(30, &member)
    };
    format!("name = \"{name}\"\n{rest}")
}

pub(super) fn user(r: &mut Random, world: &World) -> String {
    let name = r.one(world.names);
    let group = r.one(world.names);
    let uid = 2000 + r.below(3);
    let shell = r.one(&["/bin/sh", "/bin/bash"]);
    let rest = if r.chance(15) {
        "absent = true\n".to_owned() + &r.maybe(50, "remove_home = true")
    } else {
        r.maybe(15, &format!("uid = {uid}"))
            + &r.maybe(60, &format!("home = \"/home/{name}\""))
            + &r.maybe(40, &format!("shell = \"{shell}\""))
            + &r.maybe(40, &format!("groups = [\"{group}\"]"))
            + &r.maybe(20, "groups_exclusive = true")
            + &r.maybe(30, "comment = \"someone\"")
            + &r.maybe(20, "expires = \"2030-12-31\"")
            + &r.maybe(30, "ssh_public_key = \"ssh-ed25519 AAAAkey ana\"")
            + &r.maybe(20, "authorized_keys = [\"ssh-rsa AAAAother bo\"]")
    };
    format!("name = \"{name}\"\n{rest}")
}
