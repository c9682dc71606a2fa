//! hpt comes to hosts without ssh: by one file, by cloud-init, in the image that a host boots from.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::lab::{HPT, Lab};
use super::site::words;

/// A workstation with keys of its own, in a directory of its own.
struct Desk {
    lab: Lab,
    dir: tempfile::TempDir,
}

impl Desk {
    fn up(hosts: &[&str]) -> Option<Self> {
        let lab = Lab::bare(hosts)?;
        let dir = tempfile::tempdir().unwrap();
        Some(Self { lab, dir })
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn here(&self, mut command: Command) -> Output {
        command
            .current_dir(self.dir.path())
            .env("HPT_KEYSTORE", self.path("client.db"))
            .output()
            .unwrap()
    }

    fn hpt(&self, args: &[&str]) -> Output {
        self.here(self.lab.ws(&[&[HPT], args].concat()))
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.hpt(args);
        assert!(output.status.success(), "{args:?}: {}", words(&output));
        words(&output)
    }

    fn mode(&self, name: &str) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        let meta = fs::metadata(self.dir.path().join(name)).unwrap();
        meta.permissions().mode() & 0o7777
    }

    /// What of hpt is on a host.
    fn traces(&self, host: &str) -> String {
        let look = "ls -d /etc/hpt /usr/local/bin/* /etc/systemd/system/hpt.service; true";
        self.lab.ok(host, &["sh", "-c", look])
    }

    /// All is where it belongs, for those whom it concerns, and starts with the host.
    fn is_installed(&self, host: &str) {
        let modes = "stat -c '%a %U:%G %n' /etc/hpt /etc/hpt/keystore.db /usr/local/bin/hpt \
                     /etc/systemd/system/hpt.service; ls -A /etc/hpt /usr/local/bin; systemctl is-enabled hpt";
        assert_eq!(
            self.lab.ok(host, &["sh", "-c", modes]),
            "700 root:root /etc/hpt\n600 root:root /etc/hpt/keystore.db\n755 root:root /usr/local/bin/hpt\n\
             644 root:root /etc/systemd/system/hpt.service\n\
             /etc/hpt:\nkeystore.db\n\n/usr/local/bin:\nhpt\nenabled"
        );
        let status = self.ok(&["--target", host, "status"]);
        assert!(status.contains(host), "{status}");
    }
}

