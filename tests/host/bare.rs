//! All kinds of blocks on one host, which has nothing of it to begin with.

use std::fs;

use super::site::{SECRET, Site, words};

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
    host(&["nft", "flush", "ruleset"]);
    let third = site.ok(&["--target", "web1", "--json", "provision", &config]);
    assert!(third.contains("\"changed\":3"), "{third}");
    // So is what whoever restarts nftables.service takes away, and at once.
    host(&["systemctl", "restart", "nftables"]);
    assert!(host(&["nft", "list", "table", "inet", "hpt"]).contains("tcp dport 6632 accept"));

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
