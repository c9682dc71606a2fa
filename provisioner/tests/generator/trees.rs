//! Trees of files, copied and unpacked. What lies in the way of an archive is found when it is
//! unpacked, so that its directory is no other block's.

use super::{Random, World};

pub(super) fn archive(r: &mut Random, world: &World) -> String {
    let (source, owner) = (r.one(&["one", "two"]), r.one(world.names));
    format!("source = \"{source}.tar\"\ndest = \"/srv/t\"\n")
        + &r.maybe(30, &format!("owner = \"{owner}\""))
        + &r.maybe(30, "creates = \"/srv/t/x\"")
}

pub(super) fn sync(r: &mut Random, world: &World) -> String {
    let (source, owner) = (r.one(&["one", "two"]), r.one(world.names));
    let dest = r.one(&["/srv/d", "/srv/s"]);
    format!("source = \"{source}\"\ndest = \"{dest}\"\n")
        + &r.maybe(50, "delete = true")
        + &r.maybe(30, &format!("owner = \"{owner}\""))
}
