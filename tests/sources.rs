//! Sources that the workstation fetches: from a bucket, by https and from a repository, all on loopback.

#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "a test starts processes")]

mod serving;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serving::{Place, Ran};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "canary-wJalrXUtnFEMI";

/// Answers every request alike, and tells what was asked for.
fn http(answer: &'static str) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let reader = BufReader::new(stream.try_clone().unwrap());
            let head: Vec<_> = reader
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            let _ = stream.write_all(answer.as_bytes());
            let _ = tell.send(head.join("\n"));
        }
    });
    (port, told)
}

fn bucket(url: &str, sha256: &str) -> String {
    format!(
        "[secret.spaces]\nenv = [\"TEST_ACCESS_KEY\", \"TEST_SECRET_KEY\"]\n\
         [bucket.bkt]\nurl = \"{url}\"\nname = \"coleman\"\ncredentials = \"secret.spaces\"\n\
         [[file]]\npath = \"/got\"\nsource = \"bkt://site/a b.txt\"\n{sha256}"
    )
}

/// `hpt --root root site.toml`, with the bucket's keys in the environment and every log on.
fn provision(place: &Place) -> Ran {
    let mut command = place.command(&["-vvv", "--root", "root", "provision", "site.toml"]);
    command
        .env("TEST_ACCESS_KEY", KEY)
        .env("TEST_SECRET_KEY", SECRET);
    let ran = Ran::of(&["provision"], &command.output().unwrap());
    let all = format!("{}{}", ran.out, ran.err);
    assert!(
        !all.contains(SECRET) && !all.contains("X-Amz-Signature"),
        "{all}"
    );
    ran
}

#[test]
fn an_object_comes_by_a_signed_request_and_its_keys_go_nowhere() {
    let (port, asked) = http("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    let place = Place::new();
    place.write("site.toml", bucket(&format!("http://127.0.0.1:{port}"), ""));
    provision(&place).exits(0).says("changed 1");
    assert_eq!(place.read("root/got"), "abc");
    let head = asked.recv().unwrap();
    assert!(head.starts_with("GET /coleman/site/a%20b.txt?"), "{head}");
    assert!(
        head.contains("X-Amz-Signature=") && head.contains(KEY),
        "{head}"
    );
    assert!(!head.contains(SECRET));
    provision(&place).exits(0).says("1 in place, nothing to do");
}

#[test]
fn what_is_not_what_was_meant_changes_nothing() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabd";
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nabc";
    let moved =
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 3\r\n\r\nabc";
    let forbidden = "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nabc";
    let sha256 = "sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n";
    for (answer, words) in [
        (ok, "is not what the config says"),
        (short, "cannot fetch coleman/site/a b.txt"),
        (moved, "302"),
        (forbidden, "are the credentials right"),
    ] {
        let (port, _asked) = http(answer);
        let place = Place::new();
        place.write(
            "site.toml",
            bucket(&format!("http://127.0.0.1:{port}"), sha256),
        );
        provision(&place).exits(1).says(words);
        assert!(!place.path("root/got").exists());
    }
}

#[test]
fn plain_http_never_leaves_the_machine() {
    let place = Place::new();
    for url in [
        "http://192.0.2.1",
        "http://localhost.example.org",
        "ftp://127.0.0.1",
    ] {
        place.write("site.toml", bucket(url, ""));
        provision(&place).exits(3).says("https");
    }
    place.write(
        "site.toml",
        "[[file]]\npath = \"/x\"\nsource = \"http://example.org/x\"\n",
    );
    provision(&place).exits(3).says("https");
}

#[test]
fn keys_that_are_missing_are_named() {
    let place = Place::new();
    place.write("site.toml", bucket("http://127.0.0.1:1", ""));
    let ran = place.run(&["--root", "root", "provision", "site.toml"]);
    ran.exits(3)
        .says("[secret.spaces]: the environment has no TEST_ACCESS_KEY");
}

/// `openssl s_server` with a certificate of its own, for files that are whole answers; it ends with
/// the test.
struct Https {
    child: Child,
    port: u16,
}

impl Https {
    fn serve(place: &Place) -> Self {
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ])
            .args([
                "-nodes", "-days", "2", "-subj", "/CN=test", "-keyout", "key.pem", "-out",
                "cert.pem",
            ])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .current_dir(place.path(""))
            .output()
            .expect("openssl is there (apt install openssl)");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new("openssl")
            .args([
                "s_server", "-quiet", "-HTTP", "-cert", "cert.pem", "-key", "key.pem",
            ])
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .current_dir(place.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Self { child, port }
    }
}

