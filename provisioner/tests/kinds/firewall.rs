//! `[[firewall]]`: one table of nftables, and what else filters on a host.

use hpt_provisioner::effect::UnitJob;
use hpt_provisioner::host::setting::Setting;

use super::system::{host, value, without_kernel};
use super::*;

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
    // Its service runs from now on, so that a restart of nftables.service loads the rules again.
    let service = UnitName::parse("hpt-firewall.service").unwrap();
    let runs = |host: &Host| {
        let unit = host.unit(&service.clone().into()).unwrap();
        unit.is_some_and(|unit| unit.is_running())
    };
    assert!(runs(&host));
    host.inner.put(&Effect::Unit {
        unit: service.clone().into(),
        job: UnitJob::Stop,
    });
    assert_eq!(
        planned(RULES, &host),
        (Verdict::Update, "start hpt-firewall.service".to_owned())
    );
    settles(RULES, &mut host);
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
    assert!(!runs(&host));
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
