//! Units of a user, as that user's own systemd takes them.

use std::fs;

use super::site::{Site, words};

#[test]
#[allow(clippy::too_many_lines, reason = "one story, told in its order")]
fn a_users_units_are_seen_to_by_that_users_own_systemd() {
    let Some(site) = Site::up() else { return };
    let config = site.path("users.toml");
    let host = |argv: &[&str]| site.lab.ok("web1", argv);
    let as_ana = |words: &str| {
        let line = format!(
            "setpriv --reuid=ana --regid=ana --init-groups env HOME=/home/ana \
             XDG_RUNTIME_DIR=/run/user/$(id -u ana) {words}"
        );
        host(&["sh", "-c", &line])
    };
    let look = || {
        let output = site.hpt(&["--target", "web1", "plan", &config]).output();
        words(&output.unwrap())
    };
    let show = |property: &str, unit: &str| {
        as_ana(&format!(
            "systemctl --user show --value -p {property} {unit}"
        ))
    };
    let service = "[[service]]\nname = \"app\"\nscope = \"user:ana\"\nstatus = \"started\"\n\
                   enabled = true\nwait_active = 1\n";
    let timer = "[[service]]\nname = \"tidy.timer\"\nscope = \"user:ana\"\nstatus = \"started\"\n";
    fs::write(&config, service).unwrap();
    assert!(look().contains("the user ana does not exist"), "{}", look());

    // Without a systemd of hers, what to do is told.
    let user = "[[user]]\nname = \"ana\"\nhome = \"/home/ana\"\nshell = \"/bin/sh\"\n";
    fs::write(&config, user).unwrap();
    site.ok(&["--target", "web1", "provision", &config]);
    fs::write(&config, service).unwrap();
    assert!(look().contains("loginctl enable-linger ana"), "{}", look());

    // Her systemd comes up while the run goes on.
    let lingers = "[[exec]]\nscript = \"loginctl enable-linger ana\"\n\
                   creates = \"/var/lib/systemd/linger/ana\"\n";
    let dirs = ["", "/systemd", "/systemd/user"].map(|dir| {
        format!("[[file]]\npath = \"/home/ana/.config{dir}\"\ndir = true\nowner = \"ana\"\n")
    });
    let file = |name: &str, text: &str| {
        format!(
            "[[file]]\npath = \"/home/ana/.config/systemd/user/{name}\"\nowner = \"ana\"\n\
             notify = [\"app\"]\ncontent = \"\"\"\n{text}\"\"\"\n"
        )
    };
    let unit = "[Service]\nExecStart=/usr/bin/sleep 1000\n[Install]\nWantedBy=default.target\n";
    let tidy = "[Timer]\nOnCalendar=daily\nUnit=app.service\n";
    let handler = "[[handler]]\nname = \"app\"\nrestart = \"app\"\nscope = \"user:ana\"\n";
    let whole = |unit: &str| {
        let dirs = dirs.concat();
        let files = file("app.service", unit) + &file("tidy.timer", tidy);
        format!("{user}{dirs}{files}{lingers}{service}{timer}{handler}")
    };
    fs::write(&config, whole(unit)).unwrap();
    site.ok(&["--target", "web1", "provision", &config]);
    assert_eq!(show("ActiveState", "app"), "active");
    assert_eq!(show("UnitFileState", "app"), "enabled");
    assert_eq!(show("ActiveState", "tidy.timer"), "active");
    let link = "/home/ana/.config/systemd/user/default.target.wants/app.service";
    assert_eq!(host(&["stat", "-c", "%U", link]), "ana");
    // The host's own systemd knows none of that name.
    let own = host(&["systemctl", "show", "--value", "-p", "LoadState", "app"]);
    assert_eq!(own, "not-found");

    let plan = look();
    assert!(plan.contains("10 in place, nothing to do"), "{plan}");
    let second = site.ok(&["--target", "web1", "--json", "provision", &config]);
    assert!(second.contains("\"changed\":0"), "{second}");

    // A new file is read by her systemd, and the handler restarts what runs.
    let before = show("MainPID", "app");
    fs::write(&config, whole(&unit.replace("1000", "2000"))).unwrap();
    let plan = look();
    assert!(plan.contains("restart app.service of ana"), "{plan}");
    site.ok(&["--target", "web1", "provision", &config]);
    assert_ne!(show("MainPID", "app"), before);
    assert!(show("ExecStart", "app").contains("2000"));
    assert_eq!(show("NeedDaemonReload", "app"), "no");
    let third = site.ok(&["--target", "web1", "--json", "provision", &config]);
    assert!(third.contains("\"changed\":0"), "{third}");

    // What fails is told with her journal's words.
    let failing = unit.replace("sleep 1000", "sh -c 'echo no such luck; exit 3'");
    fs::write(&config, whole(&failing)).unwrap();
    let output = site
        .hpt(&["--target", "web1", "provision", &config])
        .output();
    let told = words(&output.unwrap());
    assert!(told.contains("no such luck"), "{told}");

    let ends = "[[service]]\nname = \"app\"\nscope = \"user:ana\"\nstatus = \"stopped\"\n\
                enabled = false\n";
    fs::write(&config, ends).unwrap();
    site.ok(&["--target", "web1", "provision", &config]);
    assert_eq!(show("UnitFileState", "app"), "disabled");
    let last = look();
    assert!(
        last.contains("1 in place, 6 orphans, nothing to do"),
        "{last}"
    );
    // No bridge is left behind.
    let bridges = "for i in $(seq 50); do systemctl list-units --all --no-legend 'hpt-bridge-*' | \
                   grep -q . || exit 0; sleep 0.1; done; systemctl list-units --all 'hpt-bridge-*'; exit 1";
    host(&["sh", "-c", bridges]);
}
