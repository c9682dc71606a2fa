//! The rules of the ledger, one by one, on hosts in memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use self::world::{World, file, host, path, prune, put, text};
use super::{By, Deeds, Ledger, Left, Stage};
use crate::config::Given;
use crate::effect::{Effect, UserEdit, UserShape};
use crate::host::Observe;
use crate::name::UserName;
use crate::plan::Verdict;
use crate::report::Outcome;

#[test]
fn what_leaves_is_shown_and_goes_only_when_that_is_asked_for() {
    let mut host = host();
    put(&mut host, "/etc/found", "mine\n");
    put(&mut host, "/etc/hosts", "127.0.0.1 localhost\n");
    let mut world = World::new(host);
    let hosts = "[[hosts]]\nip = \"10.0.0.5\"\nnames = [\"db\"]\n";
    let all = [file("/etc/made"), file("/etc/found"), hosts.to_owned()].concat();
    world.run(&all, Given::default());
    let owned = [
        ("path:/etc/made", true),
        ("path:/etc/found", false),
        ("path:/etc/hosts", true),
    ];
    assert_eq!(world.owned(), owned);

    let words = |id: &str, words: &str| (id.to_owned(), format!("left the config; {words}"));
    let orphans = [
        words("hosts:10.0.0.5 db", "--prune removes it"),
        words(
            "file:/etc/found",
            "was there before hpt, at least in part: --prune lets it go",
        ),
        words("file:/etc/made", "--prune removes it"),
    ];
    assert_eq!(world.orphans(""), orphans);
    world.run(&file("/etc/new"), Given::default());
    assert_eq!(world.orphans(&file("/etc/new")), orphans, "in every plan");
    assert!(text(&world.host, "/etc/made").is_some());

    let (_, _, plan) = world.plan(&file("/etc/new"), prune());
    let verdicts: Vec<_> = plan.blocks.iter().map(|block| block.verdict).collect();
    assert_eq!(
        verdicts,
        [
            Verdict::Ok,
            Verdict::Update,
            Verdict::Orphan,
            Verdict::Delete
        ]
    );
    assert_eq!(
        plan.blocks[2].summary,
        "was there before hpt, at least in part: let go, not removed"
    );
    world.run(&file("/etc/new"), prune());
    assert_eq!(world.owned(), [("path:/etc/new", true)]);
    assert_eq!(text(&world.host, "/etc/made"), None);
    assert_eq!(text(&world.host, "/etc/found").as_deref(), Some("x\n"));
    assert_eq!(
        text(&world.host, "/etc/hosts").as_deref(),
        Some("127.0.0.1 localhost\n")
    );
    assert_eq!(
        world.orphans(""),
        [words("file:/etc/new", "--prune removes it")]
    );
}

/// The digest of a plan covers whether it prunes, and its orphans.
#[test]
fn a_plan_that_prunes_is_another_plan() {
    let mut world = World::new(host());
    let digest = |world: &World, given| world.plan("", given).2.digest;
    assert_ne!(digest(&world, Given::default()), digest(&world, prune()));
    let before = digest(&world, prune());
    world.run(&file("/etc/made"), Given::default());
    assert_ne!(digest(&world, prune()), before);
}

/// A run killed anywhere loses no ownership, and gains none of what it had not begun to make.
#[test]
fn a_run_that_is_killed_owns_what_it_has_begun_to_make() {
    // Each in a batch of its own: sudoers files are checked by a program.
    let blocks = ["/etc/1", "/etc/2", "/etc/3"].map(|at| {
        format!("[[file]]\npath = \"{at}\"\ncontent = \"x\\n\"\nverify = \"/bin/true %s\"\n")
    });
    for dies in 0..=3 {
        let mut world = World::new(host());
        world.run(&file("/etc/0"), Given::default());
        let all = file("/etc/0") + &blocks.concat();
        world.run_until(&all, Given::default(), Some(dies));
        let owned: Vec<_> = (0..=dies)
            .map(|n| (format!("path:/etc/{n}"), true))
            .collect();
        let is: Vec<_> = world.owned();
        let is: Vec<_> = is
            .iter()
            .map(|(name, made)| ((*name).to_owned(), *made))
            .collect();
        assert_eq!(is, owned, "killed after {dies} intents");
        // What there is of it goes with the config; what there is not is no orphan.
        world.run(&file("/etc/0"), prune());
        assert_eq!(world.owned(), [("path:/etc/0", true)]);
        for at in ["/etc/1", "/etc/2", "/etc/3"] {
            assert_eq!(text(&world.host, at), None, "{at}");
        }
    }
}

