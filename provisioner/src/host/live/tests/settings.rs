//! Settings of a running kernel and host, in namespaces of their own: this machine keeps its own.

use super::*;
use crate::config::scope::Scope;
use crate::config::{self, Config, File};
use crate::host::setting::Setting;
use crate::name::SysctlKey;
use crate::plan::{Reveal, plan};
use crate::run;

/// Runs one of the tests below in new namespaces, where its `Effect::Set` reaches nobody else.
fn apart(test: &str) {
    if !is_root() {
        return;
    }
    let program = std::env::current_exe().unwrap();
    let test = format!("host::live::tests::settings::{test}");
    let args = [
        "--uts",
        "--net",
        "--mount",
        program.to_str().unwrap(),
        "--nocapture",
        "--exact",
        &test,
    ];
    let mut output = Vec::new();
    let spawn = Spawn::tool("unshare", args).env(APART, "1");
    let end = spawn.run(&mut |_, bytes| output.extend_from_slice(bytes));
    let output = String::from_utf8_lossy(&output).into_owned();
    assert_eq!(
        end.unwrap(),
        crate::host::live::command::End::Exit(0),
        "{output}"
    );
    assert!(output.contains("1 passed"), "{output}");
}

/// Whether a tool is there that a test needs, which it is where all tests must run.
#[allow(
    clippy::disallowed_methods,
    reason = "a test is asked for by its environment"
)]
fn is_installed(program: &str) -> bool {
    let there = Path::new(program).exists();
    assert!(
        there || std::env::var("HPT_REQUIRE_ALL").is_err(),
        "this test needs {program}"
    );
    there
}

const APART: &str = "HPT_TEST_APART";

/// Whether this process is the one in namespaces of its own.
#[allow(
    clippy::disallowed_methods,
    reason = "a test that starts itself tells itself so"
)]
fn is_apart() -> bool {
    std::env::var(APART).is_ok()
}

fn set(live: &mut Live, setting: &Setting, value: Option<&str>) {
    let effect = Effect::Set {
        setting: setting.clone(),
        value: value.map(ToOwned::to_owned),
    };
    all_done(live, &[effect]);
    assert_eq!(live.setting(setting).unwrap().as_deref(), value);
}

fn sysctl(key: &str) -> Setting {
    Setting::Sysctl(SysctlKey::parse(key).unwrap())
}

#[test]
fn what_a_running_kernel_is_set_to_is_read_without_a_process() {
    let live = open(Path::new("/"));
    let release = live.setting(&sysctl("kernel.osrelease")).unwrap();
    assert_eq!(release.as_deref(), Some(live.facts().kernel.as_str()));
    assert_eq!(live.setting(&sysctl("kernel.no_such_thing")).unwrap(), None);
    let dir = tempfile::tempdir().unwrap();
    let mut image = open(dir.path());
    assert!(!image.powers().kernel);
    assert_eq!(image.setting(&sysctl("kernel.osrelease")).unwrap(), None);
    let effect = Effect::Set {
        setting: Setting::Hostname,
        value: Some("x".to_owned()),
    };
    assert!(perform(&mut image, &[effect])[0].is_err());
}

#[test]
fn a_parameter_and_the_name_are_set() {
    if !is_apart() {
        return apart("a_parameter_and_the_name_are_set");
    }
    let mut live = open(Path::new("/"));
    set(&mut live, &Setting::Hostname, Some("elsewhere.example.org"));
    let forward = sysctl("net.ipv4.ip_forward");
    set(&mut live, &forward, Some("1"));
    set(&mut live, &forward, Some("0"));
    set(
        &mut live,
        &sysctl("net.ipv4.tcp_rmem"),
        Some("4096 65536 1048576"),
    );
    let effect = Effect::Set {
        setting: forward,
        value: Some("many".to_owned()),
    };
    let error = perform(&mut live, &[effect])[0].clone().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the kernel refuses this value of net.ipv4.ip_forward"),
        "{error}"
    );
}

