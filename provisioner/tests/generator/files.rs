//! Files, working trees, and commands that say what they change.

use super::{Random, World};

const MODES: [&str; 4] = ["0600", "0644", "0755", "0750"];
const TEXTS: [&str; 3] = ["", "one\\n", "two\\nlines\\n"];

pub(super) fn file(r: &mut Random, world: &World) -> String {
    let path = r.one(world.paths);
    let (owner, group) = (r.one(world.names), r.one(world.names));
    let mode = r.one(&MODES);
    let form = match r.below(5) {
        0 if r.chance(20) => format!("dir = true\nrecurse = true\nowner = \"{owner}\"\n"),
        0 => "dir = true\n".to_owned() + &r.maybe(20, "purge = true"),
        1 => {
            return format!(
                "path = \"{path}\"\nsymlink_to = \"{}\"\n",
                r.one(world.paths)
            );
        }
        2 => return format!("path = \"{path}\"\nabsent = true\n") + &r.maybe(50, "recurse = true"),
        _ => format!("content = \"{}\"\n", r.one(&TEXTS)) + &r.maybe(20, "backup = true"),
    };
    let owned = if form.contains("owner") { 0 } else { 30 };
    format!("path = \"{path}\"\n{form}")
        + &r.maybe(50, &format!("mode = \"{mode}\""))
        + &r.maybe(owned, &format!("owner = \"{owner}\""))
        + &r.maybe(30, &format!("group = \"{group}\""))
}

/// A command that does nothing: it may promise no path, and may say that it changes one.
pub(super) fn exec(r: &mut Random, world: &World) -> String {
    let changes = format!("changes = [\"{}\"]", r.one(world.paths));
    "script = \"true\"\nalways = true\n".to_owned() + &r.maybe(50, &changes)
}

pub(super) fn clone(r: &mut Random, world: &World) -> String {
    let (url, dest) = (r.one(world.repositories), r.one(world.paths));
    format!("url = \"{url}\"\ndest = \"{dest}\"\n") + &r.maybe(30, "rev = \"v1\"")
}