/// Between its first write and its end the ledger has both what there was and what will be.
#[test]
fn a_ledger_that_a_run_has_begun_holds_both() {
    let mut world = World::new(host());
    world.run(&file("/etc/old"), Given::default());
    let (config, left, plan) = world.plan(&file("/etc/new"), prune());
    let mut begun = world.ledger.clone();
    begun.begin(&config, &plan, &left, &[], &By::default());
    let things: Vec<_> = begun
        .things
        .iter()
        .map(|owned| (owned.name(), &owned.stage))
        .collect();
    let leaving = Stage::Leaving("file:/etc/old".to_owned());
    assert_eq!(
        things,
        [
            ("path:/etc/old", &leaving),
            ("path:/etc/new", &Stage::Begun)
        ]
    );
    // Killed before anything was done: as it was.
    begun.settle(&Deeds::default());
    assert_eq!(begun, world.ledger);
}

#[test]
fn two_configs_never_remove_what_is_the_other_ones() {
    let mut world = World::new(host());
    world.run(
        &[file("/etc/both"), file("/etc/mine")].concat(),
        Given::default(),
    );
    let mine = world.ledger.clone();
    // The other config has it too, from now on.
    world.others = vec![std::mem::replace(&mut world.ledger, Ledger::new("other"))];
    world.run(
        &[file("/etc/both"), file("/etc/new")].concat(),
        Given::default(),
    );
    assert_eq!(
        world.owned(),
        [("path:/etc/both", true), ("path:/etc/new", true)]
    );
    let other = std::mem::replace(&mut world.ledger, mine);
    world.others = vec![other];
    assert_eq!(world.orphans("").len(), 1, "only what is its own");
    world.run("", prune());
    assert_eq!(world.owned(), []);
    assert!(text(&world.host, "/etc/both").is_some());
    assert_eq!(text(&world.host, "/etc/mine"), None);
    // hpt made it, whichever config was the first to have it: the last one takes it along.
    world.ledger = std::mem::take(&mut world.others).pop().unwrap();
    world.run("", prune());
    assert_eq!(text(&world.host, "/etc/both"), None);
}

#[test]
fn what_the_config_relies_on_is_no_orphan() {
    let mut world = World::new(host());
    let dir = "[[file]]\npath = \"/srv/a\"\ndir = true\n";
    let group = "[[group]]\nname = \"web\"\n";
    let user = "[[user]]\nname = \"ana\"\ngroup = \"web\"\n";
    world.run(
        &[dir, &file("/srv/a/x"), group, user].concat(),
        Given::default(),
    );
    assert_eq!(world.orphans(&(file("/srv/a/x") + user)), []);
    // Then all of it goes, newest first.
    let outcomes = world.run("", prune());
    assert_eq!(outcomes, [Outcome::Changed; 4]);
    assert_eq!(world.owned(), []);
    assert!(world.host.path(&path("/srv/a")).unwrap().is_none());
}

/// A directory that holds what is not hpt's stays, and is said to; the run does not fail for it.
#[test]
fn no_more_is_removed_than_was_made() {
    let mut world = World::new(host());
    let dir = "[[file]]\npath = \"/srv/a\"\ndir = true\n";
    let user = "[[user]]\nname = \"ana\"\nhome = \"/srv/ana\"\n";
    world.run(&[dir, user].concat(), Given::default());
    put(&mut world.host, "/srv/a/data", "mine\n");
    let (_, _, plan) = world.plan("", prune());
    let judged: Vec<_> = plan
        .blocks
        .iter()
        .map(|b| (b.verdict, b.summary.as_str()))
        .collect();
    let stays = "left the config, and stays: the directory /srv/a is not empty; `recurse = true` removes all that it holds";
    assert_eq!(
        judged,
        [
            (Verdict::Delete, "left the config; its home stays"),
            (Verdict::Orphan, stays)
        ]
    );
    assert_eq!(world.run("", prune()), [Outcome::Changed, Outcome::Skipped]);
    assert!(world.host.path(&path("/srv/ana")).unwrap().is_some());
    assert_eq!(
        world.owned(),
        [("path:/srv/a", true)],
        "it is an orphan still"
    );
}

