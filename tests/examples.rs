//! Each of examples/ from a bare host, where it does what it is for; then again, when nothing changes.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod lab;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use lab::{HPT, Lab};

/// What the examples read from the environment.
const SECRETS: [(&str, &str); 2] = [
    ("APP_DB_PASSWORD", "correct-horse"),
    ("DATABASE_URL", "postgres://app:battery@db/app"),
];
const ADDRESS: &str = "10.77.0.11";
const WEB1: [&str; 2] = ["--target", "web1"];

#[test]
fn every_example_is_valid_is_planned_without_a_host_and_says_how_to_begin() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let config = format!("examples/{name}/site.toml");
        let hpt = |args: &[&str]| {
            let mut command = Command::new(HPT);
            command.args(args).arg(&config).envs(SECRETS);
            command.current_dir(env!("CARGO_MANIFEST_DIR"));
            command.output().unwrap()
        };
        let check = hpt(&["check"]);
        assert_eq!(words(&check), format!("{config}: valid\n"));
        assert_eq!(hpt(&["fmt", "--check"]).status.code(), Some(0), "{config}");
        // There is no package in an empty directory, so what needs one is blocked, which is exit 1.
        let plan = hpt(&["--root", dir.path().to_str().unwrap(), "plan"]);
        assert_eq!(plan.status.code(), Some(1), "{}", words(&plan));
        assert!(words(&plan).contains(" blocked"), "{}", words(&plan));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{name}");

        let page = fs::read_to_string(path.join("README.md")).unwrap();
        assert!((10..=20).contains(&page.lines().count()), "{name}");
        assert!(page.contains("hange first"), "{name}");
        for verb in ["check", "plan", "provision"] {
            let line = format!(" {verb} {config}");
            assert!(page.contains(&line), "{name} has no `{line}`");
        }
        let tested = format!("Host::bare(\"{name}\")");
        assert!(include_str!("examples.rs").contains(&tested), "{tested}");
        count += 1;
    }
    assert_eq!(count, 6);
}

#[test]
fn a_web_server_answers_over_https() {
    let Some(host) = Host::bare("web-server") else {
        return;
    };
    host.becomes(&[], 0);
    let site = ["--connect-to", &format!("www.example.org::{ADDRESS}:")];
    let curl = |args: &[&str]| {
        let all = [&["curl", "-sS"], &site[..], args].concat();
        words(&host.lab.ws(&all).output().unwrap())
    };
    let page = curl(&["-k", "https://www.example.org/"]);
    assert!(page.contains("<h1>It works</h1>"), "{page}");
    assert!(curl(&["-k", "https://www.example.org/x"]).contains("Not found"));
    let elsewhere = curl(&["-I", "http://www.example.org/a?b"]);
    assert!(
        elsewhere.contains("Location: https://www.example.org/a?b"),
        "{elsewhere}"
    );
    // What the authority would ask for, were there one.
    let challenge = "mkdir -p /var/lib/dehydrated/acme-challenges && \
                     echo yes > /var/lib/dehydrated/acme-challenges/token";
    host.ok(challenge);
    let asked = curl(&["http://www.example.org/.well-known/acme-challenge/token"]);
    assert_eq!(asked, "yes\n");

    // The renewal's service, with a client that has nothing to do, makes nginx read again.
    host.ok("printf '#!/bin/sh\\n' > /usr/bin/dehydrated");
    host.ok("systemctl start certificate.service");
    assert_eq!(host.ok("systemctl is-enabled certificate.timer"), "enabled");

    // A site that nginx does not understand is not loaded, and the run says so.
    let broken = "listen 443 ssl http2;";
    let template = host.path("example/templates/site.conf.j2");
    let text = fs::read_to_string(&template).unwrap();
    fs::write(&template, text.replace(broken, "listen nowhere at all;")).unwrap();
    let failed = host.fails(&[]);
    assert!(failed.contains("nowhere"), "{failed}");
    assert!(curl(&["-k", "https://www.example.org/"]).contains("It works"));
}

