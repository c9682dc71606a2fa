//! `[[mount]]` and `[[swap]]`, which share `/etc/fstab`.

use hpt_provisioner::host::setting::Setting;

use super::system::{host, put, value, without_kernel};
use super::*;

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