impl Drop for Https {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer as a file that [`Https`] serves.
fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Provisions a file from `url`, with the authority of [`Https`] trusted.
fn provision_from(place: &Place, url: &str) -> Ran {
    let site =
        format!("[[file]]\npath = \"/got\"\nsource = \"{url}\"\nsha256 = \"{SHA256_OF_ABC}\"\n");
    place.write("site.toml", site);
    let args = ["--root", "root", "provision", "site.toml"];
    let mut command = place.command(&args);
    command.env("SSL_CERT_FILE", place.path("cert.pem"));
    Ran::of(&args, &command.output().unwrap())
}

#[test]
fn https_wants_a_hash_and_an_authority_that_is_trusted() {
    let place = Place::new();
    let server = Https::serve(&place);
    place.write("abc.txt", answer("200 OK", "", "abc"));
    let url = format!("https://127.0.0.1:{}/abc.txt", server.port);
    let args = ["--root", "root", "provision", "site.toml"];
    let site = format!("[[file]]\npath = \"/got\"\nsource = \"{url}\"\n");
    place.write("site.toml", &site);
    place.run(&args).exits(3).says("needs its `sha256`");
    place.write("site.toml", format!("{site}sha256 = \"{SHA256_OF_ABC}\"\n"));
    place
        .run(&args)
        .exits(1)
        .says("cannot fetch https://127.0.0.1");
    provision_from(&place, &url).exits(0).says("changed 1");
    assert_eq!(place.read("root/got"), "abc");
    place.write("abc.txt", answer("200 OK", "", "evil"));
    provision_from(&place, &url)
        .exits(1)
        .says("is not what the config says");
    assert_eq!(place.read("root/got"), "abc");
}

#[test]
fn a_redirect_is_followed_within_https_and_its_end_is_checked() {
    let place = Place::new();
    let server = Https::serve(&place);
    let origin = format!("https://127.0.0.1:{}", server.port);
    let moved = |to: &str| answer("302 Found", &format!("Location: {to}\r\n"), "");
    place.write("moved", moved(&format!("{origin}/abc.txt")));
    place.write("abc.txt", answer("200 OK", "", "abc"));
    let url = format!("{origin}/moved");
    provision_from(&place, &url).exits(0).says("changed 1");
    assert_eq!(place.read("root/got"), "abc");
    place.write("abc.txt", answer("200 OK", "", "evil"));
    provision_from(&place, &url)
        .exits(1)
        .says("is not what the config says");

    // What would answer there is right, and is not even asked.
    place.write("abc", "abc");
    let (port, asked) = http("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    for to in [
        format!("http://127.0.0.1:{port}/abc.txt"),
        format!("ftp://127.0.0.1:{port}/abc.txt"),
        format!("file://{}", place.path("abc").display()),
        url.clone(),
    ] {
        place.write("moved", moved(&to));
        provision_from(&place, &url).exits(1);
        assert_eq!(place.read("root/got"), "abc");
    }
    assert!(asked.try_recv().is_err(), "plain http was asked");
}

/// A `PATH` whose `ssh` is the server too: it runs here what it is asked to run there.
fn ssh_to_here(place: &Place) -> String {
    place.write(
        "bin/ssh",
        "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$last\"\n",
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.path("bin/ssh"), mode).unwrap();
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", place.path("bin").display())
}

#[test]
fn a_file_of_a_repository_is_a_source() {
    let place = Place::new();
    let script = "set -e; git init -q -b main app; cd app; git config user.email a@b; \
                  git config user.name n; mkdir etc; echo one > etc/app.conf; git add .; \
                  git commit -qm 1; git tag v1; echo two > etc/app.conf; git commit -qam 2";
    let mut made = Command::new("sh");
    let made = made.args(["-c", script]).current_dir(place.path(""));
    assert!(made.status().unwrap().success(), "git makes a repository");
    let site = |rev: &str, path: &str, more: &str| {
        let url = format!("ssh://git@here{}", place.path("app").display());
        let repo = format!("[repo.app]\nurl = \"{url}\"\n{rev}");
        format!("{repo}[[file]]\npath = \"/got\"\nsource = \"app://{path}\"\n{more}")
    };
    let provision = |site: String| {
        place.write("site.toml", site);
        let args = ["--root", "root", "provision", "site.toml"];
        let mut command = place.command(&args);
        command.env("PATH", ssh_to_here(&place));
        Ran::of(&args, &command.output().unwrap())
    };
    provision(site("", "etc/app.conf", ""))
        .exits(0)
        .says("changed 1");
    assert_eq!(place.read("root/got"), "two\n");
    provision(site("", "etc/app.conf", ""))
        .exits(0)
        .says("1 in place, nothing to do");
    provision(site("rev = \"v1\"\n", "etc/app.conf", ""))
        .exits(0)
        .says("changed 1");
    assert_eq!(place.read("root/got"), "one\n");
    let sha256 = format!("sha256 = \"{SHA256_OF_ABC}\"\n");
    for (wrong, words) in [
        (site("", "etc/none", ""), "etc/none"),
        (site("", "etc", ""), "cannot fetch ssh://git@here"),
        (site("rev = \"v9\"\n", "etc/app.conf", ""), "v9"),
        (
            site("", "etc/app.conf", &sha256),
            "is not what the config says",
        ),
    ] {
        provision(wrong).exits(1).says(words);
        assert_eq!(place.read("root/got"), "one\n");
    }
}

/// A bucket whose list comes in two pages, and whose objects hold their own path.
fn bucket_of_many() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .next()
                .unwrap_or_default();
            let path = head.split(['?', ' ']).nth(1).unwrap_or_default();
            let body = if path != "/coleman/" {
                path.to_owned()
            } else if head.contains("&continuation-token=a%20%26b&list-type=2&prefix=site%2F") {
                "<Contents><Key>site/css/a &amp; b.css</Key></Contents>".to_owned()
            } else {
                "<Contents><Key>site/</Key></Contents><Contents><Key>site/index.html</Key></Contents>\
                 <NextContinuationToken>a &amp;b</NextContinuationToken>"
                    .to_owned()
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = tell.send(head);
        }
    });
    (port, told)
}