#[test]
fn a_postgresql_host_answers_its_clients_and_keeps_backups() {
    let Some(host) = Host::bare("postgresql") else {
        return;
    };
    let clients = ["--var", "clients=10.77.0.0/24"];
    host.becomes(&clients, 1); // the guard that is a command is asked when applied
    let query = |password: &str, sql: &str| {
        let url = format!("postgresql://app:{password}@{ADDRESS}/app?sslmode=require");
        host.run(&format!("psql -tAc \"{sql}\" '{url}'"))
    };
    let made = query(
        SECRETS[0].1,
        "CREATE TABLE t (n int); INSERT INTO t VALUES (42); SELECT n FROM t",
    );
    assert!(words(&made).ends_with("42\n"), "{}", words(&made));
    assert!(!query("wrong", "SELECT 1").status.success());

    host.ok("systemctl start postgresql-backup.service");
    host.ok("runuser -u postgres -- psql -q -c 'DROP TABLE t' app");
    host.ok("runuser -u postgres -- pg_restore -d app /var/backups/postgresql/app-*.dump");
    assert!(words(&query(SECRETS[0].1, "SELECT n FROM t")).contains("42"));

    // Another password in the secret becomes the role's.
    let args = [
        &WEB1,
        &["provision", "--yes"],
        &clients[..],
        &[&host.config],
    ]
    .concat();
    let again = host.command(&args).env(SECRETS[0].0, "staple").output();
    assert_eq!(again.unwrap().status.code(), Some(0));
    assert!(query("staple", "SELECT 1").status.success());
    assert!(!query(SECRETS[0].1, "SELECT 1").status.success());
}

#[test]
fn a_prometheus_node_shows_its_metrics_and_ones_of_its_own() {
    let Some(host) = Host::bare("prometheus-node") else {
        return;
    };
    host.becomes(&["--var", "prometheus=10.77.0.1"], 0);
    host.ok("systemctl start host-metrics.service");
    let metrics = host.curl(&format!("http://{ADDRESS}:9100/metrics"));
    for line in [
        "host_reboot_required 0",
        "node_systemd_unit_state{name=\"cron.service\",state=\"active\",type=\"simple\"} 1",
        "node_textfile_scrape_error 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "no {line}");
    }
}

#[test]
fn a_build_machine_builds() {
    let Some(host) = Host::bare("build-machine") else {
        return;
    };
    host.becomes(&[], 0);
    let program = "int puts(const char *); int main(void) { return puts(\\\"built\\\") < 0; }";
    let as_ana = |script: &str| host.ok(&format!("su - ana -c \"{script}\""));
    as_ana(&format!(
        "cd /srv/build && echo '{program}' > a.c && gcc -c a.c"
    ));
    as_ana("cd /srv/build && gcc -c a.c && gcc a.o -o a");
    assert_eq!(host.ok("su - bo -c '/srv/build/a'"), "built");
    // Compiled twice, and the second time found; both by the same cache, which bo may write to too.
    let found = host.ok("su - bo -c 'ccache --print-stats'");
    assert!(found.contains("direct_cache_hit\t1"), "{found}");
    assert_eq!(host.ok("stat -c '%G %a' /srv/build/a.o"), "build 664");
    assert_eq!(as_ana("ulimit -Hu"), "8192");
    let swappiness = host.ok("cat /etc/sysctl.d/99-zz-hpt-vm.swappiness.conf");
    assert_eq!(swappiness, "vm.swappiness = 10");

    host.ok("touch -d '8 days ago' /srv/build/a && mkdir /srv/build/new");
    host.ok("sh -c \"$(sed -n 's/^@daily root //p' /etc/cron.d/old-builds)\"");
    assert_eq!(host.ok("ls -x /srv/build"), "a.c  a.o  new");
}

