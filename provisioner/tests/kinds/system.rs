//! The kinds about a kernel and a whole host: `[[sysctl]]`, `[[hostname]]`, `[[timezone]]` and theirs.

use hpt_provisioner::effect::UnitJob;
use hpt_provisioner::host::setting::Setting;
use hpt_provisioner::name::{LocaleName, ModuleName};

use super::*;

/// A host whose kernel forwards no packets, named `bare`, with two time zones.
fn host() -> Host {
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

fn sysctl(key: &str) -> Setting {
    Setting::Sysctl(SysctlKey::parse(key).unwrap())
}

fn put(host: &mut Host, setting: Setting, value: &str) {
    let value = Some(value.to_owned());
    host.inner.put(&Effect::Set { setting, value });
}

fn value(host: &Host, setting: &Setting) -> Option<String> {
    host.inner.setting(setting).unwrap()
}

fn without_kernel(host: &mut Host) {
    host.powers.kernel = false;
}

#[test]
fn a_parameter_that_a_container_cannot_set_is_blocked() {
    let mut host = host();
    host.read_only = true;
    let text = "[[sysctl]]\nkey = \"net.ipv4.ip_forward\"\nvalue = ";
    let (verdict, why) = planned(&format!("{text}1\n"), &host);
    assert_eq!(verdict, Verdict::Blocked, "{why}");
    assert!(why.contains("`reload = false`"), "{why}");
    // The file alone can be, and a value that holds already needs nothing.
    settles(&format!("{text}1\nreload = false\n"), &mut host);
    settles(&format!("{text}0\n"), &mut host);
}

#[test]
fn a_parameter_is_set_now_and_for_the_next_boot() {
    let mut host = host();
    let text = "[[sysctl]]\nkey = \"net.ipv4.ip_forward\"\nvalue = 1\n";
    let file = "/etc/sysctl.d/99-zz-hpt-net.ipv4.ip_forward.conf";
    assert_eq!(
        planned(text, &host),
        (Verdict::Create, format!("{file}, 0 -> 1"))
    );
    settles(text, &mut host);
    assert_eq!(host.text(file), "net.ipv4.ip_forward = 1\n");
    assert_eq!(
        value(&host, &sysctl("net.ipv4.ip_forward")).as_deref(),
        Some("1")
    );
    // Either part that drifts is put right by itself.
    put(&mut host, sysctl("net.ipv4.ip_forward"), "0");
    assert_eq!(planned(text, &host).1, "0 -> 1");
    settles(text, &mut host);
    host.inner.put(&written(file, "old\n", 0o644));
    assert_eq!(planned(text, &host), (Verdict::Update, file.to_owned()));
    settles(text, &mut host);
    let absent = "[[sysctl]]\nkey = \"net.ipv4.ip_forward\"\nabsent = true\n";
    let (verdict, words) = planned(absent, &host);
    assert_eq!(verdict, Verdict::Delete);
    assert!(words.contains("keeps its value until a boot"), "{words}");
    settles(absent, &mut host);
    assert!(host.entry(file).is_none());
}

#[test]
fn values_of_several_words_are_compared_by_their_words() {
    let mut host = host();
    let text = "[[sysctl]]\nkey = \"net.ipv4.tcp_rmem\"\nvalue = \"4096\\t87380   6291456\"\n";
    let (_, words) = planned(text, &host);
    assert!(!words.contains("->"), "{words}");
    settles(text, &mut host);
}

#[test]
fn a_parameter_that_the_kernel_lacks_is_told_unless_a_package_may_bring_it() {
    let mut host = host();
    let text = "[[sysctl]]\nkey = \"net.bridge.x\"\nvalue = 1\n";
    let why = blocked(text, &host);
    assert!(why.contains("has no parameter net.bridge.x"), "{why}");
    let later = format!("packages = [\"bridge\"]\n{text}");
    let plan = look(&config(&later), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
    settles(&format!("{text}reload = false\n"), &mut host);
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
fn a_plan_shows_the_running_value_that_would_change() {
    let host = host();
    let text = "[[sysctl]]\nkey = \"net.ipv4.ip_forward\"\nvalue = 1\n";
    let details = only(look(&config(text), &host)).details;
    let shown = format!("{details:?}");
    assert!(
        shown.contains("the running net.ipv4.ip_forward: 0 -> 1"),
        "{shown}"
    );
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

#[test]
fn a_module_is_loaded_now_and_at_boot_and_unloaded() {
    let mut host = host();
    let name = Setting::Module(ModuleName::parse("br-netfilter").unwrap());
    let text = "[[kmod]]\nname = \"br-netfilter\"\n";
    let why = blocked(text, &host);
    assert!(why.contains("has no module br_netfilter"), "{why}");
    put(&mut host, name.clone(), Setting::UNLOADED);
    settles(text, &mut host);
    assert_eq!(
        host.text("/etc/modules-load.d/hpt-br_netfilter.conf"),
        "br_netfilter\n"
    );
    assert_eq!(value(&host, &name).as_deref(), Some(Setting::LOADED));
    let with_options = format!("{text}options = \"nr=4  debug\"\n");
    let (_, words) = planned(&with_options, &host);
    assert!(words.contains("when it is loaded again"), "{words}");
    settles(&with_options, &mut host);
    assert_eq!(
        host.text("/etc/modprobe.d/hpt-br_netfilter.conf"),
        "options br_netfilter nr=4 debug\n"
    );
    settles(&format!("{text}absent = true\n"), &mut host);
    assert_eq!(value(&host, &name).as_deref(), Some(Setting::UNLOADED));
    assert!(
        host.entry("/etc/modprobe.d/hpt-br_netfilter.conf")
            .is_none()
    );
}

#[test]
fn a_module_that_an_earlier_block_loads_may_bring_the_parameter() {
    let mut host = host();
    let name = Setting::Module(ModuleName::parse("br_netfilter").unwrap());
    put(&mut host, name, Setting::UNLOADED);
    let text =
        "[[kmod]]\nname = \"br_netfilter\"\n\n[[sysctl]]\nkey = \"net.bridge.x\"\nvalue = 1\n";
    let plan = look(&config(text), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
}

const FSTAB: &str = "# by hand\nUUID=1  /  ext4 errors=remount-ro 0 1\n";

#[test]
fn a_file_system_is_mounted_and_named_in_fstab() {
    let mut host = host();
    host.inner.put(&written("/etc/fstab", FSTAB, 0o644));
    let text =
        "[[mount]]\npath = \"/srv\"\ndevice = \"tmpfs\"\nfstype = \"tmpfs\"\nopts = \"size=1m\"\n";
    settles(text, &mut host);
    assert_eq!(
        host.text("/etc/fstab"),
        format!("{FSTAB}tmpfs /srv tmpfs size=1m 0 0\n")
    );
    let at = Setting::Mounted(path("/srv"));
    assert_eq!(value(&host, &at).as_deref(), Some("tmpfs tmpfs"));
    let (_, words) = planned(&text.replace("1m", "2m"), &host);
    assert!(words.contains("when it is mounted again"), "{words}");
    settles(
        "[[mount]]\npath = \"/srv\"\nstate = \"unmounted\"\n",
        &mut host,
    );
    assert_eq!(value(&host, &at), None);
    assert!(host.text("/etc/fstab").contains("/srv"));
    settles(text, &mut host);
    settles(
        "[[mount]]\npath = \"/srv\"\nstate = \"absent\"\n",
        &mut host,
    );
    assert_eq!(host.text("/etc/fstab"), FSTAB);
    assert_eq!(value(&host, &at), None);
}

#[test]
fn two_file_systems_compose_and_one_alone_in_the_table_is_not_mounted() {
    let mut host = host();
    let one = |at: &str| {
        format!(
            "[[mount]]\npath = \"{at}\"\ndevice = \"tmpfs\"\nfstype = \"tmpfs\"\nstate = \"present\"\n\n"
        )
    };
    settles(&(one("/srv/a") + &one("/srv/b")), &mut host);
    assert_eq!(
        host.text("/etc/fstab"),
        "tmpfs /srv/a tmpfs defaults 0 0\ntmpfs /srv/b tmpfs defaults 0 0\n"
    );
    assert_eq!(value(&host, &Setting::Mounted(path("/srv/a"))), None);
}

#[test]
fn what_cannot_be_mounted_is_told() {
    let mut host = host();
    let text = "[[mount]]\npath = \"/mnt\"\ndevice = \"tmpfs\"\nfstype = \"tmpfs\"\n";
    let why = blocked(text, &host);
    assert!(why.contains("the directory /mnt does not exist"), "{why}");
    host.inner.put(&directory("/mnt"));
    put(&mut host, Setting::Mounted(path("/mnt")), "nas:/x nfs4");
    let why = blocked(text, &host);
    assert!(why.contains("nas:/x nfs4 is mounted at /mnt"), "{why}");
    let nfs = "[[mount]]\npath = \"/mnt\"\ndevice = \"nas:/x\"\nfstype = \"nfs\"\n";
    assert_eq!(
        planned(nfs, &host),
        (
            Verdict::Update,
            "/etc/fstab; it is mounted, and takes new options when it is mounted again".to_owned()
        )
    );
    without_kernel(&mut host);
    let (_, words) = planned(text, &host);
    assert!(words.contains("only /etc/fstab"), "{words}");
    settles(text, &mut host);
}

#[test]
fn a_file_below_a_new_mount_is_known_when_applied() {
    let host = host();
    let text = "[[mount]]\npath = \"/srv\"\ndevice = \"tmpfs\"\nfstype = \"tmpfs\"\n\n[[file]]\npath = \"/srv/x\"\ncontent = \"\"\n";
    let plan = look(&config(text), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
}

#[test]
fn a_swap_file_is_made_made_longer_and_removed() {
    let mut host = host();
    let text = "[[swap]]\npath = \"/swapfile\"\nsize = \"1GiB\"\n";
    assert_eq!(
        planned(text, &host),
        (Verdict::Create, "1024 MiB, /etc/fstab".to_owned())
    );
    settles(text, &mut host);
    let entry = host.entry("/swapfile").unwrap();
    assert_eq!(entry.mode, Mode::new(0o600));
    assert_eq!(host.text("/etc/fstab"), "/swapfile none swap sw 0 0\n");
    settles(&text.replace('1', "2"), &mut host);
    let size = value(&host, &Setting::Swap(path("/swapfile")));
    assert_eq!(size, Some((2_u64 << 30).to_string()));
    settles("[[swap]]\npath = \"/swapfile\"\nabsent = true\n", &mut host);
    assert!(host.entry("/swapfile").is_none());
    assert_eq!(host.text("/etc/fstab"), "");
}

#[test]
fn a_file_that_is_no_swap_space_is_never_made_one() {
    let mut host = host();
    host.inner.put(&written("/srv/data.db", "mine", 0o600));
    let why = blocked(
        "[[swap]]\npath = \"/srv/data.db\"\nsize = \"1GiB\"\n",
        &host,
    );
    assert!(why.contains("that is not swap space"), "{why}");
    let absent = "[[swap]]\npath = \"/srv/data.db\"\nabsent = true\n";
    assert_eq!(planned(absent, &host).0, Verdict::Ok);
    without_kernel(&mut host);
    let text = "[[swap]]\npath = \"/swapfile\"\nsize = \"1GiB\"\n";
    assert_eq!(planned(text, &host).0, Verdict::Skip);
}

/// A host on which nftables is installed and systemd runs.
fn filtered() -> Host {
    let mut host = host();
    host.inner.put(&written("/usr/sbin/nft", "", 0o755));
    for at in ["/etc/systemd", "/etc/systemd/system"] {
        host.inner.put(&directory(at));
    }
    host
}

const RULES: &str = "[[firewall]]\nallow = [{ port = 22, from = \"10.0.0.0/8\" }, { port = \"8000-8100\", proto = \"udp\", iface = \"eth0\" }, { from = \"fd00::1\" }]\ndeny = [{ port = 25 }, { proto = \"udp\", from = \"192.0.2.7\" }]\n";

#[test]
fn a_firewall_is_one_table_that_keeps_what_hpt_needs() {
    let mut host = filtered();
    settles(RULES, &mut host);
    let text = host.text("/etc/nftables.d/hpt.nft");
    let at = |line: &str| {
        let found = text.find(&format!("\t\t{line}\n"));
        found.unwrap_or_else(|| panic!("no {line} in {text}"))
    };
    let order = [
        "type filter hook input priority filter; policy drop;",
        "iif \"lo\" accept",
        "ct state established,related accept",
        "tcp dport 6632 accept",
        "tcp dport 25 drop",
        "ip saddr 192.0.2.7/32 meta l4proto 17 drop",
        "ip saddr 10.0.0.0/8 tcp dport 22 accept",
        "iifname \"eth0\" udp dport 8000-8100 accept",
        "ip6 saddr fd00::1/128 accept",
    ];
    assert!(order.map(at).is_sorted(), "{text}");
    let link = "/etc/systemd/system/sysinit.target.wants/hpt-firewall.service";
    assert!(host.entry(link).is_some());
    // Rules that somebody flushed are loaded again, without the files being written.
    host.inner.put(&Effect::Set {
        setting: Setting::Ruleset,
        value: None,
    });
    assert_eq!(
        planned(RULES, &host),
        (Verdict::Update, "load 5 rules".to_owned())
    );
    settles(RULES, &mut host);
    settles("[[firewall]]\nabsent = true\n", &mut host);
    assert_eq!(value(&host, &Setting::Ruleset), None);
    assert!(host.entry(link).is_none() && host.entry("/etc/nftables.d/hpt.nft").is_none());
}

#[test]
fn a_firewall_needs_its_tool_and_says_so() {
    let mut host = host();
    let why = blocked(RULES, &host);
    assert!(why.contains("add the package nftables"), "{why}");
    let text = format!("packages = [\"nftables\"]\n{RULES}");
    assert_eq!(
        look(&config(&text), &host).blocks[1].verdict,
        Verdict::Maybe
    );
    host = filtered();
    without_kernel(&mut host);
    let (_, words) = planned(RULES, &host);
    assert!(words.contains("only the files"), "{words}");
    settles(RULES, &mut host);
    assert_eq!(value(&host, &Setting::Ruleset), None);
}

#[test]
fn an_exclusive_firewall_says_what_goes_and_keeps_hpts_port() {
    let mut host = filtered();
    settles(RULES, &mut host);
    let exclusive = RULES.replacen('\n', "\nexclusive = true\n", 1);
    let (verdict, words) = planned(&exclusive, &host);
    assert_eq!(verdict, Verdict::Update);
    let said = "load 5 rules, every other nftables table goes";
    assert!(words.contains(said), "{words}");
    settles(&exclusive, &mut host);
    let text = host.text("/etc/nftables.d/hpt.nft");
    let flush = text.find("\nflush ruleset\ntable inet hpt {\n");
    assert!(flush < text.find("tcp dport 6632 accept"), "{text}");
    settles(RULES, &mut host);
    assert!(!host.text("/etc/nftables.d/hpt.nft").contains("flush"));
}

#[test]
fn a_firewall_is_not_a_second_one_unless_it_is_told_to() {
    let mut host = filtered();
    for service in ["firewalld", "ufw"] {
        let name = UnitName::service(service).unwrap();
        host.inner.put_unit(name.clone());
        assert_ne!(planned(RULES, &host).0, Verdict::Blocked, "{service}");
        host.inner.put(&Effect::Unit {
            unit: name.into(),
            job: UnitJob::Start,
        });
        if service == "ufw" {
            // Ubuntu starts its service also where it is off.
            assert_ne!(planned(RULES, &host).0, Verdict::Blocked);
            host.inner.put(&directory("/etc/ufw"));
            let text = "# on\nENABLED=no\nENABLED=yes\n";
            host.inner.put(&written("/etc/ufw/ufw.conf", text, 0o644));
        }
        let why = blocked(RULES, &host);
        assert!(why.starts_with(&format!("{service} filters")), "{why}");
        assert!(why.contains("backend = \"nft\""), "{why}");
        let stop = format!("[[service]]\nname = \"{service}\"\nstatus = \"stopped\"\n\n{RULES}");
        let plan = look(&config(&stop), &host);
        assert_eq!(plan.blocks[1].verdict, Verdict::Create, "{service}");
        let beside = RULES.replacen('\n', "\nbackend = \"nft\"\n", 1);
        assert_eq!(planned(&beside, &host).0, Verdict::Create);
        let absent = "[[firewall]]\nabsent = true\n";
        assert_eq!(planned(absent, &host).0, Verdict::Ok);
        host.inner.put(&Effect::Unit {
            unit: UnitName::service(service).unwrap().into(),
            job: UnitJob::Stop,
        });
    }
}

#[test]
fn a_wait_is_in_place_or_ends_when_its_time_is_up() {
    let mut host = host();
    let port = "[[wait]]\nport = 80\nwithin = 2\n";
    let file = "[[wait]]\nfile = \"/srv/x\"\n";
    for text in [port, file, "[[wait]]\nunit = \"nginx\"\n"] {
        let (verdict, words) = planned(text, &host);
        assert_eq!(verdict, Verdict::Maybe, "{text}");
        assert!(words.contains("s at most for "), "{words}");
        let report = apply(&config(text), &mut host, &mut Deaf);
        let note = &report.blocks[0].note;
        assert!(!report.succeeded() && note.contains("in vain"), "{note}");
    }
    put(&mut host, Setting::Port(80), Setting::LISTENING);
    assert_eq!(planned(port, &host).0, Verdict::Ok);
    // What an earlier block makes is there by then.
    let both = format!("[[file]]\npath = \"/srv/x\"\ncontent = \"\"\n\n{file}");
    let plan = look(&config(&both), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Ok);
    settles(&both, &mut host);
    // A service that is started may take its port later.
    host.inner.put_unit(UnitName::service("nginx").unwrap());
    let served = format!("[[service]]\nname = \"nginx\"\nstatus = \"started\"\n\n{port}");
    let plan = look(&config(&served), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
    settles(&served, &mut host);
}

#[test]
fn a_wait_is_skipped_where_nothing_can_come_about() {
    let mut host = host();
    without_kernel(&mut host);
    assert_eq!(planned("[[wait]]\nport = 80\n", &host).0, Verdict::Skip);
}