#[test]
fn a_file_system_is_mounted_by_its_line_and_unmounted() {
    if !is_apart() {
        return apart("a_file_system_is_mounted_by_its_line_and_unmounted");
    }
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("fstab");
    let spot = dir.path().join("my data");
    fs::create_dir(&spot).unwrap();
    let spot = path(spot.to_str().unwrap());
    let field = spot.to_string().replace(' ', "\\040");
    fs::write(&table, format!("tmpfs {field} tmpfs size=64k 0 0\n")).unwrap();
    // The mount namespace is this process's own: nobody else sees another table.
    let bind = ["--bind", table.to_str().unwrap(), "/etc/fstab"];
    Spawn::tool("mount", bind).succeed(&mut |_, _| {}).unwrap();
    let mut live = open(Path::new("/"));
    live.powers.services = false; // that systemd is not in this namespace
    let at = Setting::Mounted(spot);
    assert_eq!(live.setting(&at).unwrap(), None);
    set(&mut live, &at, Some("tmpfs tmpfs"));
    set(&mut live, &at, None);
}

fn config(text: &str) -> Config {
    let files = vec![File {
        name: "site.toml".to_owned(),
        text: text.to_owned(),
    }];
    let scope = Scope {
        facts: Some(Facts::default()),
        secrets: Some([].into()),
        ..Scope::default()
    };
    config::parse(files, scope).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// Applies a text; then nothing is left to do.
fn settles(live: &mut Live, text: &str) {
    let config = config(text);
    let first = plan(&config, live, Reveal::Content);
    assert!(!first.is_empty(), "{text}");
    let report = run::apply(&config, live, &mut ());
    assert!(report.succeeded(), "{report:#?}\n{first:#?}");
    let left = plan(&config, live, Reveal::Content);
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn a_firewall_is_loaded_as_a_whole_and_known_by_its_mark() {
    if !is_root() || !is_installed("/usr/sbin/nft") {
        return;
    }
    if !is_apart() {
        return apart("a_firewall_is_loaded_as_a_whole_and_known_by_its_mark");
    }
    let tool = |program: &str, args: &[&str]| {
        Spawn::tool(program, args.iter().copied()).succeed(&mut |_, _| {})
    };
    for at in ["/etc", "/run"] {
        tool("mount", &["-t", "tmpfs", "tmpfs", at]).unwrap();
    }
    let mut live = open(Path::new("/"));
    assert_eq!(live.setting(&Setting::Ruleset).unwrap(), None);
    let text = "[[firewall]]\nallow = [{ port = 22, from = \"10.0.0.0/8\" }, { port = \"8000-8100\", proto = \"udp\", iface = \"eth0\" }, { from = \"fd00::1\" }]\n";
    settles(&mut live, text);
    let record = fs::read_to_string("/run/hpt-firewall.nft").unwrap();
    let mark = live.setting(&Setting::Ruleset).unwrap().unwrap();
    assert!(record.contains(&format!("comment \"{mark}\"")), "{record}");
    settles(
        &mut live,
        &format!("{text}deny = [{{ proto = \"udp\" }}]\n"),
    );
    tool("nft", &["flush", "ruleset"]).unwrap();
    settles(&mut live, text);
    // A table of the same name that is not hpt's own is replaced too.
    tool("nft", &["delete", "table", "inet", "hpt"]).unwrap();
    tool("nft", &["add", "table", "inet", "hpt"]).unwrap();
    assert_eq!(
        live.setting(&Setting::Ruleset).unwrap().as_deref(),
        Some("")
    );
    settles(&mut live, text);
    // Others' tables stay, until hpt is to be alone.
    tool("nft", &["add", "table", "ip", "others"]).unwrap();
    let list = || tool("nft", &["list", "table", "ip", "others"]);
    settles(&mut live, &format!("{text}default = \"accept\"\n"));
    list().unwrap();
    settles(&mut live, &format!("{text}exclusive = true\n"));
    assert!(list().is_err());
    settles(&mut live, "[[firewall]]\nabsent = true\n");
    assert_eq!(live.setting(&Setting::Ruleset).unwrap(), None);
    assert!(!Path::new("/run/hpt-firewall.nft").exists());
}

#[test]
fn a_wait_goes_on_when_what_it_waits_for_has_come() {
    let dir = tempfile::tempdir().unwrap();
    let mut live = open(dir.path());
    let config = config("[[wait]]\nfile = \"/ready\"\nwithin = 60\n");
    let file = dir.path().join("ready");
    let maker = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        fs::write(file, "").unwrap();
    });
    let report = run::apply(&config, &mut live, &mut ());
    maker.join().unwrap();
    assert!(report.succeeded(), "{report:#?}");
    assert!(plan(&config, &live, Reveal::Content).is_empty());
}
