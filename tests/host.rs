//! A real Debian host, from bare to provisioned over the channel; then again, when nothing changes.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod lab;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use lab::{HPT, Lab};

const SECRET: &str = "correct-horse-battery";

/// A workstation with keys for `web1`, and that host serving hpt by its own unit.
struct Site {
    lab: Lab,
    dir: tempfile::TempDir,
}

impl Site {
    fn up() -> Option<Self> {
        let lab = Lab::up(&["web1"])?;
        let site = Self {
            lab,
            dir: tempfile::tempdir().unwrap(),
        };
        site.ok(&["gen-client-keys"]);
        site.ok(&[
            "gen-target-keys",
            "--target",
            "web1",
            "--ip",
            "10.77.0.11",
            "--output",
            &site.path("web1.keystore"),
        ]);
        let lab = &site.lab;
        lab.ok("web1", &["install", "-d", "-m", "0700", "/etc/hpt"]);
        lab.must(
            "cp",
            &[&site.path("web1.keystore"), "web1:/etc/hpt/keystore.db"],
        );
        let unit = site
            .ok(&["unit-file"])
            .replace("/usr/bin/hpt", "/usr/local/bin/hpt");
        fs::write(site.path("hpt.service"), unit).unwrap();
        lab.must(
            "cp",
            &[
                &site.path("hpt.service"),
                "web1:/etc/systemd/system/hpt.service",
            ],
        );
        lab.ok("web1", &["systemctl", "enable", "--now", "hpt.service"]);
        Some(site)
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// `hpt ARGS` on the workstation.
    fn hpt(&self, args: &[&str]) -> Command {
        let words: Vec<&str> = std::iter::once(HPT).chain(args.iter().copied()).collect();
        let mut command = self.lab.ws(&words);
        command
            .env("HPT_KEYSTORE", self.path("client.db"))
            .env("TEST_DB_PASSWORD", SECRET)
            .env("SSL_CERT_FILE", self.path("ca.pem"));
        command
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.hpt(args).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "hpt {args:?}\n{}",
            words(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Copies `testdata/host`, with the keys and host keys of this lab filled in.
    fn config(&self) -> String {
        let from = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/host");
        let to = self.dir.path().join("config");
        fs::create_dir_all(to.join("files")).unwrap();
        let server = self.lab.must("git-server", &[]);
        let value = |key: &str| {
            let line = server
                .lines()
                .find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("{key} is not in {server}"))
                .to_owned()
        };
        let known_hosts = fs::read_to_string(value("KNOWN_HOSTS")).unwrap();
        let text = fs::read_to_string(from.join("site.toml"))
            .unwrap()
            .replace("\"@KNOWN_HOSTS@\"", &format!("'''\n{known_hosts}'''"))
            .replace("https://git/public.git", &value("HTTPS"))
            .replace("ssh://git@git/srv/git/private.git", &value("SSH_PRIVATE"));
        fs::write(to.join("site.toml"), text).unwrap();
        fs::copy(from.join("files/app.conf.j2"), to.join("files/app.conf.j2")).unwrap();
        fs::copy(value("DEPLOY_KEY"), to.join("deploy_key")).unwrap();
        let keygen = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "ana@lab", "-f"])
            .arg(to.join("files/ana"))
            .status();
        assert!(
            keygen.is_ok_and(|status| status.success()),
            "ssh-keygen makes a key"
        );
        // The lab's own authority, as a host with a private git server has it; here it is named.
        fs::copy(value("CA"), self.path("ca.pem")).unwrap();
        self.lab.must(
            "cp",
            &[
                &value("CA"),
                "web1:/usr/local/share/ca-certificates/lab.crt",
            ],
        );
        self.lab.ok("web1", &["update-ca-certificates"]);
        to.join("site.toml").display().to_string()
    }
}

fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story, told in its order")]
fn a_bare_host_becomes_what_its_config_says_and_stays_so() {
    let Some(site) = Site::up() else { return };
    let config = site.config();
    let status = site.ok(&["--target", "web1", "status"]);
    assert!(status.contains("web1"), "{status}");

    let plan = site.ok(&["--target", "web1", "plan", &config]);
    for line in [
        "+ packages",
        "+ group:web",
        "+ user:ana",
        "+ file:/etc/app/env",
        "? service:nginx",
    ] {
        assert!(plan.contains(line), "{line} is not in\n{plan}");
    }
    let before = site.lab.ok("web1", &["id", "-u", "nobody"]);
    assert_eq!(before, "65534");
    assert!(
        !site
            .lab
            .run("web1", &["id", "ana"])
            .status()
            .unwrap()
            .success(),
        "a plan changed the host"
    );

    let output = site
        .hpt(&["--target", "web1", "provision", &config])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let first = words(&output);

    let host = |argv: &[&str]| site.lab.ok("web1", argv);
    assert_eq!(host(&["dpkg-query", "-W", "lab-app"]), "lab-app\t1.1");
    assert_eq!(
        host(&["getent", "group", "web"]).split(':').nth(2),
        Some("1099")
    );
    assert!(host(&["id", "-nG", "ana"]).contains("sudo"));
    assert_eq!(
        host(&["getent", "passwd", "ana"]).rsplit(':').next(),
        Some("/bin/bash")
    );
    assert_eq!(
        host(&["stat", "-c", "%a %U:%G", "/etc/app/env"]),
        "640 app:web"
    );
    assert!(host(&["cat", "/etc/app/env"]).contains(&format!("app:{SECRET}@")));
    assert_eq!(
        host(&["stat", "-c", "%a %U", "/home/ana/.ssh/id_rsa"]),
        "600 ana"
    );
    assert_eq!(
        host(&["sh", "-c", "wc -l < /home/ana/.ssh/authorized_keys"]),
        "1"
    );
    assert_eq!(host(&["sudo", "-u", "ana", "sudo", "-n", "id", "-u"]), "0");
    assert_eq!(host(&["cat", "/etc/app/README"]), "This is public.");
    assert_eq!(host(&["readlink", "/opt/current"]), "/opt/app");
    assert_eq!(
        host(&[
            "git",
            "-c",
            "safe.directory=*",
            "-C",
            "/opt/app",
            "describe",
            "--tags"
        ]),
        "v1"
    );
    assert_eq!(host(&["stat", "-c", "%U", "/opt/private/.git"]), "ana");
    assert_eq!(host(&["stat", "-c", "%U", "/var/tmp/built"]), "ana");
    assert_eq!(host(&["systemctl", "is-active", "nginx"]), "active");
    assert_eq!(host(&["systemctl", "is-enabled", "nginx"]), "enabled");
    assert!(
        !site
            .lab
            .run("web1", &["systemctl", "is-active", "--quiet", "cron"])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        host(&["curl", "-fsS", "http://127.0.0.1/"]),
        "hpt made this on web1"
    );

    assert_eq!(host(&["grep", "^UMASK", "/etc/login.defs"]), "UMASK\t\t027");
    let conf = "/etc/systemd/journald.conf";
    assert_eq!(host(&["grep", "-c", "^SystemMaxUse=100M$", conf]), "1");
    assert_eq!(
        host(&["sh", "-c", "tr -d ' \n' < /etc/app/limits.json"]),
        "{\"upload\":{\"max\":10}}"
    );
    assert_eq!(host(&["visudo", "-c", "-q"]), "");
    assert!(host(&["sudo", "-l", "-U", "backup"]).contains("/usr/bin/rsync"));
    assert!(host(&["cat", "/root/.ssh/authorized_keys"]).contains(",no-pty ssh-ed25519 "));
    assert_eq!(
        host(&["getent", "hosts", "db"]).split_whitespace().last(),
        Some("db")
    );
    // A session of ana's, through PAM, has the limit.
    assert_eq!(host(&["su", "ana", "-c", "ulimit -Hn"]), "4321");
    let sysctl = "/etc/sysctl.d/99-zz-hpt-net.ipv4.ip_forward.conf";
    assert_eq!(host(&["cat", sysctl]), "net.ipv4.ip_forward = 1");
    assert_eq!(host(&["cat", "/etc/default/locale"]), "LANG=C.UTF-8");
    assert!(host(&["readlink", "/etc/localtime"]).ends_with("/zoneinfo/UTC"));
    assert_eq!(host(&["findmnt", "-no", "FSTYPE", "/srv/scratch"]), "tmpfs");
    assert!(host(&["nft", "list", "table", "inet", "hpt"]).contains("tcp dport 6632 accept"));

    let second = site.ok(&["--target", "web1", "--json", "provision", &config]);
    assert!(second.contains("\"changed\":0"), "{second}");
    let plan = site.ok(&["--target", "web1", "plan", &config]);
    // Guards that are commands are asked when applied, not when planned.
    let text = fs::read_to_string(&config).unwrap();
    let blocks = 1 + text.lines().filter(|line| line.starts_with("[[")).count();
    let settled = format!("2 perhaps, {} in place", blocks - 2);
    assert!(plan.contains(&settled), "{settled} is not in\n{plan}");

    // What has drifted is put back, and nothing else is touched.
    host(&["chmod", "0644", "/etc/app/env"]);
    host(&["systemctl", "stop", "nginx"]);
    let third = site.ok(&["--target", "web1", "--json", "provision", &config]);
    assert!(third.contains("\"changed\":2"), "{third}");

    // The secret is on the host where it belongs, and nowhere else.
    for text in [&first, &second, &third, &plan] {
        assert!(!text.contains(SECRET), "the secret was shown:\n{text}");
    }
    let found = site.lab.run(
        "web1",
        &[
            "grep",
            "-rlas",
            SECRET,
            "/var/lib/hpt",
            "/run/hpt",
            "/var/log",
            "/run/log",
            "/etc/hpt",
            "/tmp",
            "/var/tmp",
        ],
    );
    let found = { found }.output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&found.stdout),
        "",
        "the secret lies about"
    );
}

