//! Sources behind https.

use std::time::Duration;

use hpt_provisioner::host::authorities::authorities;
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

use super::{Found, keep};
use crate::env::{Variable, env};
use crate::error::{CommandError, Exit};

/// How long to wait for a connection, for an answer's beginning, and for each of its parts.
const PATIENCE: Duration = Duration::from_secs(30);
const REDIRECTS: u32 = 5;

/// Fetches a URL. A redirect never leaves https.
pub(super) fn get_https(url: &str, sha256: Option<&str>) -> Found {
    get(&agent(true, REDIRECTS), url, url, sha256)
}

/// Fetches `url` and calls it `name` in errors: a signed URL is a secret for a while.
pub(super) fn get(agent: &Agent, url: &str, name: &str, sha256: Option<&str>) -> Found {
    let mut body = open(agent, url, name)?;
    keep(&mut body.as_reader(), name, sha256)
}

/// The content of `url`, as it comes.
pub(super) fn open(agent: &Agent, url: &str, name: &str) -> Result<Body, CommandError> {
    let failed = |why: &ureq::Error| {
        // A message may quote the URL.
        let why = why.to_string().replace(url, name);
        let error = CommandError::new(Exit::Failed, format!("cannot fetch {name}: {why}"));
        if why.contains("403") || why.contains("401") {
            error.hint("are the credentials right, and may they read it?")
        } else {
            error
        }
    };
    let response = agent.get(url).call().map_err(|why| failed(&why))?;
    if !response.status().is_success() {
        let what = format!("cannot fetch {name}: the answer is {}", response.status());
        return Err(CommandError::new(Exit::Failed, what));
    }
    Ok(response.into_body())
}

/// An agent that speaks https only, or plain http too where the caller knows the wire.
pub(super) fn agent(https_only: bool, redirects: u32) -> Agent {
    let named = env(Variable::SSL_CERT_FILE);
    let roots = authorities(named.as_deref());
    let tls = TlsConfig::builder().root_certs(roots).build();
    let config = Agent::config_builder()
        .https_only(https_only)
        .max_redirects(redirects)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .user_agent(concat!("hpt/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls);
    Agent::new_with_config(config.build())
}
