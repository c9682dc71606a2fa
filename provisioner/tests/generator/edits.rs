//! Blocks that edit or own one file. Edits of one file do not contradict each other.

use super::{Random, World};

/// `line` most of the time, or that nothing is to be there.
fn unless_absent(r: &mut Random, line: impl FnOnce(&mut Random) -> String) -> String {
    if r.chance(20) {
        "absent = true\n".to_owned()
    } else {
        line(r)
    }
}

pub(super) fn line(r: &mut Random, world: &World) -> String {
    let (at, line) = (r.one(world.paths), r.one(&["a = 1", "# note", "one"]));
    format!("path = \"{at}\"\nline = \"{line}\"\n")
        + &r.maybe(30, "match = '^#? *a *= '")
        + &unless_absent(r, |r| r.maybe(20, "insert_after = '^[ot]'"))
}

pub(super) fn edit(r: &mut Random, world: &World) -> String {
    let at = r.one(world.paths);
    let format = r.one(&["ini", "env", "toml", "json"]);
    let keys = r.one(&[
        "unset = [\"a\"]\n",
        "set = { a = 1 }\n",
        "set = { a = 1 }\n",
        "set = { b = \"x y\" }\nunset = [\"c\"]\n",
        "set = { b = \"x y\" }\nunset = [\"c\"]\n",
    ]);
    format!("path = \"{at}\"\nformat = \"{format}\"\n{keys}")
}

pub(super) fn hosts(r: &mut Random, world: &World) -> String {
    let (ip, name) = (r.one(&["10.0.0.1", "10.0.0.2"]), r.one(world.names));
    format!("ip = \"{ip}\"\nnames = [\"{name}\"]\n") + &unless_absent(r, |_| String::new())
}

pub(super) fn sudoers(r: &mut Random, world: &World) -> String {
    let name = r.one(world.names);
    let rules = format!("rules = [\"{name} ALL=(ALL) ALL\"]\n");
    format!("name = \"{name}\"\n") + &unless_absent(r, |_| rules)
}

pub(super) fn cron(r: &mut Random, world: &World) -> String {
    let (name, spec) = (r.one(world.names), r.one(&["@daily", "5 4 * * *"]));
    let job = format!("user = \"{name}\"\nspec = \"{spec}\"\ncommand = \"true\"\n");
    "name = \"job\"\n".to_owned() + &unless_absent(r, |_| job)
}

pub(super) fn limits(r: &mut Random, world: &World) -> String {
    let name = r.one(world.names);
    format!("domain = \"{name}\"\ntype = \"-\"\nitem = \"nofile\"\n")
        + &unless_absent(r, |r| format!("value = {}\n", r.below(3)))
}

pub(super) fn authorized_key(r: &mut Random, world: &World) -> String {
    let name = r.one(world.names);
    let key = r.one(&["ssh-ed25519 AAAAkey ana", "ssh-rsa AAAAother bo"]);
    format!("user = \"{name}\"\nkey = \"{key}\"\n")
        + &unless_absent(r, |r| {
            r.maybe(30, "options = [\"no-pty\"]") + &r.maybe(20, "exclusive = true")
        })
}