#[test]
fn what_a_bucket_has_below_a_prefix_is_copied() {
    let (port, asked) = bucket_of_many();
    let place = Place::new();
    let text = bucket(&format!("http://127.0.0.1:{port}"), "");
    let (resources, _) = text.split_once("[[file]]").unwrap();
    let sync = "[[sync]]\nsource = \"bkt://site\"\ndest = \"/static\"\n";
    place.write("site.toml", format!("{resources}{sync}"));
    provision(&place).exits(0).says("changed 1");
    assert_eq!(
        place.read("root/static/index.html"),
        "/coleman/site/index.html"
    );
    let odd = place.read("root/static/css/a & b.css");
    assert_eq!(odd, "/coleman/site/css/a%20%26%20b.css");
    assert!(asked.recv().unwrap().contains("X-Amz-Signature="));
    provision(&place).exits(0).says("1 in place, nothing to do");
}

#[test]
fn a_directory_is_copied_and_what_is_not_in_it_goes() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("static/css")).unwrap();
    place.write("static/index.html", "hello");
    place.write("static/css/a.css", "x".repeat(100_000));
    let text = "[[sync]]\nsource = \"static\"\ndest = \"/srv/site\"\ndelete = true\n";
    place.write("site.toml", text);
    std::fs::create_dir_all(place.path("root/srv")).unwrap();
    let run = || place.run(&["--root", "root", "provision", "site.toml"]);
    run().exits(0).says("changed 1");
    assert_eq!(place.read("root/srv/site/css/a.css").len(), 100_000);
    run().exits(0).says("1 in place, nothing to do");
    place.write("root/srv/site/old", "");
    let plan = place.run(&["--root", "root", "plan", "site.toml"]);
    plan.exits(0).says("1 goes").says("/srv/site/old goes");
    run().exits(0).says("changed 1");
    assert!(!place.path("root/srv/site/old").exists());
    std::os::unix::fs::symlink("index.html", place.path("static/link")).unwrap();
    run().exits(3).says("`link`, which is neither a file nor");
    place.write("site.toml", text.replace("\"static\"", "\"none\""));
    let check = place.run(&["check", "site.toml"]);
    check.exits(3).says("cannot read the source");
}
