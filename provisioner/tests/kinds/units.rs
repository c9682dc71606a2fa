//! `[[unit]]`, `[[dropin]]` and `[[timer]]`.

use super::*;

const APP: &str = "\
[[unit]]
name = \"app.service\"
enabled = true
state = \"started\"
[unit.Service]
User = \"app\"
ExecStart = [\"\", \"/opt/app/bin/serve\"]
After = 1
[unit.Unit]
Description = \"App\"
[unit.Install]
WantedBy = \"multi-user.target\"
";

fn without_systemd(mut host: Host) -> Host {
    host.powers.services = false;
    host.powers.exec = false;
    host
}

fn with_analyze() -> Host {
    let mut host = Host::new();
    host.inner.put(&directory("/usr/bin"));
    host.inner
        .put(&written("/usr/bin/systemd-analyze", "", 0o755));
    host
}

#[test]
fn a_unit_is_written_as_it_stands_enabled_and_started() {
    let mut host = Host::new();
    let (verdict, words) = planned(APP, &host);
    assert_eq!(
        (verdict, words.as_str()),
        (Verdict::Create, "enable, start")
    );
    settles(APP, &mut host);
    assert_eq!(
        host.text("/etc/systemd/system/app.service"),
        "[Service]\nUser=app\nExecStart=\nExecStart=/opt/app/bin/serve\nAfter=1\n\n\
         [Unit]\nDescription=App\n\n[Install]\nWantedBy=multi-user.target\n"
    );
    let unit = host
        .unit(&UnitName::service("app").unwrap().into())
        .unwrap()
        .unwrap();
    assert!(unit.is_enabled() && unit.is_running(), "{unit:?}");
}

#[test]
fn another_content_is_written_and_what_runs_is_left_to_a_handler() {
    let mut host = Host::new();
    settles(APP, &mut host);
    let other = APP.replace("User = \"app\"", "User = \"web\"");
    assert_eq!(
        planned(&other, &host),
        (Verdict::Update, "content".to_owned())
    );
    settles(&other, &mut host);
    let moved = other.replace("multi-user.target", "graphical.target");
    let (_, words) = planned(&moved, &host);
    assert_eq!(words, "content, enable anew");
    settles(&moved, &mut host);
    let stopped = moved
        .replace("started", "stopped")
        .replace("enabled = true", "enabled = false");
    assert_eq!(planned(&stopped, &host).1, "disable, stop");
    settles(&stopped, &mut host);
}

#[test]
fn an_absent_unit_is_stopped_and_disabled_first() {
    let mut host = Host::new();
    let absent = "[[unit]]\nname = \"app.service\"\nabsent = true\n";
    assert_eq!(planned(absent, &host).0, Verdict::Ok);
    settles(APP, &mut host);
    assert_eq!(
        planned(absent, &host),
        (Verdict::Delete, "stop, disable".to_owned())
    );
    settles(absent, &mut host);
    assert_eq!(
        host.unit(&UnitName::service("app").unwrap().into())
            .unwrap(),
        None
    );
}

#[test]
fn a_service_block_finds_the_unit_that_stands_before_it() {
    let host = Host::new();
    let unit = "[[unit]]\nname = \"app\"\ncontent = \"[Service]\\nExecStart=/bin/x\\n";
    let service = "[[service]]\nname = \"app\"\nstatus = \"started\"\nenabled = true\n";
    let installs = format!("{unit}[Install]\\nWantedBy=multi-user.target\"\n{service}");
    let plan = look(&config(&installs), &host);
    assert_eq!(plan.blocks[1].summary, "enable, start");
    assert_eq!(plan.blocks[1].verdict, Verdict::Update);
    // An earlier installation may bring units, but not instead of this one.
    let plan = look(&config(&format!("packages = [\"git\"]\n{installs}")), &host);
    assert_eq!(plan.blocks[2].summary, "enable, start");
    let plan = look(&config(&format!("{unit}\"\n{service}")), &host);
    assert!(plan.blocks[1].summary.contains("it is static"), "{plan:#?}");
    let file = installs.replace(
        "[[unit]]\nname = \"app\"",
        "[[file]]\npath = \"/etc/systemd/system/app.service\"",
    );
    let made = "[[file]]\npath = \"/etc/systemd/system\"\ndir = true\n";
    let mut host = Host::new();
    let plan = look(&config(&format!("{made}{file}")), &host);
    assert_eq!(plan.blocks[2].summary, "enable, start");
    settles(&format!("{made}{file}"), &mut host);
    settles(
        &format!("{service}\nid = \"again\"\n")
            .replace("started", "stopped")
            .replace("enabled = true", "enabled = false"),
        &mut host,
    );
}

#[test]
fn what_lies_in_the_way_is_never_replaced() {
    let mut host = Host::new();
    for dir in [
        "/etc/systemd",
        "/etc/systemd/system",
        "/etc/systemd/system/app.service",
    ] {
        host.inner.put(&directory(dir));
    }
    assert!(blocked(APP, &host).contains("is a directory"));
    let mut host = Host::new();
    for dir in ["/etc/systemd", "/etc/systemd/system"] {
        host.inner.put(&directory(dir));
    }
    let mask = "[[service]]\nname = \"app\"\nmasked = true\n";
    settles(mask, &mut host);
    assert!(blocked(APP, &host).contains("is masked"));
    let by_hand = "[[file]]\npath = \"/etc/systemd/system/x.service\"\nsymlink_to = \"/dev/null\"\n\
                   [[service]]\nname = \"x\"\nstatus = \"started\"\n";
    let plan = look(&config(by_hand), &host);
    assert!(plan.blocks[1].summary.contains("is masked"), "{plan:#?}");
    let unmasked = format!("{}{APP}", mask.replace("true", "false"));
    settles(&unmasked, &mut host);
    assert!(blocked(mask, &host).contains("is where the link that masks"));
}

#[test]
fn where_no_systemd_runs_files_and_links_are_made() {
    let mut host = without_systemd(Host::new());
    let (verdict, words) = planned(APP, &host);
    assert_eq!(verdict, Verdict::Create);
    assert_eq!(
        words,
        "enable, not started, as no systemd runs here, not verified, as no command can run here"
    );
    settles(APP, &mut host);
    let link = host.entry("/etc/systemd/system/multi-user.target.wants/app.service");
    let to = "/etc/systemd/system/app.service".to_owned();
    assert_eq!(
        link.unwrap().kind,
        hpt_provisioner::host::EntryKind::Symlink(to)
    );
    settles(
        "[[timer]]\nname = \"t\"\non_boot = 5\ncommand = \"/bin/x\"\n",
        &mut host,
    );
    assert!(
        host.entry("/etc/systemd/system/timers.target.wants/t.timer")
            .is_some()
    );
    settles("[[timer]]\nname = \"t\"\nabsent = true\n", &mut host);
    assert!(
        host.entry("/etc/systemd/system/timers.target.wants/t.timer")
            .is_none()
    );
    settles(
        "[[unit]]\nname = \"app.service\"\nabsent = true\n",
        &mut host,
    );
    assert!(
        host.entry("/etc/systemd/system/multi-user.target.wants/app.service")
            .is_none()
    );
}

#[test]
fn systemds_own_tool_is_asked_before_a_unit_is_used() {
    let checks = |text: &str, host: &Host| -> Vec<Vec<String>> {
        let config = config(text);
        let overlay = hpt_provisioner::host::overlay::Overlay::default();
        let view =
            hpt_provisioner::view::View::new(host, &overlay, &config.scope, &config.blocks[0].own);
        let decision = config.blocks[0].decide(&view).unwrap();
        let hpt_provisioner::block::Decision::Act(action) = decision else {
            panic!("nothing to be done")
        };
        let check = |effect: &Effect| match effect {
            Effect::WriteFile(file) => file.verify.clone(),
            _ => None,
        };
        action.effects.iter().filter_map(check).collect()
    };
    let mut host = with_analyze();
    let path = "/etc/systemd/system/app.service";
    assert_eq!(
        checks(APP, &host),
        [vec!["/usr/bin/systemd-analyze", "--man=no", "verify", path]]
    );
    let systemd = Want {
        name: PackageName::parse("systemd").unwrap(),
        version: Some(hpt_provisioner::name::PackageVersion::parse("252.39-1~deb12u2").unwrap()),
    };
    host.inner.put(&Effect::Packages(Transaction {
        install: vec![systemd],
        ..Transaction::default()
    }));
    let strict = [
        "/usr/bin/systemd-analyze",
        "--recursive-errors=no",
        "--man=no",
        "verify",
        path,
    ];
    assert_eq!(checks(APP, &host), [strict]);
    assert!(
        checks(
            &APP.replace("enabled = true", "verify = false\nenabled = true"),
            &host
        )
        .is_empty()
    );
    assert!(checks(APP, &Host::new()).is_empty());
    let timer = "[[timer]]\nname = \"t\"\non_calendar = \"Mon 03:15\"\ncommand = \"/bin/x\"\n";
    let asked = ["/usr/bin/systemd-analyze", "calendar", "--", "Mon 03:15"];
    assert_eq!(checks(timer, &host), [asked]);
}

#[test]
fn a_dropin_changes_a_unit_that_need_not_be_there() {
    let mut host = Host::new();
    let text = "[[dropin]]\nunit = \"nginx\"\nname = \"10-limits\"\n[dropin.Service]\nLimitNOFILE = 65536\n";
    settles(text, &mut host);
    let path = "/etc/systemd/system/nginx.service.d/10-limits.conf";
    assert_eq!(host.text(path), "[Service]\nLimitNOFILE=65536\n");
    let (verdict, words) = planned(&text.replace("65536", "1024"), &host);
    assert_eq!((verdict, words.as_str()), (Verdict::Update, "content"));
    let absent = "[[dropin]]\nunit = \"nginx\"\nname = \"10-limits.conf\"\nabsent = true\n";
    settles(absent, &mut host);
    assert_eq!(host.entry(path), None);
}

#[test]
fn a_timer_is_two_units_and_runs() {
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("app")));
    let text = "[[timer]]\nname = \"backup\"\non_calendar = \"03:15\"\non_boot = \"15m\"\npersistent = true\n\
                randomized_delay = 90\nuser = \"app\"\ncommand = \"/opt/backup --to 'a b' +%F\"\n";
    let (verdict, words) = planned(text, &host);
    assert_eq!(verdict, Verdict::Create);
    assert_eq!(words, "03:15 and 900 s after boot, enable, start");
    settles(text, &mut host);
    assert_eq!(
        host.text("/etc/systemd/system/backup.timer"),
        "[Unit]\nDescription=When backup.service runs\n\n[Timer]\nOnCalendar=03:15\nOnBootSec=900\n\
         Persistent=true\nRandomizedDelaySec=90\n\n[Install]\nWantedBy=timers.target\n"
    );
    assert_eq!(
        host.text("/etc/systemd/system/backup.service"),
        "[Unit]\nDescription=What backup.timer runs\n\n[Service]\nType=oneshot\nUser=app\n\
         ExecStart=/opt/backup --to \"a b\" \"+%%F\"\n"
    );
    // systemd keeps a timer's service as it was until the timer starts anew.
    let other = text.replace("+%F", "now");
    assert_eq!(
        planned(&other, &host),
        (Verdict::Update, "content, restart".to_owned())
    );
    settles(&other, &mut host);
    settles(
        "[[service]]\nname = \"backup.timer\"\nstatus = \"stopped\"\n",
        &mut host,
    );
    assert_eq!(
        planned(&other, &host),
        (Verdict::Update, "start".to_owned())
    );
    settles("[[timer]]\nname = \"backup\"\nabsent = true\n", &mut host);
    assert_eq!(host.entry("/etc/systemd/system/backup.service"), None);
}

