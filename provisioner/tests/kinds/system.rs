//! The kinds about a whole host: `[[hostname]]`, `[[timezone]]` and `[[locale]]`; and what a host
//! has to begin with that runs.

use hpt_provisioner::host::setting::Setting;
use hpt_provisioner::name::LocaleName;

use super::*;

/// A host whose kernel forwards no packets, named `bare`, with two time zones.
pub(super) fn host() -> Host {
    let mut host = Host::new();
    for (setting, value) in [
        (sysctl("net.ipv4.ip_forward"), "0"),
        (sysctl("net.ipv4.tcp_rmem"), "4096 87380 6291456"),
        (Setting::Hostname, "bare"),
    ] {
        put(&mut host, setting, value);
    }
    for at in [
        "/usr/share",
        "/usr/share/zoneinfo",
        "/usr/share/zoneinfo/Europe",
    ] {
        host.inner.put(&directory(at));
    }
    for zone in ["Europe/Berlin", "UTC"] {
        let at = format!("/usr/share/zoneinfo/{zone}");
        host.inner.put(&written(&at, "TZif2", 0o644));
    }
    host
}

pub(super) fn sysctl(key: &str) -> Setting {
    Setting::Sysctl(SysctlKey::parse(key).unwrap())
}

pub(super) fn put(host: &mut Host, setting: Setting, value: &str) {
    let value = Some(value.to_owned());
    host.inner.put(&Effect::Set { setting, value });
}

pub(super) fn value(host: &Host, setting: &Setting) -> Option<String> {
    host.inner.setting(setting).unwrap()
}

pub(super) fn without_kernel(host: &mut Host) {
    host.powers.kernel = false;
}

#[test]
fn a_root_that_does_not_run_gets_the_files_alone() {
    let mut host = host();
    without_kernel(&mut host);
    for text in [
        "[[sysctl]]\nkey = \"net.ipv4.ip_forward\"\nvalue = 1\n",
        "[[hostname]]\nname = \"web1\"\n",
    ] {
        let (_, words) = planned(text, &host);
        assert!(words.contains("only the file"), "{words}");
        settles(text, &mut host);
    }
    let now = [sysctl("net.ipv4.ip_forward"), Setting::Hostname].map(|s| value(&host, &s).unwrap());
    assert_eq!(now, ["0", "bare"]);
}

#[test]
fn a_host_is_renamed_and_a_comment_in_its_file_may_stay() {
    let mut host = host();
    settles("[[hostname]]\nname = \"web1\"\n", &mut host);
    assert_eq!(host.text("/etc/hostname"), "web1\n");
    assert_eq!(value(&host, &Setting::Hostname).as_deref(), Some("web1"));
    host.inner
        .put(&written("/etc/hostname", "# mine\n  web1  \n", 0o644));
    assert_eq!(
        planned("[[hostname]]\nname = \"web1\"\n", &host).0,
        Verdict::Ok
    );
    let (verdict, words) = planned("[[hostname]]\nname = \"db1\"\n", &host);
    assert_eq!(verdict, Verdict::Update);
    assert!(words.contains("web1 -> db1"), "{words}");
}

#[test]
fn a_time_zone_is_a_link_whichever_way_it_is_written() {
    let mut host = host();
    let text = "[[timezone]]\nzone = \"Europe/Berlin\"\n";
    settles(text, &mut host);
    assert!(
        host.entry("/etc/timezone").is_none(),
        "made only where it is"
    );
    host.inner.put(&written("/etc/timezone", "UTC\n", 0o644));
    settles(text, &mut host);
    assert_eq!(host.text("/etc/timezone"), "Europe/Berlin\n");
    host.inner.put(&Effect::Link {
        path: path("/etc/localtime"),
        to: "/usr/share/zoneinfo/Europe/Berlin".to_owned(),
    });
    assert_eq!(planned(text, &host).0, Verdict::Ok);
    let utc = "[[timezone]]\nzone = \"UTC\"\n";
    let (_, words) = planned(utc, &host);
    assert!(words.starts_with("Europe/Berlin -> UTC"), "{words}");
    settles(utc, &mut host);
}

#[test]
fn a_zone_that_is_none_is_told() {
    let host = host();
    let why = blocked("[[timezone]]\nzone = \"Europe/Hamburg\"\n", &host);
    assert!(why.contains("is no time zone of this host"), "{why}");
    let why = blocked("[[timezone]]\nzone = \"Europe\"\n", &host);
    assert!(why.contains("is a folder of time zones"), "{why}");
    let text = "packages = [\"tzdata\"]\n[[timezone]]\nzone = \"Europe/Hamburg\"\n";
    assert_eq!(look(&config(text), &host).blocks[1].verdict, Verdict::Maybe);
}

#[test]
fn a_locale_is_made_and_named_where_debian_has_it() {
    let mut host = host();
    let text = "[[locale]]\nlang = \"de_DE.UTF-8\"\n";
    let why = blocked(text, &host);
    assert!(why.contains("no locale-gen to make it"), "{why}");
    let with_package = format!("packages = [\"locales\"]\n{text}");
    let plan = look(&config(&with_package), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
    host.inner.put(&written("/usr/sbin/locale-gen", "", 0o755));
    host.inner
        .put(&written("/etc/debian_version", "12.1\n", 0o644));
    host.inner
        .put(&written("/etc/locale.gen", "# de_DE.UTF-8 UTF-8\n", 0o644));
    let (_, words) = planned(text, &host);
    assert!(words.contains("generate de_DE.UTF-8"), "{words}");
    settles(text, &mut host);
    assert_eq!(host.text("/etc/default/locale"), "LANG=de_DE.UTF-8\n");
    assert_eq!(host.text("/etc/locale.gen"), "de_DE.UTF-8 UTF-8\n");
    // One that the C library has by itself needs no tool, and other lines stay.
    host.inner.put(&written(
        "/etc/default/locale",
        "LC_TIME=C\nLANG=de_DE.UTF-8\n",
        0o644,
    ));
    settles("[[locale]]\nlang = \"C.UTF-8\"\n", &mut host);
    assert_eq!(
        host.text("/etc/default/locale"),
        "LC_TIME=C\nLANG=C.UTF-8\n"
    );
}

#[test]
fn a_locale_goes_to_locale_conf_elsewhere() {
    let mut host = host();
    let name = LocaleName::parse("en_US.UTF-8").unwrap();
    put(&mut host, Setting::Locale(name), Setting::GENERATED);
    settles("[[locale]]\nlang = \"en_US.UTF-8\"\n", &mut host);
    assert_eq!(host.text("/etc/locale.conf"), "LANG=en_US.UTF-8\n");
    assert!(host.entry("/etc/default").is_none());
}
