//! What the `cmd` and `args` of a block may say.

use crate::name::AbsPath;
use crate::secret::Secret;

/// Complains of a `cmd` that is no path, and of `args` without one.
pub(super) fn check(
    cmd: Option<&Secret>,
    args: &[Secret],
    complain: &mut dyn FnMut(&'static str, String),
) {
    if cmd.is_some_and(|cmd| AbsPath::parse(cmd.expose()).is_err()) {
        let what = "`cmd` is a program's absolute path; a shell's words go into `script`";
        complain("cmd", what.to_owned());
    }
    if cmd.is_none() && !args.is_empty() {
        complain("args", "`args` belong to a `cmd`".to_owned());
    }
}