#[test]
fn a_hardened_sshd_lets_in_keys_and_neither_root_nor_passwords() {
    let Some(host) = Host::bare("sshd-hardening") else {
        return;
    };
    let key = host.path("ana");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &key]);
    assert!(keygen.status().unwrap().success());
    let public = fs::read_to_string(format!("{key}.pub")).unwrap();
    let vars = host.path("vars.toml");
    fs::write(&vars, format!("[admins]\nana = \"{}\"\n", public.trim())).unwrap();
    let ssh = |args: &[&str]| host.lab.ws(&[&["ssh"], args].concat()).output().unwrap();
    let root = ["web1", "id", "-un"];
    assert_eq!(words(&ssh(&root)), "root\n");

    host.becomes(&["--var-file", &vars], 0);
    let in_by_key = ssh(&["-i", &key, "ana@web1", "sudo", "-n", "id", "-un"]);
    assert_eq!(words(&in_by_key), "root\n");
    host.ok("echo ana:password | chpasswd");
    let by_password = ["-o", "PubkeyAuthentication=no", "ana@web1"];
    for who in [&root[..], &["-i", &key, "root@web1"], &by_password] {
        let refused = words(&ssh(who));
        // sshd offers keys alone.
        assert!(
            refused.contains("Permission denied (publickey)."),
            "{who:?}: {refused}"
        );
    }

    // What sshd would not read never gets into its place.
    let file = host.path("example/files/hardening.conf");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text + "PermitRootLogin perhaps\n").unwrap();
    let failed = host.fails(&["--var-file", &vars]);
    assert!(failed.contains("perhaps"), "{failed}");
    assert!(!host.ok("sshd -T").contains("perhaps"));
    fs::write(&vars, "admins = {}\n").unwrap();
    let failed = host.fails(&["--var-file", &vars]);
    assert!(failed.contains("nobody is named"), "{failed}");
}

/// A program that answers with its release, and notes its migrations.
const APP: &str = r#"
set -e
cd "$(mktemp -d)"
git init -q
mkdir bin
cat > bin/migrate <<'X'
#!/bin/sh -e
[ "$RELEASE" != v1.2.0 ]
echo "$RELEASE $DATABASE_URL" >> /var/tmp/migrations
X
cat > bin/serve <<'X'
#!/usr/bin/python3
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class App(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["RELEASE"].encode())

