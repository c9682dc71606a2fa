//! The kinds about a kernel: `[[sysctl]]` and `[[kmod]]`.

use hpt_provisioner::host::setting::Setting;
use hpt_provisioner::name::ModuleName;

use super::system::{host, put, sysctl, value};
use super::*;

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
