//! A look at whether the host does what it is there for: a GET, or a command.

use std::io::Read;
use std::time::Duration;

use ureq::tls::TlsConfig;

use super::Live;
use crate::effect::Command;
use crate::host::authorities::authorities;
use crate::host::probe::{Expect, Probe, Target};
use crate::host::{HostError, Progress};

/// The longest that one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// As much of a body is searched, in bytes.
const BODY: u64 = 1 << 20;
/// As much of what a command wrote last is repeated, in bytes.
const LAST_WORDS: usize = 400;

/// Why it is not as expected, if it is not.
pub(super) fn look(host: &Live, probe: &Probe, most: Duration) -> Result<(), String> {
    match &probe.at {
        Target::Http(url) => get(url, &probe.expect, most.min(PATIENCE)),
        Target::Command(command) => run(host, command, &probe.expect),
    }
}

fn get(url: &str, expect: &Expect, most: Duration) -> Result<(), String> {
    let tls = TlsConfig::builder().root_certs(authorities(None)).build();
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(most))
        .user_agent(concat!("hpt/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls);
    let agent = ureq::Agent::new_with_config(config.build());
    let answer = agent.get(url).call().map_err(|why| why.to_string())?;
    let status = answer.status().as_u16();
    if !expect.accepts(status, 200..=299) {
        return Err(format!("the answer is {status}"));
    }
    if let Expect::Text(_) = expect {
        let mut body = Vec::new();
        let mut reader = answer.into_body().into_reader().take(BODY);
        let read = reader.read_to_end(&mut body);
        read.map_err(|why| why.to_string())?;
        if let Some(why) = expect.objection(&String::from_utf8_lossy(&body)) {
            return Err(format!("the answer is {status}, and {why}"));
        }
    }
    Ok(())
}

fn run(host: &Live, command: &Command, expect: &Expect) -> Result<(), String> {
    let mut said = Vec::new();
    let mut hear = |progress| {
        if let Progress::Output { bytes, .. } = progress {
            said.extend(bytes);
            let over = said.len().saturating_sub(LAST_WORDS);
            said.drain(..over);
        }
    };
    let done = host.run(command, &mut hear).map_err(|why| {
        let said = String::from_utf8_lossy(&said);
        match (said.lines().rfind(|line| !line.trim().is_empty()), &why) {
            (Some(last), HostError::Program { .. }) => format!("{why}: {}", last.trim()),
            _ => why.to_string(),
        }
    })?;
    let objection = expect.objection(&done.stdout);
    objection.map_or(Ok(()), |why| {
        Err(format!("the command said otherwise: {why}"))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;
    use crate::name::Pattern;

    /// Answers so many times, each time so.
    fn serve(answers: &'static [&'static str]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/healthz", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut heard = Vec::new();
                while !heard.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    heard.push(byte[0]);
                }
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        url
    }

    fn judged(answer: &'static [&'static str], expect: &Expect) -> Result<(), String> {
        get(&serve(answer), expect, Duration::from_secs(5))
    }

    #[test]
    fn an_answer_is_as_expected_or_says_why_not() {
        const READY: &[&str] = &["HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nnot\nready: 1"];
        const MOVED: &[&str] =
            &["HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"];
        const DOWN: &[&str] = &["HTTP/1.1 503 Not now\r\nContent-Length: 0\r\n\r\n"];
        assert_eq!(judged(READY, &Expect::Well), Ok(()));
        let text = |text| Expect::Text(Pattern::parse(text).unwrap());
        assert_eq!(judged(READY, &text("^ready: [0-9]$")), Ok(()));
        assert_eq!(
            judged(READY, &text("^up")).unwrap_err(),
            "the answer is 200, and no line of it has ^up"
        );
        assert_eq!(judged(MOVED, &Expect::Code(302)), Ok(()));
        assert_eq!(
            judged(MOVED, &Expect::Well).unwrap_err(),
            "the answer is 302"
        );
        assert_eq!(judged(DOWN, &Expect::Code(503)), Ok(()));
        assert_eq!(
            judged(DOWN, &Expect::Well).unwrap_err(),
            "the answer is 503"
        );
        assert_eq!(
            judged(DOWN, &Expect::Code(200)).unwrap_err(),
            "the answer is 503"
        );
    }

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        let closed = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let why = get(&format!("http://{closed}/"), &Expect::Well, PATIENCE).unwrap_err();
        assert!(why.contains("refused"), "{why}");
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let why = get(&url, &Expect::Well, Duration::from_millis(100)).unwrap_err();
        assert!(why.contains("timeout"), "{why}");
    }
}
