//! What people and plain tools do to a host between two runs of hpt.

use crate::generator::{Random, World};

/// What a host has when a story begins, most of it.
pub const GROUND: &[&str] = &[
    "useradd -m -s /bin/sh hpa",
    "useradd -m -s /bin/sh hpb",
    "useradd -M hpc",
    "groupadd hpd",
    "mkdir -p /srv/d",
    "mkdir -p /srv/d/e",
    "mkdir -p /nowhere",
    "apt-get install -qq -y lab-app=1.1",
    "printf '[Service]\\nExecStart=/bin/sleep 1000\\n[Install]\\nWantedBy=multi-user.target\\n' > /etc/systemd/system/hpu.service",
    "systemctl daemon-reload",
];

/// One line of a shell. It may well fail.
pub fn line(r: &mut Random, world: &World) -> String {
    match r.below(10) {
        0..=2 => file(r, world),
        3 | 4 => account(r, world),
        5 | 6 => unit(r, world),
        7 => package(r, world),
        _ => system(r, world),
    }
}

fn file(r: &mut Random, world: &World) -> String {
    let (at, other, name) = (r.one(world.paths), r.one(world.paths), r.one(world.names));
    match r.below(9) {
        0 => format!("rm -rf {at}"),
        1 => format!("mkdir -p {at}"),
        2 => format!("mkdir -p $(dirname {at}); printf 'one\\n' > {at}"),
        3 => format!("printf 'a = 2\\n# note\\n' > {at}"),
        4 => format!("printf '{{\"a\": 1, \"b\": \"x\"}}' > {at}"),
        5 => format!("chmod {} {at}", r.one(&["0600", "0644", "0755", "0711"])),
        6 => format!("chown {name}:{} {at}", r.one(world.names)),
        7 => format!("ln -sfn {other} {at}"),
        _ => format!("printf 'more\\n' >> {at}"),
    }
}

fn account(r: &mut Random, world: &World) -> String {
    let (name, other) = (r.one(world.names), r.one(world.names));
    match r.below(11) {
        0 | 1 => format!("useradd -m -s /bin/sh {name}"),
        2 => format!("userdel -r {name}"),
        3 => format!("userdel {name}"),
        4 => format!("usermod -L -s /bin/bash {name}"),
        5 => format!("groupadd -g {} {name}", 2000 + r.below(3)),
        6 => format!("groupdel {name}"),
        7 => format!("usermod -aG {other} {name}"),
        8 => format!("gpasswd -d {name} {other}"),
        9 => format!("rm -rf /home/{name}/.ssh"),
        _ => format!("useradd -u {} {name}", 2000 + r.below(3)),
    }
}

fn unit(r: &mut Random, world: &World) -> String {
    let name = r.one(world.units);
    let verb = r.one(&[
        "start", "stop", "stop", "enable", "disable", "mask", "unmask",
    ]);
    let file = format!("/etc/systemd/system/{name}.service");
    match r.below(9) {
        0 => format!("rm -f {file}"),
        1 => format!(
            "printf '[Service]\\nExecStart={}\\n' > {file}",
            r.one(world.programs)
        ),
        2 => "systemctl daemon-reload".to_owned(),
        3 => format!("rm -rf {file}.d"),
        4 => format!("systemctl {verb} {}.timer", r.one(world.timers)),
        _ => format!("systemctl {verb} {name}.service"),
    }
}

fn package(r: &mut Random, world: &World) -> String {
    let name = r.one(world.packages);
    match r.below(6) {
        0 | 1 => format!("apt-get install -qq -y {name}"),
        2 => format!("apt-get remove -qq -y {name}"),
        3 => format!(
            "apt-get install -qq -y --allow-downgrades lab-app={}",
            r.one(&["1.0", "1.1"])
        ),
        4 => format!("apt-mark hold {name}"),
        _ => format!("apt-mark unhold {name}"),
    }
}

fn system(r: &mut Random, world: &World) -> String {
    let name = r.one(world.names);
    match r.below(11) {
        0 => format!("sysctl -q -w {}={}", r.one(&world.sysctls[..2]), r.below(2)),
        1 => "rm -f /etc/sysctl.d/*hpt*".to_owned(),
        2 => format!("hostname {name}"),
        3 => "mkdir -p /srv/d && mount -t tmpfs tmpfs /srv/d".to_owned(),
        4 => "umount /srv/d".to_owned(),
        5 => "sed -i '\\#/srv/d#d' /etc/fstab".to_owned(),
        6 => format!("printf '10.0.0.1 {name} other\\n' >> /etc/hosts"),
        7 => "rm -f /etc/sudoers.d/hp? /etc/cron.d/job".to_owned(),
        8 => "rm -f /etc/security/limits.d/*".to_owned(),
        // No `nft flush ruleset`: `hpt serve` plans without the right to ask the kernel for it.
        9 => "ln -sfn /usr/share/zoneinfo/UTC /etc/localtime".to_owned(),
        _ => format!("printf '@reboot {name} true\\n' > /etc/cron.d/job"),
    }
}
