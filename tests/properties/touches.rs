//! What a block may touch, by its fields alone: everything else must be as it was.

use toml::{Table, Value};

/// Names of a snapshot. One that ends in `*` stands for all that begin so; a path stands for what
/// lies below it too, unless a `=` is before it.
pub fn of(block: &str) -> Vec<String> {
    let table: Table = toml::from_str(block).unwrap();
    let (kind, blocks) = table.iter().next().unwrap();
    let fields = &blocks.as_array().unwrap()[0];
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = text("name").trim_end_matches(".service");
    let unit = |name: &str| {
        vec![
            format!("/etc/systemd/system/{name}.*"),
            format!("/etc/systemd/system/multi-user.target.wants/{name}.service"),
            format!("/etc/systemd/system/timers.target.wants/{name}.timer"),
            format!("unit:{name}.*"),
        ]
    };
    let path = || vec![text("path").to_owned()];
    match kind.as_str() {
        // apt's own file of libraries; packages by themselves have nothing there else.
        "package" => vec!["package:*".to_owned(), "/etc/ld.so.cache".to_owned()],
        // Another number is that of its users' primary group too.
        "group" => databases(&["group", "gshadow", "passwd"]),
        "user" => {
            let mut all = databases(&["group", "gshadow", "passwd", "shadow", "subuid", "subgid"]);
            all.push(format!("/home/{name}"));
            all
        }
        "authorized_key" => vec![format!("/home/{}/.ssh", text("user"))],
        "service" | "unit" | "timer" => unit(name),
        "dropin" => unit(text("unit")),
        "clone" => vec![text("dest").to_owned()],
        // It makes the directories above it.
        "file" if fields.get("dir").is_some() => [path(), above(text("path"))].concat(),
        "file" if fields.get("backup").is_some() => {
            [path(), vec![format!("{}.hpt-backup", text("path"))]].concat()
        }
        "file" | "line" | "edit" => path(),
        "mount" => vec![
            "/etc/fstab".to_owned(),
            text("path").to_owned(),
            format!("mount:{}", text("path")),
        ],
        "hosts" => vec!["/etc/hosts".to_owned()],
        "sudoers" => vec![format!("/etc/sudoers.d/{name}")],
        "cron" => vec!["/etc/cron.d/job".to_owned()],
        "limits" => vec![format!(
            "/etc/security/limits.d/hpt-user-{}-*",
            text("domain")
        )],
        "sysctl" => vec![
            format!("/etc/sysctl.d/99-zz-hpt-{}.conf", text("key")),
            format!("sysctl:{}", text("key")),
        ],
        "hostname" => vec!["/etc/hostname".to_owned(), "hostname:".to_owned()],
        "timezone" => vec!["/etc/localtime".to_owned(), "/etc/timezone".to_owned()],
        "firewall" => vec![
            "/etc/nftables.d".to_owned(),
            "/etc/systemd/system/hpt-firewall.service".to_owned(),
            "/etc/systemd/system/sysinit.target.wants/hpt-firewall.service".to_owned(),
            "unit:hpt-firewall.service".to_owned(),
            "nft:".to_owned(),
        ],
        "exec" => Vec::new(), // `true`
        other => panic!("what may a [[{other}]] touch?"),
    }
}

/// The directories above a path, each by itself.
fn above(path: &str) -> Vec<String> {
    let ends = path
        .match_indices('/')
        .map(|(at, _)| at)
        .filter(|at| *at > 0);
    ends.map(|at| format!("={}", &path[..at])).collect()
}

/// Account databases, with the copies that shadow-utils keep.
fn databases(names: &[&str]) -> Vec<String> {
    let both = |name: &&str| [format!("/etc/{name}"), format!("/etc/{name}-")];
    names.iter().flat_map(both).collect()
}

/// Whether one of these names stands for `name`.
pub fn covers(allowed: &[String], name: &str) -> bool {
    allowed.iter().any(|one| match one.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None if one.starts_with('=') => one[1..] == *name,
        None => {
            let rest = name.strip_prefix(one.as_str());
            rest.is_some_and(|rest| {
                rest.is_empty() || (one.starts_with('/') && rest.starts_with('/'))
            })
        }
    })
}
