//! Where a target is dialled: a host, perhaps a port.

use std::fmt;

use hpt_keystore::{Address, BadAddress};

/// `10.0.0.5`, `web1.example.org:6633`, `::1` or `[::1]:6633`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl HostPort {
    /// Takes what a keystore takes for an address, split into host and port.
    pub(crate) fn parse(text: &str) -> Result<Self, BadAddress> {
        let address = Address::parse(text)?;
        let text = address.as_str();
        let whole = || Self {
            host: text.to_owned(),
            port: None,
        };
        if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or(BadAddress)?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(port.parse().map_err(|_| BadAddress)?),
                None if rest.is_empty() => None,
                None => return Err(BadAddress),
            };
            return Ok(Self {
                host: host.to_owned(),
                port,
            });
        }
        match text.split_once(':') {
            None => Ok(whole()),
            Some((_, rest)) if rest.contains(':') => Ok(whole()), // a bare IPv6 address
            Some((host, port)) if !host.is_empty() => Ok(Self {
                host: host.to_owned(),
                port: Some(port.parse().map_err(|_| BadAddress)?),
            }),
            Some(_) => Err(BadAddress),
        }
    }

    /// As the keystore remembers it.
    pub(crate) fn to_address(&self) -> Address {
        Address::parse(&self.to_string()).expect("it was parsed from an address")
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            None => f.write_str(&self.host),
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let parsed = |text| HostPort::parse(text).map(|a| (a.host, a.port)).ok();
        assert_eq!(parsed("10.0.0.5"), Some(("10.0.0.5".into(), None)));
        assert_eq!(parsed("web1:7"), Some(("web1".into(), Some(7))));
        assert_eq!(parsed("::1"), Some(("::1".into(), None)));
        assert_eq!(parsed("[::1]"), Some(("::1".into(), None)));
        assert_eq!(parsed("[::1]:7"), Some(("::1".into(), Some(7))));
        for bad in [
            "",
            ":7",
            "web1:",
            "web1:99999",
            "[::1",
            "[::1]7",
            "a b",
            "a\n",
        ] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
        for text in ["10.0.0.5", "web1:7", "[::1]:7"] {
            assert_eq!(
                HostPort::parse(text).map(|a| a.to_string()),
                Ok(text.to_owned())
            );
        }
    }
}
