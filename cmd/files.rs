//! Reading the files of a config: those that are named, and those that they include.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use hpt_provisioner::config::{File, Sort, Wanted, is_taken, limits};
use hpt_provisioner::fault::Place;

use crate::error::{CommandError, Exit};

/// Reads a file that is named on the command line.
pub(crate) fn read(path: &Path) -> Result<File, CommandError> {
    let name = path.display().to_string();
    let bad = |what: String| CommandError::new(Exit::Config, what);
    if path.to_str().is_none() {
        return Err(bad(format!("{name}: the path of a config is UTF-8")));
    }
    let about = fs::metadata(path).map_err(|why| {
        bad(format!("cannot read {name}: {why}"))
            .hint("a config is named by its path, such as `site.toml`")
    })?;
    if about.is_dir() {
        return Err(bad(format!("cannot read {name}: it is a directory"))
            .hint(format!("name the files in it, such as `{name}/site.toml`")));
    }
    text(path, about.len()).map_err(|why| {
        let is_latin = why.contains("not UTF-8");
        let error = bad(why);
        error.hint(if is_latin {
            format!("`iconv -f latin1 -t utf8 {name}` prints it as UTF-8")
        } else {
            "split it: `include` reads the parts".to_owned()
        })
    })
}

/// Reads what a file includes, or says why it cannot be read.
pub(crate) fn load(wanted: &Wanted) -> Result<Vec<File>, String> {
    let path = Path::new(&wanted.path);
    match wanted.sort {
        Sort::File => Ok(vec![included(path, &wanted.base)?]),
        Sort::Role => match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() && !dir.is_dir() => {
                Err(format!("there is no role {}", dir.display()))
            }
            _ => Ok(vec![included(path, &wanted.base)?]),
        },
        Sort::Directory => directory(or_here(path), wanted),
    }
}

/// All `*.toml` in a directory but those that are hidden.
fn directory(path: &Path, wanted: &Wanted) -> Result<Vec<File>, String> {
    let cannot = |why| match why {
        ErrorKind::NotFound => format!("there is no directory {}", path.display()),
        why => format!("cannot read the directory {}: {why}", path.display()),
    };
    let entries = fs::read_dir(path).map_err(|why| cannot(why.kind()))?;
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(|why| cannot(why.kind()))?.file_name();
        let Some(name) = name.to_str() else {
            return Err(format!("{}: a name in it is not UTF-8", path.display()));
        };
        if is_taken(name) {
            names.push(Path::new(&wanted.path).join(name));
        }
        if names.len() > limits::FILES {
            let most = limits::FILES;
            return Err(format!("{}: more than {most} files", path.display()));
        }
    }
    names.sort();
    let read = |path| included(path, &wanted.base);
    names.iter().map(|path| read(path)).collect()
}

/// Reads one file. A link that leads out of the directory from which the include starts would bring
/// in what nobody has spelled.
fn included(path: &Path, base: &str) -> Result<File, String> {
    let name = path.display();
    let cannot = |why: std::io::Error| match why.kind() {
        ErrorKind::NotFound => format!("there is no file {name}"),
        _ => format!("cannot read {name}: {why}"),
    };
    let real = path.canonicalize().map_err(cannot)?;
    let base = or_here(Path::new(base));
    if !real.starts_with(base.canonicalize().map_err(cannot)?) {
        let (real, base) = (real.display(), base.display());
        return Err(format!(
            "{name} is a link that leads out of {base}, to {real}"
        ));
    }
    let about = real.metadata().map_err(cannot)?;
    if !about.is_file() {
        return Err(format!("cannot read {name}: it is not a regular file"));
    }
    text(path, about.len())
}

fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

fn text(path: &Path, length: u64) -> Result<File, String> {
    let name = path.display().to_string();
    if length > u64::try_from(limits::FILE).unwrap_or(u64::MAX) {
        return Err(format!(
            "{name} is longer than 1 MiB, which is the most a config can be"
        ));
    }
    let bytes = fs::read(path).map_err(|why| format!("cannot read {name}: {why}"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let good = String::from_utf8_lossy(&error.as_bytes()[..good]);
        let (line, column) = Place {
            file: 0,
            span: good.len()..good.len(),
        }
        .line_column(&good);
        format!("{name}:{line}:{column}: this is not UTF-8, and TOML is")
    })?;
    Ok(File { name, text })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn want(sort: Sort, base: &Path, path: &str) -> Wanted {
        Wanted {
            sort,
            path: base.join(path).display().to_string(),
            base: base.display().to_string(),
        }
    }

    #[test]
    fn links_may_lead_about_but_not_out() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("conf");
        fs::create_dir_all(base.join("conf.d")).unwrap();
        fs::write(dir.path().join("out.toml"), "").unwrap();
        fs::write(base.join("in.toml"), "").unwrap();
        symlink("../in.toml", base.join("conf.d/a.toml")).unwrap();
        let read = |sort, path| load(&want(sort, &base, path));
        assert!(read(Sort::File, "conf.d/a.toml").is_ok());
        assert_eq!(
            read(Sort::Directory, "conf.d").map(|files| files.len()),
            Ok(1)
        );
        symlink("../../out.toml", base.join("conf.d/b.toml")).unwrap();
        for (sort, path) in [(Sort::File, "conf.d/b.toml"), (Sort::Directory, "conf.d")] {
            let why = read(sort, path).unwrap_err();
            assert!(why.contains("leads out of"), "{why}");
        }
        symlink("..", base.join("up")).unwrap();
        assert!(read(Sort::File, "up/out.toml").is_err());
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo.toml");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        fs::create_dir(dir.path().join("dir.toml")).unwrap();
        for (path, words) in [
            ("fifo.toml", "not a regular file"),
            ("dir.toml", "not a regular file"),
            ("none.toml", "there is no file"),
        ] {
            let why = load(&want(Sort::File, dir.path(), path)).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
        let why = load(&want(Sort::Role, dir.path(), "none/role.toml")).unwrap_err();
        assert!(why.contains("there is no role"), "{why}");
    }
}
