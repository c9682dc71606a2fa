//! Objects of a bucket, asked for by signed requests.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use super::serving::{Place, Ran};
use super::{SHA256_OF_ABC, http};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "canary-wJalrXUtnFEMI";

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
    let sha256 = format!("sha256 = \"{SHA256_OF_ABC}\"\n");
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
            bucket(&format!("http://127.0.0.1:{port}"), &sha256),
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