#[test]
fn a_failure_stops_the_run_says_why_and_is_mended_by_the_next() {
    let Some(site) = Site::up() else { return };
    let config = site.path("site.toml");
    let text = |package: &str| {
        format!(
            "[[group]]\nname = \"one\"\n[[package]]\nname = \"{package}\"\n[[group]]\nname = \"two\"\n"
        )
    };
    fs::write(&config, text("lab-bad")).unwrap();
    let output = site
        .hpt(&["--target", "web1", "provision", &config])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let told = words(&output);
    assert!(told.contains("lab-bad"), "{told}");
    assert!(told.contains("not run"), "{told}");
    assert!(
        site.lab
            .run("web1", &["getent", "group", "one"])
            .status()
            .unwrap()
            .success()
    );
    assert!(
        !site
            .lab
            .run("web1", &["getent", "group", "two"])
            .status()
            .unwrap()
            .success()
    );

    site.lab
        .ok("web1", &["dpkg", "--force-all", "--purge", "lab-bad"]);
    fs::write(&config, text("hello")).unwrap();
    site.ok(&["--target", "web1", "provision", &config]);
    assert!(
        site.lab
            .run("web1", &["getent", "group", "two"])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_run_goes_on_when_its_client_and_hpt_itself_go_away() {
    let Some(site) = Site::up() else { return };
    let config = site.path("site.toml");
    let steps = "[[exec]]\nscript = \"touch /var/tmp/begun; sleep 4\"\ncreates = \"/var/tmp/begun\"\n\
                 [[exec]]\nscript = \"systemctl restart hpt.service\"\nalways = true\n\
                 [[file]]\npath = \"/var/tmp/ended\"\ncontent = \"\"\n";
    fs::write(&config, steps).unwrap();
    let mut client = site
        .hpt(&["--target", "web1", "provision", &config])
        .spawn()
        .unwrap();
    wait_for(&site, "/var/tmp/begun");

    // A second run is told who holds the host, at once.
    let busy = site
        .hpt(&["--target", "web1", "provision", &config])
        .output()
        .unwrap();
    assert_eq!(busy.status.code(), Some(6), "{}", words(&busy));

    client.kill().unwrap();
    client.wait().unwrap();
    wait_for(&site, "/var/tmp/ended");
    let status = site.ok(&["--target", "web1", "status"]);
    assert!(status.contains("web1"), "{status}");
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story, told in its order")]
fn what_systemd_is_given_it_reads_starts_and_lets_go() {
    let Some(site) = Site::up() else { return };
    let config = site.path("units.toml");
    let host = |argv: &[&str]| site.lab.ok("web1", argv);
    let succeeds = |argv: &[&str]| site.lab.run("web1", argv).status().unwrap().success();
    let unit = "[[unit]]\nname = \"app.service\"\n[unit.Service]\nExecStart = \"/usr/bin/sleep 1000\"\n\
                [unit.Install]\nWantedBy = \"multi-user.target\"\n";
    let service =
        "[[service]]\nname = \"app\"\nstatus = \"started\"\nenabled = true\nwait_active = 1\n";
    let dropin =
        "[[dropin]]\nunit = \"app\"\nname = \"10-a\"\n[dropin.Service]\nEnvironment = \"A=1\"\n";
    let timer = "[[timer]]\nname = \"beat\"\non_calendar = \"*:*:*\"\nuser = \"nobody\"\n\
                 command = \"/bin/sh -c 'echo $0 $(id -un) > /tmp/beat' 100%H\"\n";
    let cron =
        "[[service]]\nname = \"cron\"\nstatus = \"stopped\"\nenabled = false\nmasked = true\n";
    let whole = format!("{unit}{service}{dropin}{timer}{cron}");
    fs::write(&config, &whole).unwrap();

    let plan = site.ok(&["--target", "web1", "plan", &config]);
    for (line, words) in [
        ("+ unit:app.service", ""),
        ("~ service:app ", "enable, start, then watch it for 1 s"),
        ("+ dropin:app.service/10-a", ""),
        ("+ timer:beat", "*:*:*, enable, start"),
        ("~ service:cron", "disable, stop, mask"),
    ] {
        let found = plan.lines().find(|l| l.starts_with(line));
        assert!(
            found.is_some_and(|l| l.ends_with(words)),
            "{line} {words} is not in\n{plan}"
        );
    }
    assert!(
        plan.contains("+ExecStart=/usr/bin/sleep 1000") || plan.contains("+ ExecStart"),
        "{plan}"
    );

    let reloads = || {
        let count = "journalctl --quiet --output=cat _PID=1 | grep -c '^Reloading'; true";
        host(&["sh", "-c", count]).parse::<u32>().unwrap()
    };
    let before = reloads();
    site.ok(&["--target", "web1", "provision", &config]);
    // Before the service starts, before the timer does, and when the run ends.
    assert_eq!(reloads() - before, 3);
    assert_eq!(
        host(&["systemctl", "is-active", "app", "beat.timer"]),
        "active\nactive"
    );
    assert_eq!(
        host(&["systemctl", "is-enabled", "app", "beat.timer"]),
        "enabled\nenabled"
    );
    assert!(!succeeds(&["systemctl", "is-active", "--quiet", "cron"]));
    let show =
        |property: &str, unit: &str| host(&["systemctl", "show", "--value", "-p", property, unit]);
    assert_eq!(show("Environment", "app"), "A=1");
    for unit in ["app", "beat.timer", "beat", "cron"] {
        assert_eq!(show("NeedDaemonReload", unit), "no", "{unit}");
    }
    assert_eq!(show("UnitFileState", "cron"), "masked");
    wait_for(&site, "/tmp/beat");
    // No `$` and no `%` was systemd's.
    assert_eq!(host(&["cat", "/tmp/beat"]), "100%H nobody");

    let second = site.ok(&["--target", "web1", "--json", "provision", &config]);
    assert!(second.contains("\"changed\":0"), "{second}");
    assert_eq!(reloads() - before, 3);

    // What systemd would not understand does not come to stay.
    let refused = |text: &str, why: &str| {
        fs::write(&config, text).unwrap();
        let output = site
            .hpt(&["--target", "web1", "provision", &config])
            .output()
            .unwrap();
        let told = words(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(why), "{why} is not in\n{told}");
    };
    refused(&unit.replace("ExecStart", "ExecStrat"), "Unknown key");
    assert!(host(&["cat", "/etc/systemd/system/app.service"]).contains("ExecStart="));
    refused(
        &timer.replace("beat", "late").replace("*:*:*", "25:00"),
        "25:00",
    );
    assert!(!succeeds(&["test", "-e", "/etc/systemd/system/late.timer"]));
    assert!(!succeeds(&[
        "test",
        "-e",
        "/etc/systemd/system/late.service"
    ]));
    // Nor is a start a success if systemd starts it again and again.
    let dies = "\"/usr/bin/sleep 0.7\"\nRestart = \"always\"\nRestartSec = \"10ms\"";
    let dying = unit
        .replace("\"/usr/bin/sleep 1000\"", dies)
        .replace("app", "dies");
    let watched = service
        .replace("app", "dies")
        .replace("wait_active = 1", "wait_active = 3");
    refused(
        &format!("{dying}{watched}"),
        "started anew by systemd within 3 s",
    );

    let absent = "[[unit]]\nname = \"app\"\nabsent = true\n[[unit]]\nname = \"dies\"\nabsent = true\n\
                  [[dropin]]\nunit = \"app\"\nname = \"10-a\"\nabsent = true\n\
                  [[timer]]\nname = \"beat\"\nabsent = true\n\
                  [[service]]\nname = \"cron\"\nmasked = false\nenabled = true\nstatus = \"started\"\n";
    fs::write(&config, absent).unwrap();
    let plan = site.ok(&["--target", "web1", "plan", &config]);
    assert!(
        plan.contains("stop, disable") && plan.contains("unmask, enable, start"),
        "{plan}"
    );
    site.ok(&["--target", "web1", "provision", &config]);
    let left = "ls /etc/systemd/system /etc/systemd/system/*.wants | grep -E 'app|beat|dies|cron.service$' | sort";
    assert_eq!(host(&["sh", "-c", left]), "app.service.d\ncron.service");
    assert!(!succeeds(&[
        "systemctl",
        "is-active",
        "--quiet",
        "beat.timer"
    ]));
    assert_eq!(host(&["systemctl", "is-active", "cron"]), "active");
    let again = site.ok(&["--target", "web1", "--json", "provision", &config]);
    assert!(again.contains("\"changed\":0"), "{again}");
}

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
        format!("{user}{lingers}{dirs}{files}{service}{timer}{handler}")
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
    assert!(last.contains("1 in place, nothing to do"), "{last}");
    // No bridge is left behind.
    let bridges = "for i in $(seq 50); do systemctl list-units --all --no-legend 'hpt-bridge-*' | \
                   grep -q . || exit 0; sleep 0.1; done; systemctl list-units --all 'hpt-bridge-*'; exit 1";
    host(&["sh", "-c", bridges]);
}

fn wait_for(site: &Site, path: &str) {
    for _ in 0..200 {
        if site
            .lab
            .run("web1", &["test", "-e", path])
            .status()
            .unwrap()
            .success()
        {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{path} did not come to be");
}

#[test]
fn a_stranger_gets_silence_and_a_removed_host_is_unreachable() {
    let Some(site) = Site::up() else { return };
    let other = site.path("other.db");
    let stranger = |args: &[&str]| site.hpt(args).env("HPT_KEYSTORE", &other).output().unwrap();
    assert!(stranger(&["gen-client-keys"]).status.success());
    let made = stranger(&[
        "gen-target-keys",
        "--target",
        "web1",
        "--ip",
        "10.77.0.11",
        "--output",
        &site.path("x.keystore"),
    ]);
    assert!(made.status.success(), "{}", words(&made));
    let refused = stranger(&["--target", "web1", "status"]);
    assert_eq!(refused.status.code(), Some(5), "{}", words(&refused));
    site.lab.must("partition", &["web1"]);
    let gone = site.hpt(&["--target", "web1", "status"]).output().unwrap();
    assert_eq!(gone.status.code(), Some(5), "{}", words(&gone));
    site.lab.must("heal", &["web1"]);
    site.ok(&["--target", "web1", "status"]);
}