HTTPServer(("", int(os.environ["PORT"])), App).serve_forever()
X
chmod 0755 bin/*
git add .
for release in v1.0.0 v1.1.0 v1.2.0; do
    git commit -q --allow-empty -m $release
    git tag $release
done
git clone -q --bare . /srv/git/app.git
touch /srv/git/app.git/git-daemon-export-ok
chown -R git:git /srv/git/app.git
"#;

#[test]
fn an_app_is_deployed_from_git_migrated_and_deployed_again() {
    let Some(host) = Host::bare("app-from-git") else {
        return;
    };
    let server = host.lab.must("git-server", &[]);
    let ca = server.lines().find_map(|line| line.strip_prefix("CA="));
    let place = "web1:/usr/local/share/ca-certificates/lab.crt";
    host.lab.must("cp", &[ca.unwrap(), place]);
    host.ok("update-ca-certificates 2>&1");
    host.lab.ok("git", &["sh", "-c", APP]);
    let answer = || host.curl(&format!("http://{ADDRESS}:8080/"));
    let repository = ["--var", "repository=https://git/app.git"];

    host.becomes(&repository, 0);
    assert_eq!(answer(), "v1.0.0");
    let mut migrations = format!("v1.0.0 {}", SECRETS[1].1);
    assert_eq!(host.ok("cat /var/tmp/migrations"), migrations);
    assert_eq!(host.ok("stat -c '%U %G %a' /etc/app.env"), "root app 640");
    let shown = host.ok("journalctl --quiet --output=cat");
    assert!(!shown.contains("battery"), "the secret is in the journal");

    let next = [&repository[..], &["--var", "release=v1.1.0"]].concat();
    host.becomes(&next, 0);
    assert_eq!(answer(), "v1.1.0");
    migrations += &format!("\nv1.1.0 {}", SECRETS[1].1);
    assert_eq!(host.ok("cat /var/tmp/migrations"), migrations);

    // A release that cannot migrate is not started: the one before goes on.
    let failed = host.fails(&[&repository[..], &["--var", "release=v1.2.0"]].concat());
    assert!(failed.contains("failed   migrate"), "{failed}");
    assert_eq!(answer(), "v1.1.0");
}

/// A host of its own lab that serves hpt, and the workstation with a copy of one example.
struct Host {
    lab: Lab,
    dir: tempfile::TempDir,
    config: String,
}

impl Host {
    fn bare(example: &str) -> Option<Self> {
        let lab = Lab::up(&["web1"])?;
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("example");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let mut cp = Command::new("cp");
        cp.arg("-r").arg(from.join(example)).arg(&copy);
        assert!(cp.status().unwrap().success());
        let config = copy.join("site.toml").display().to_string();
        let host = Self { lab, dir, config };
        let keystore = host.path("web1.keystore");
        host.must(&["gen-client-keys"]);
        host.must(
            &[
                &WEB1,
                &["gen-target-keys", "--ip", ADDRESS, "--output", &keystore][..],
            ]
            .concat(),
        );
        let unit = host.must(&["unit-file", "--program", "/usr/local/bin/hpt"]);
        fs::write(host.path("hpt.service"), unit).unwrap();
        host.ok("install -d -m 0700 /etc/hpt");
        host.lab
            .must("cp", &[&keystore, "web1:/etc/hpt/keystore.db"]);
        let place = "web1:/etc/systemd/system/hpt.service";
        host.lab.must("cp", &[&host.path("hpt.service"), place]);
        // Nobody pulls the plug here, and half of the time would go into dpkg's fsync.
        host.ok("echo force-unsafe-io > /etc/dpkg/dpkg.cfg.d/lab");
        host.ok("systemctl enable --quiet --now hpt.service");
        Some(host)
    }

    /// Provisions it, every block of it; and then again, when only `asked` guards are left to ask.
    fn becomes(&self, args: &[&str], asked: usize) {
        let with = |verb: &[&str]| self.must(&[&WEB1, verb, args, &[&self.config]].concat());
        with(&["plan"]);
        let first = with(&["--json", "provision", "--yes"]);
        assert!(first.contains("\"failed\":0,\"not_run\":0"), "{first}");
        let plan = with(&["--json", "plan"]);
        let settled = format!(
            "\"create\":0,\"update\":0,\"delete\":0,\"run\":0,\"maybe\":{asked},\"blocked\":0"
        );
        assert!(plan.contains(&settled), "{plan}");
        let second = with(&["--json", "provision", "--yes"]);
        assert!(second.contains("\"changed\":0"), "{second}");
        if asked == 0 {
            assert!(with(&["provision"]).contains("in place, nothing to do"));
        }
        assert_eq!(self.ok("systemctl --failed --quiet"), "");
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// `hpt ARGS` on the workstation.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.lab.ws(&[&[HPT], args].concat());
        command
            .env("HPT_KEYSTORE", self.path("client.db"))
            .envs(SECRETS);
        command
    }

    fn hpt(&self, args: &[&str]) -> Output {
        let output = self.command(args).output().unwrap();
        for (_, secret) in SECRETS {
            assert!(
                !words(&output).contains(secret),
                "hpt {args:?} shows a secret"
            );
        }
        output
    }

    /// Provisions it, which must end with exit 1; what is said about it.
    fn fails(&self, args: &[&str]) -> String {
        let output = self.hpt(&[&WEB1, &["provision", "--yes"], args, &[&self.config]].concat());
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        words(&output)
    }

    fn must(&self, args: &[&str]) -> String {
        let output = self.hpt(args);
        assert_eq!(
            output.status.code(),
            Some(0),
            "hpt {args:?}\n{}",
            words(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A shell script on the host.
    fn run(&self, script: &str) -> Output {
        self.lab
            .run("web1", &["sh", "-c", script])
            .output()
            .unwrap()
    }

    /// The same, which must succeed; its output without the last newline.
    fn ok(&self, script: &str) -> String {
        self.lab.ok("web1", &["sh", "-c", script])
    }

    /// What an address answers to the workstation, once it does.
    fn curl(&self, url: &str) -> String {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let output = self.lab.ws(&["curl", "-sSf", url]).output().unwrap();
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap();
            }
            assert!(Instant::now() < end, "{url}: {}", words(&output));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn words(output: &Output) -> String {
    let text = String::from_utf8_lossy;
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}
