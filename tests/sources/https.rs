//! Files by https, from a server whose authority is trusted or not.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::serving::{Place, Ran};
use super::{SHA256_OF_ABC, http};

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
fn a_source_by_https_is_a_base_and_a_path_with_its_hash() {
    let place = Place::new();
    let server = Https::serve(&place);
    std::fs::create_dir(place.path("v1")).unwrap();
    place.write("v1/abc.txt", answer("200 OK", "", "abc"));
    let site = format!(
        "[source.far]\nurl = \"https://127.0.0.1:{}/v1/\"\n\
         [[file]]\npath = \"/got\"\nsource = \"far://abc.txt#sha256={SHA256_OF_ABC}\"\n",
        server.port
    );
    place.write("site.toml", site);
    let args = ["--root", "root", "provision", "site.toml"];
    let run = || {
        let mut command = place.command(&args);
        command.env("SSL_CERT_FILE", place.path("cert.pem"));
        Ran::of(&args, &command.output().unwrap())
    };
    run().exits(0).says("changed 1");
    assert_eq!(place.read("root/got"), "abc");
    place.write("v1/abc.txt", answer("200 OK", "", "evil"));
    run().exits(1).says("is not what the config says");
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