#[test]
fn a_part_of_a_config_does_not_tell_what_left_it() {
    let mut world = World::new(host());
    let tagged = format!("{}tags = [\"t\"]\n", file("/etc/tagged"));
    world.run(
        &[file("/etc/a"), file("/etc/gone"), tagged.clone()].concat(),
        Given::default(),
    );
    let chosen = Given {
        tags: ["t".to_owned()].into(),
        prune: true,
        ..Given::default()
    };
    let (config, left, plan) =
        world.plan(&[file("/etc/a"), tagged.clone()].concat(), chosen.clone());
    assert!(!config.prunes && left == Left::default());
    assert_eq!(plan.count(Verdict::Orphan), 0);
    let all = [file("/etc/a"), tagged.replace("\"x", "\"y")].concat();
    world.run(&all, chosen);
    assert_eq!(world.owned().len(), 3);
    // Nor is a block that is left out by its `when` one that left.
    let out = format!("{}when = \"false\"\n{tagged}", file("/etc/a"));
    let orphans = world.orphans(&out);
    assert_eq!(orphans.len(), 1, "{orphans:?}");
    assert_eq!(orphans[0].0, "file:/etc/gone");
}

/// A block by the same id that is about something else now: what it was about has left.
#[test]
fn a_block_may_become_another_one() {
    let mut world = World::new(host());
    let named = |at: &str| format!("{}id = \"motd\"\n", file(at));
    world.run(&named("/etc/a"), Given::default());
    assert_eq!(world.orphans(&named("/etc/b"))[0].0, "file:/etc/a");
    world.run(&named("/etc/b"), prune());
    assert_eq!(world.owned(), [("path:/etc/b", true)]);
    assert_eq!(text(&world.host, "/etc/a"), None);
    // And the other way round: the thing by another name.
    world.run(&file("/etc/b"), Given::default());
    assert_eq!(world.orphans(&file("/etc/b")), []);
}

#[test]
fn what_somebody_removed_is_forgotten_without_a_word() {
    let mut world = World::new(host());
    world.run(&file("/etc/a"), Given::default());
    world.host.put(&Effect::Remove {
        path: path("/etc/a"),
        recursive: false,
    });
    assert_eq!(world.orphans(""), []);
    world.run(&file("/etc/b"), Given::default());
    assert_eq!(world.owned(), [("path:/etc/b", true)]);
}

#[test]
fn an_undone_run_owns_nothing_and_what_it_pruned_is_owned_again() {
    let mut world = World::new(host());
    world.run(&file("/etc/a"), Given::default());
    let before = world.ledger.clone();
    world.run(&file("/etc/b"), prune());
    let ids = ["file:/etc/a", "file:/etc/b"];
    let mut now = world.ledger.clone();
    now.reown(&before, &|id| ids.contains(&id));
    assert_eq!(now.things.len(), 2, "both, while it is undone");
    now.undo("run 2", &before, &|id| ids.contains(&id));
    assert_eq!(now, before);
    // What could not be put back is still owned.
    let mut now = world.ledger.clone();
    now.undo("run 2", &before, &|_| false);
    assert_eq!(now, world.ledger);
}

/// The handlers that heard of a thing hear of its removal too, and it is done before they run.
#[test]
fn handlers_hear_of_what_is_removed() {
    let handler = "[[handler]]\nname = \"h\"\ncmd = \"/bin/true\"\n";
    let mut world = World::new(host());
    let block = format!("{}notify = [\"h\"]\n", file("/etc/a"));
    world.run(&(block + handler), Given::default());
    let (config, _, plan) = world.plan(handler, prune());
    let ids: Vec<_> = config
        .blocks
        .iter()
        .map(|block| (&*block.id, &block.notify[..]))
        .collect();
    assert_eq!(ids, [("file:/etc/a", &[1][..]), ("handler:h", &[])]);
    let verdicts: Vec<_> = plan.blocks.iter().map(|block| block.verdict).collect();
    assert_eq!(verdicts, [Verdict::Delete, Verdict::Run]);
}

