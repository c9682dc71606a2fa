//! A run that is not confirmed in time is undone, however often that must be tried.

use super::guardian::find_guardian;
use super::*;

/// Whoever guarded the run is gone after a boot; hpt sees to it when it starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_armed_before_a_boot_is_undone_after_it() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    fs::write(server.root().join("motd"), "old\n").unwrap();
    let mut client = server.connect(&laptop).await;
    let (_, run) = apply(&mut client, CONFIG, 1).await;
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    // As if the host had been booted within the time that the run had.
    let reverted = stage(&server, &run, "reverted");
    for gone in ["over", "guard"] {
        fs::remove_file(stage(&server, &run, gone)).unwrap();
    }
    fs::write(reverted.with_extension("armed"), "600 another-boot\n").unwrap();
    fs::remove_file(reverted).unwrap();
    fs::write(server.root().join("motd"), "new\n").unwrap();

    let server = server.restart().await;
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    assert_eq!(motd(&server), "old\n");
}

/// What cannot be undone keeps nothing else from it; nor does a run that was killed.
#[tokio::test(flavor = "multi_thread")]
async fn what_stays_keeps_nothing_else() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("a"), "old\n").unwrap();
    let mut client = server.connect(&laptop).await;
    let text = format!(
        "[[file]]\npath = \"{}\"\ncontent = \"new\\n\"\n\
         [[exec]]\nscript = \"touch {}; kill -9 $PPID\"\nalways = true\n",
        path("a").display(),
        path("ran").display()
    );
    let request = wire::ApplyRequest {
        confirm: Some(1),
        ..apply_request(&delivery(&text), None)
    };
    let mut stream = client.apply(request).await.unwrap().into_inner();
    let broken = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            other => break other.map(drop),
        }
    };
    assert_eq!(broken.unwrap_err().code(), Code::Aborted);
    until("the command", || path("ran").exists()).await;
    until("an undo", || {
        fs::read_to_string(path("a")).unwrap() == "old\n"
    })
    .await;
    assert!(path("ran").exists());
}

/// Nobody is told that a run was undone before it was, and what fails is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_undone_yet_is_undone_when_it_can() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let fixed = dir.path().join("fixed");
    let text = file_and_command(dir.path(), &format!("[ -e {} ]", fixed.display()));
    let run = apply_live(&server, &laptop, &text, 1).await;
    until("a first try", || stage(&server, &run, "trouble").exists()).await;
    assert!(stage(&server, &run, "reverting").exists());
    assert!(!stage(&server, &run, "reverted").exists());
    // What can be put back is.
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old\n");
    let mut new = server.connect(&laptop).await;
    let refused = confirm(&mut new, &run).await.unwrap_err();
    assert!(refused.message().contains("command: "), "{refused:?}");
    fs::write(fixed, "").unwrap();
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    let reply = new.confirm(ConfirmRequest { run: run.clone() }).await;
    let reply = reply.unwrap().into_inner();
    assert!(!reply.reverted_by.is_empty());
    assert_eq!(reply.stays, [""; 0], "all is as it was");
    until("no trouble", || !stage(&server, &run, "trouble").exists()).await;
}

/// What nothing can put back keeps no run from being undone, and is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_back_is_told_with_the_undo() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let text = file_and_command(dir.path(), "").replace("undo = ''''''\n", "");
    let run = apply_live(&server, &laptop, &text, 1).await;
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    let mut new = server.connect(&laptop).await;
    let reply = new
        .confirm(ConfirmRequest { run })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(reply.stays, ["command"]);
}

/// A host that another holds is waited for, and is not called as it was before.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_held_is_undone_when_it_is_free() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start(&[laptop.pin(EVERYTHING)]);
    fs::write(server.root().join("motd"), "old\n").unwrap();
    let mut client = server.connect(&laptop).await;
    let (_, run) = apply(&mut client, CONFIG, 1).await;
    let other = hpt_proto::Running {
        run: "other".to_owned(),
        by: "somebody".to_owned(),
        since: 0,
    };
    let lock = loop {
        if let Ok(lock) = Lock::take(&server.places(), &other) {
            break lock;
        }
    };
    until("a try", || stage(&server, &run, "reverting").exists()).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await; // a second try
    assert!(!stage(&server, &run, "reverted").exists());
    assert_eq!(motd(&server), "new\n");
    drop(lock);
    until("an undo", || stage(&server, &run, "reverted").exists()).await;
    assert_eq!(motd(&server), "old\n");
    let by = fs::read_to_string(stage(&server, &run, "reverted")).unwrap();
    assert!(stage(&server, &by, "run").exists(), "{by} has a journal");
}