#[test]
fn one_file_installs_a_host() {
    let Some(desk) = Desk::up(&["web1"]) else {
        return;
    };
    desk.ok(&[
        "gen-target-keys",
        "--target",
        "web1",
        "--ip",
        "10.77.0.11",
        "--format",
        "installer",
    ]);
    assert_eq!(desk.mode("web1.sh"), 0o600);
    let bring = |bytes: &[u8]| {
        fs::write(desk.dir.path().join("brought"), bytes).unwrap();
        desk.lab
            .must("cp", &[&desk.path("brought"), "web1:/root/web1.sh"]);
    };
    let run = |more: &[&str]| {
        let argv = [&["sh", "/root/web1.sh"], more].concat();
        let output = desk.lab.run("web1", &argv).output().unwrap();
        (output.status.code(), words(&output))
    };

    // A file that lost or changed a byte on its way changes nothing.
    let whole = fs::read(desk.dir.path().join("web1.sh")).unwrap();
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    for bad in [&whole[..whole.len() - 1], &changed] {
        bring(bad);
        let (code, told) = run(&[]);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("/root/web1.sh is not whole"), "{told}");
        assert_eq!(desk.traces("web1"), "");
    }

    bring(&whole);
    let (code, told) = run(&[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("web1 is installed: hpt 0.1.0"), "{told}");
    assert!(told.contains("remove /root/web1.sh"), "{told}");
    desk.is_installed("web1");

    let (code, told) = run(&[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("somebody has installed it"), "{told}");
    let (code, told) = run(&["--force"]);
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = run(&["--forse"]);
    assert_eq!(code, Some(1), "{told}");
    desk.is_installed("web1");
}

/// A web server on the workstation, gone when dropped.
struct Server(Child);

impl Server {
    fn of(lab: &Lab, dir: &Path) -> Self {
        let serve = [
            "python3",
            "-u",
            "-m",
            "http.server",
            "--bind",
            "10.77.0.1",
            "8000",
        ];
        let mut command = lab.ws(&serve);
        let command = command
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// cloud-init as Debian has it, at the first boot of two hosts: one that has Python alone, and one that has curl and is
/// given another program than was meant.
#[test]
fn a_host_of_cloud_init_comes_by_itself() {
    let hosts = ["web1", "odd"];
    let Some(desk) = Desk::up(&hosts) else { return };
    let web = desk.dir.path().join("web");
    fs::create_dir(&web).unwrap();
    std::os::unix::fs::symlink(HPT, web.join("hpt")).unwrap();
    fs::copy("/bin/true", web.join("other")).unwrap();
    let _server = Server::of(&desk.lab, &web);
    for (number, host) in hosts.iter().enumerate() {
        let file = if *host == "odd" { "other" } else { "hpt" };
        let (ip, url) = (
            format!("10.77.0.1{}", number + 1),
            format!("http://10.77.0.1:8000/{file}"),
        );
        let made = [
            "gen-target-keys",
            "--target",
            host,
            "--ip",
            &ip,
            "--output",
            host,
        ];
        desk.ok(&[
            &made[..],
            &["--format", "cloud-init", "--program-url", &url],
        ]
        .concat());
        assert_eq!(desk.mode(host), 0o600);
        let length = fs::metadata(desk.dir.path().join(host)).unwrap().len();
        assert!(
            length < 12 << 10,
            "{length} bytes leave little room for others"
        );
    }
    std::thread::scope(|scope| {
        for host in hosts {
            let desk = &desk;
            scope.spawn(move || boot_with(desk, host));
        }
    });
    let status = ["cloud-init", "status", "--wait"];
    let status = words(&desk.lab.run("web1", &status).output().unwrap());
    let log = ["cat", "/var/log/cloud-init-output.log"];
    let log = words(&desk.lab.run("web1", &log).output().unwrap());
    assert!(status.contains("status: done"), "{status}\n{log}");
    desk.is_installed("web1");
    let status = desk
        .lab
        .run("odd", &["cloud-init", "status", "--wait"])
        .output()
        .unwrap();
    assert!(
        words(&status).contains("status: error"),
        "{}",
        words(&status)
    );
    let log = desk
        .lab
        .ok("odd", &["cat", "/var/log/cloud-init-output.log"]);
    assert!(log.contains("is not the hpt that was meant"), "{log}");
    assert_eq!(desk.traces("odd"), "");
}

/// Gives a host cloud-init, which finds the user-data and judges it, and boots it.
fn boot_with(desk: &Desk, host: &str) {
    let curl = if host == "odd" { "curl" } else { "" };
    let install = format!(
        "apt-get -qq update && apt-get -qqy install cloud-init {curl} > /dev/null && mkdir -p {SEED} \
         && echo 'instance-id: {host}' > {SEED}/meta-data && echo '{CONFIG}' > /etc/cloud/cloud.cfg.d/99-lab.cfg"
    );
    desk.lab.ok(host, &["sh", "-c", &install]);
    let seed = format!("{host}:{SEED}/user-data");
    desk.lab.must("cp", &[&desk.path(host), &seed]);
    let schema = ["cloud-init", "schema", "-c", &format!("{SEED}/user-data")];
    let judged = desk.lab.run(host, &schema).output().unwrap();
    assert!(judged.status.success(), "{}", words(&judged));
    // Where cloud-init fails, systemd's word for the host is another than `running`.
    let booted = desk.lab.command("reboot").arg(host).output().unwrap();
    let state = String::from_utf8_lossy(&booted.stdout);
    assert!(
        ["running", "degraded"].contains(&state.trim()),
        "{}",
        words(&booted)
    );
}

const SEED: &str = "/var/lib/cloud/seed/nocloud";
/// The lab has made the host's network.
const CONFIG: &str = "datasource_list: [NoCloud]\nnetwork: {config: disabled}";

#[test]
fn a_host_boots_from_an_image_with_hpt_in_it() {
    let Some(desk) = Desk::up(&["web1"]) else {
        return;
    };
    let install = |root: &str, more: &[&str]| {
        let to = [
            "install",
            "--root",
            root,
            "--target",
            "web1",
            "--ip",
            "10.77.0.11",
        ];
        desk.here(desk.lab.disk("web1", &[&[HPT], &to[..], more].concat()))
    };
    desk.lab.must("kill", &["web1"]);
    let empty = tempfile::tempdir().unwrap();
    for (root, why) in [
        ("/", "it is the root directory of this machine"),
        (
            empty.path().to_str().unwrap(),
            "it is not the root directory of a Linux with systemd",
        ),
        ("/nowhere", "cannot look at it"),
    ] {
        let refused = install(root, &[]);
        assert_eq!(refused.status.code(), Some(1), "{root}");
        assert!(words(&refused).contains(why), "{}", words(&refused));
        assert!(!desk.dir.path().join("web1.keystore").exists());
    }
    let installed = install("/mnt", &[]);
    assert!(installed.status.success(), "{}", words(&installed));
    assert!(
        !desk.dir.path().join("web1.keystore").exists(),
        "it was delivered"
    );
    let again = install("/mnt", &[]);
    assert_eq!(again.status.code(), Some(1), "{}", words(&again));
    assert!(
        words(&again).contains("`--force` replaces"),
        "{}",
        words(&again)
    );
    let enabled = desk
        .lab
        .disk(
            "web1",
            &["systemctl", "--root", "/mnt", "is-enabled", "hpt"],
        )
        .output();
    assert_eq!(words(&enabled.unwrap()), "enabled\n");
    let replaced = install("/mnt", &["--force"]);
    assert!(replaced.status.success(), "{}", words(&replaced));

    desk.lab.must("start", &["web1"]);
    desk.is_installed("web1");
}