/// S1: no secret goes into a ledger; a part that is one has no name but its block's.
#[test]
fn no_secret_is_in_a_ledger() {
    let mut host = host();
    put(&mut host, "/etc/env", "A=1\n");
    let mut world = World::new(host);
    let text = "[secret.key]\nprompt = \"?\"\n\
        [[line]]\npath = \"/etc/env\"\nline = \"KEY={{ secret.key }}\"\n\
        [[file]]\npath = \"/etc/open\"\ncontent = \"{{ secret.key }}\"\nmode = \"0600\"\n";
    world.run(text, Given::default());
    let kept = serde_json::to_string(&world.ledger).unwrap();
    assert!(!kept.contains("hunter2"), "{kept}");
    assert_eq!(
        world.owned(),
        [("path:/etc/env", true), ("path:/etc/open", true)]
    );
    assert!(world.ledger.things[0].removal.is_none() && world.ledger.things[1].sensitive);
}

#[test]
fn accounts_of_others_are_let_go() {
    let mut host = host();
    host.put(&Effect::User(UserEdit::Add {
        name: UserName::parse("ana").unwrap(),
        as_: UserShape::default(),
        system: false,
        create_home: false,
    }));
    let mut world = World::new(host);
    world.run(
        "[[user]]\nname = \"ana\"\nshell = \"/bin/sh\"\n",
        Given::default(),
    );
    assert_eq!(world.owned(), [("user:ana", false)]);
    world.run("", prune());
    assert!(
        world
            .host
            .user(&UserName::parse("ana").unwrap())
            .unwrap()
            .is_some()
    );
}

/// What a person has put in the place of what hpt wrote is not called hpt's.
#[test]
fn what_was_changed_since_is_said_to_be() {
    let mut world = World::new(host());
    let secret = "[[file]]\npath = \"/etc/secret\"\ncontent = \"{{ secret.key }}\"\n";
    let both = |line: &str| {
        let first = "[[file]]\npath = \"/etc/edited\"\ncontent = \"a\\n\"\noverwrite = false\n";
        format!("{first}[[line]]\npath = \"/etc/edited\"\nline = \"{line}\"\n")
    };
    let edited = both("b");
    let all = [
        &file("/etc/as-written"),
        &file("/etc/rewritten"),
        secret,
        &edited,
    ]
    .map(ToOwned::to_owned)
    .concat();
    world.run(&all, Given::default());
    // Of what two blocks write nobody says so, whichever wrote last.
    world.run(&all.replace(&edited, &both("c")), Given::default());
    let changed = |world: &World| -> Vec<String> {
        let orphans = world.orphans("").into_iter();
        let changed = orphans.filter(|(_, words)| words.contains("changed since hpt wrote it"));
        changed.map(|(id, _)| id).collect()
    };
    assert_eq!(changed(&world), [""; 0]);
    put(&mut world.host, "/etc/rewritten", "mine\n");
    assert_eq!(changed(&world), ["file:/etc/rewritten"]);
    put(&mut world.host, "/etc/secret", "mine\n");
    assert_eq!(changed(&world), ["file:/etc/secret", "file:/etc/rewritten"]);
    let (_, _, plan) = world.plan("", prune());
    let words = |id: &str| {
        let mut blocks = plan.blocks.iter();
        blocks
            .find(|block| block.id == id)
            .map(|block| block.summary.clone())
    };
    assert_eq!(
        words("file:/etc/as-written").as_deref(),
        Some("left the config")
    );
    assert_eq!(
        words("file:/etc/rewritten").as_deref(),
        Some("left the config; changed since hpt wrote it")
    );
    // Written anew, it is as hpt wrote it last.
    world.run(&all, Given::default());
    assert_eq!(changed(&world), [""; 0]);
}

/// What a run that was killed may not have written is no reason to say so.
#[test]
fn what_may_not_have_been_written_is_not_said_to_be_changed() {
    let mut host = host();
    put(&mut host, "/etc/x", "old\n");
    let mut world = World::new(host);
    world.run_until(&file("/etc/x"), Given::default(), Some(1));
    put(&mut world.host, "/etc/x", "old\n");
    let orphans = world.orphans("");
    assert!(
        matches!(&orphans[..], [(_, words)] if !words.contains("changed since")),
        "{orphans:?}"
    );
}