/// Nobody stops a guardian at its work; and who stops an undo of his own leaves the rest of it to the guardian.
#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_is_cancelled_is_brought_to_its_end() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    for is_users in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let [at, go] = ["at", "go"].map(|name| dir.path().join(name));
        let script = "touch AT; while [ ! -e GO ]; do sleep 0.01; done";
        let script = script.replace("AT", &at.display().to_string());
        let script = script.replace("GO", &go.display().to_string());
        let text = file_and_command(dir.path(), &script);
        let window = if is_users { 600 } else { 1 };
        let run = apply_live(&server, &laptop, &text, window).await;
        let mut client = server.connect(&laptop).await;
        let undo = if is_users {
            let run = run.clone();
            let undo = client.undo(wire::UndoRequest { run }).await.unwrap();
            Some(undo.into_inner())
        } else {
            None
        };
        until("an undo", || at.exists()).await;
        let mut new = server.connect(&laptop).await;
        confirm(&mut new, &run).await.unwrap_err();
        let cancelled = new.cancel(wire::CancelRequest::default()).await;
        assert_eq!(cancelled.is_ok(), is_users, "{cancelled:?}");
        if let Err(refused) = cancelled {
            assert!(refused.message().contains("puts back"), "{refused:?}");
        }
        assert!(!stage(&server, &run, "reverted").exists());
        fs::write(go, "").unwrap();
        if let Some(mut undo) = undo {
            while undo.message().await.unwrap().is_some() {}
        }
        until("all of it", || stage(&server, &run, "reverted").exists()).await;
        assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old\n");
    }
}

/// An undo that fails for ever holds its host until somebody says that it shall not be tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_undone_is_given_up_by_its_name_alone() {
    let laptop = TestClient::new("laptop");
    let server = TestServer::start_live(&[laptop.pin(EVERYTHING)]);
    let dir = tempfile::tempdir().unwrap();
    let run = apply_live(&server, &laptop, &file_and_command(dir.path(), "false"), 1).await;
    until("a first try", || stage(&server, &run, "trouble").exists()).await;
    let mut client = server.connect(&laptop).await;
    let (end, _) = apply(&mut client, CONFIG, 0).await;
    assert!(
        matches!(&end, End::Busy(holder) if holder.run == run),
        "{end:?}"
    );
    let unnamed = client.cancel(wire::CancelRequest::default()).await;
    let unnamed = unnamed.unwrap_err();
    assert!(
        unnamed.message().contains(&format!("`cancel {run}`")),
        "{unnamed:?}"
    );
    let cancel = wire::CancelRequest { run: run.clone() };
    let start = Instant::now();
    let given_up = loop {
        match client.cancel(cancel.clone()).await {
            // In the midst of a try.
            Err(busy) if busy.code() == Code::FailedPrecondition => {
                assert!(start.elapsed() < Duration::from_secs(20), "{busy:?}");
            }
            other => break other.unwrap().into_inner(),
        }
    };
    assert_eq!(given_up.run.unwrap().run, run);
    assert_eq!(given_up.stays, ["command"]);
    assert_eq!(fs::read_to_string(dir.path().join("a")).unwrap(), "old\n");
    let told = client.confirm(ConfirmRequest { run: run.clone() }).await;
    assert_eq!(told.unwrap().into_inner().stays, ["command"]);
    let again = client.cancel(cancel).await.unwrap_err();
    assert_eq!(again.code(), Code::NotFound, "{again:?}");
    until("its guardian to go", || {
        find_guardian(&server, &run).is_none()
    })
    .await;
    let other = format!(
        "[[file]]\npath = \"{}/b\"\ncontent = \"\"\n",
        dir.path().display()
    );
    let (end, _) = apply(&mut client, &other, 0).await;
    assert!(matches!(end, End::Report { .. }), "{end:?}");
}
