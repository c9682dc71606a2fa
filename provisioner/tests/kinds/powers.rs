//! What a host cannot do is said in the plan.

use super::*;

#[test]
fn a_host_without_powers_says_so_in_the_plan() {
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("ana")));
    let want = Want {
        name: PackageName::parse("git").unwrap(),
        version: None,
    };
    host.inner.put(&Effect::Packages(Transaction {
        install: vec![want],
        ..Transaction::default()
    }));
    host.inner.put_unit(UnitName::service("x").unwrap());
    host.powers = Powers {
        services: false,
        exec: false,
        packages: false,
        accounts: false,
        chown: false,
        kernel: false,
        reboots: false,
    };
    for text in [
        "packages = [\"curl\"]\n",
        "[[package]]\nname = \"git\"\nabsent = true\n",
        "[[package]]\nname = \"git\"\nstate = \"latest\"\nupdate_cache = true\n",
        "[[group]]\nname = \"g\"\n",
        "[[user]]\nname = \"bo\"\n",
        "[[user]]\nname = \"ana\"\nabsent = true\n",
        "[[clone]]\nurl = \"https://h/p\"\ndest = \"/opt/p\"\n",
        "[[exec]]\nscript = \"x\"\nalways = true\n",
        "[[service]]\nname = \"x\"\nstatus = \"started\"\n",
        "[[file]]\npath = \"/etc/x\"\ncontent = \"\"\nowner = \"ana\"\n",
        "[[reboot]]\nif_needed = true\n",
    ] {
        let why = blocked(text, &host);
        assert!(why.contains("; ") || why.contains("directory"), "{why}");
    }
    // What is in place needs no power.
    assert_eq!(planned("packages = [\"git\"]\n", &host).0, Verdict::Ok);
}