#[test]
fn a_job_runs_once_and_is_in_place_before_and_after() {
    let mut host = Host::new();
    let text =
        |spec: &str| format!("[[at]]\nname = \"job\"\nspec = \"{spec}\"\ncommand = \"/bin/x\"\n");
    settles(&text("2030-12-24 03:00"), &mut host);
    let timer = host.text("/etc/systemd/system/job.timer");
    assert!(
        timer.contains("OnCalendar=2030-12-24 03:00\nPersistent=true\n"),
        "{timer}"
    );
    let (verdict, _) = planned(&text("2030-12-25 03:00"), &host);
    assert_eq!(verdict, Verdict::Update);
    settles(&text("2030-12-25 03:00"), &mut host);
    settles("[[at]]\nname = \"job\"\nabsent = true\n", &mut host);
    assert!(host.entry("/etc/systemd/system/job.timer").is_none());
    let of_ana = text("2030-12-24 03:00") + "user = \"ana\"\n";
    assert!(blocked(&of_ana, &host).contains("the user ana does not exist"));
    let plan = look(&config(&format!("packages = [\"curl\"]\n{of_ana}")), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
}

#[test]
fn a_timer_needs_its_user() {
    let host = Host::new();
    let text = "[[timer]]\nname = \"backup\"\non_boot = 5\nuser = \"app\"\ncommand = \"/bin/x\"\n";
    assert!(blocked(text, &host).contains("the user app does not exist"));
    let plan = look(&config(&format!("packages = [\"app\"]\n{text}")), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Maybe);
    let plan = look(&config(&format!("[[user]]\nname = \"app\"\n{text}")), &host);
    assert_eq!(plan.blocks[1].verdict, Verdict::Create);
}

#[test]
fn no_secret_goes_into_a_unit_that_all_can_read() {
    for text in [
        "[[unit]]\nname = \"a\"\ncontent = \"[Service]\\nEnvironment=P={{ secret.db }}\\n\"\n",
        "[[dropin]]\nunit = \"a\"\nname = \"b\"\ncontent = \"[Service]\\nEnvironment=P={{ secret.db }}\\n\"\n",
        "[[unit]]\nname = \"a\"\n[unit.Service]\nEnvironment = \"P={{ secret.db }}\"\n",
        "[[timer]]\nname = \"a\"\non_boot = 5\ncommand = \"/bin/x {{ secret.db }}\"\n",
    ] {
        let files = files(&format!("[secret.db]\nenv = \"DB\"\n{text}"));
        let scope = scope(&[("db", "hunter2")]);
        let faults = config::parse(files, scope).err().expect("a fault");
        assert!(
            faults
                .iter()
                .any(|f| f.what.contains("a secret may not go into")),
            "{faults:#?}"
        );
    }
}

#[test]
fn a_service_where_no_systemd_runs_is_a_matter_of_links() {
    let mut host = without_systemd(Host::new());
    let text = "[[service]]\nname = \"nginx\"\nstatus = \"started\"\nenabled = true\n";
    assert!(blocked(text, &host).contains("there is no unit nginx.service"));
    for dir in ["/usr/lib", "/usr/lib/systemd", "/usr/lib/systemd/system"] {
        host.inner.put(&directory(dir));
    }
    let unit = "[Service]\nExecStart=/usr/sbin/nginx\n[Install]\nWantedBy=multi-user.target\n";
    host.inner.put(&written(
        "/usr/lib/systemd/system/nginx.service",
        unit,
        0o644,
    ));
    let not_started = "not started, as no systemd runs here";
    assert_eq!(
        planned(text, &host),
        (Verdict::Update, format!("enable, {not_started}"))
    );
    let report = apply(&config(text), &mut host, &mut Deaf);
    assert!(report.succeeded(), "{report:?}");
    let link = host.entry("/etc/systemd/system/multi-user.target.wants/nginx.service");
    let to = "/usr/lib/systemd/system/nginx.service".to_owned();
    assert_eq!(
        link.unwrap().kind,
        hpt_provisioner::host::EntryKind::Symlink(to)
    );
    let (verdict, why) = planned(text, &host);
    assert_eq!(
        (verdict, why),
        (Verdict::Skip, format!("nginx.service is {not_started}"))
    );
    settles(
        "[[service]]\nname = \"nginx\"\nstatus = \"stopped\"\nenabled = false\nmasked = true\n",
        &mut host,
    );
    assert!(host.entry("/etc/systemd/system/nginx.service").is_some());
    assert!(blocked(text, &host).contains("is masked"));
    settles(
        "[[service]]\nname = \"nginx\"\nmasked = false\nenabled = true\n",
        &mut host,
    );
    settles("[[service]]\nname = \"never\"\nmasked = true\n", &mut host);
}

#[test]
fn a_units_file_is_roots_whoever_had_it() {
    let mut host = Host::new();
    host.inner.put(&Effect::User(user("ana")));
    settles(APP, &mut host);
    let at = "/etc/systemd/system/app.service";
    host.inner.put(&Effect::SetAccess {
        path: path(at),
        access: Access {
            owner: Some(UserName::parse("ana").unwrap()),
            ..Access::default()
        },
    });
    assert_eq!(planned(APP, &host).0, Verdict::Update);
    settles(APP, &mut host);
    let root = UserName::parse("root").unwrap();
    assert_eq!(
        host.entry(at).unwrap().owner,
        hpt_provisioner::host::Owner::Named(root)
    );
}
