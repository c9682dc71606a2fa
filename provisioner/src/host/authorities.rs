//! Whom a system trusts to vouch for the names of servers.

use std::fs;

use ureq::tls::{PemItem, RootCerts, parse_pem};

const BUNDLES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// The authorities of the file that is named, or of the first that is where systems keep theirs; else
/// those that browsers trust.
pub fn authorities(named: Option<&str>) -> RootCerts {
    let mut paths = named.into_iter().chain(BUNDLES);
    let bundle = paths.find_map(|path| fs::read(path).ok());
    let items = bundle.iter().flat_map(|pem| parse_pem(pem));
    let certificates: Vec<_> = items
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        RootCerts::WebPki
    } else {
        RootCerts::new_with_certs(&certificates)
    }
}
