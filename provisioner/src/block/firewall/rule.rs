//! One rule of a firewall: which packets it is about.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer};

use crate::name::{BadName, InterfaceName};
use crate::number;

/// Which packets a rule is about: those that fit all that is given.
#[derive(Deserialize)]
#[serde(try_from = "Fields")]
pub(super) struct Rule(Fields);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// The port they come to, 1 to 65535, or a range such as `"8000-8100"`; any.
    port: Option<Ports>,
    /// `"tcp"` or `"udp"`; tcp if there is a port, else any.
    proto: Option<Protocol>,
    /// The address or network they come from, such as `"10.0.0.0/8"` or `"fd00::/8"`; any.
    from: Option<Network>,
    /// The interface they come in by, such as `"eth0"`; any.
    iface: Option<InterfaceName>,
}

impl TryFrom<Fields> for Rule {
    type Error = BadName;

    fn try_from(fields: Fields) -> Result<Self, BadName> {
        let Fields {
            port,
            proto,
            from,
            iface,
        } = &fields;
        if port.is_none() && proto.is_none() && from.is_none() && iface.is_none() {
            return Err(BadName(
                "a rule says `port`, `proto`, `from` or `iface`; `default` is for all packets",
            ));
        }
        Ok(Self(fields))
    }
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Tcp,
    Udp,
}

/// A port or a range of ports.
#[derive(Clone, Copy)]
struct Ports(u16, u16);

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        const RULE: &str = "a port is 1 to 65535, or a range of them such as \"8000-8100\"";
        let number = |number| {
            let port = u16::try_from(number).ok().filter(|port| *port > 0);
            port.map(|port| Self(port, port)).ok_or(RULE)
        };
        number::or_text(d, "a port or a range of ports", number, |text| {
            let port = |text: &str| {
                let plain = text.bytes().all(|c| c.is_ascii_digit());
                text.parse::<u16>().ok().filter(|port| plain && *port > 0)
            };
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            match (port(first), port(last)) {
                (Some(first), Some(last)) if first <= last => Ok(Self(first, last)),
                _ => Err(RULE),
            }
        })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(first, last) = self;
        write!(f, "{first}")?;
        if first == last {
            Ok(())
        } else {
            write!(f, "-{last}")
        }
    }
}

/// An address, or a network by its address and the length of its prefix.
#[derive(Clone, Copy)]
struct Network(IpAddr, u8);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::name::deserialize(d, |text| {
            const RULE: BadName =
                BadName("this is an address or a network, such as \"10.0.0.0/8\" or \"fd00::1\"");
            let (address, length) = text
                .split_once('/')
                .map_or((text, None), |(address, length)| (address, Some(length)));
            let address: IpAddr = address.parse().map_err(|_| RULE)?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let length = match length {
                None => most,
                Some(text) if text.bytes().all(|c| c.is_ascii_digit()) => {
                    text.parse().map_err(|_| RULE)?
                }
                Some(_) => return Err(RULE),
            };
            if length > most {
                return Err(RULE);
            }
            Ok(Self(address, length))
        })
    }
}

impl fmt::Display for Rule {
    /// The matches as nft has them, each with a space behind it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fields {
            port,
            proto,
            from,
            iface,
        } = &self.0;
        if let Some(iface) = iface {
            write!(f, "iifname \"{iface}\" ")?;
        }
        if let Some(Network(address, length)) = from {
            let family = if address.is_ipv4() { "ip" } else { "ip6" };
            write!(f, "{family} saddr {address}/{length} ")?;
        }
        let (word, number) = match proto {
            Some(Protocol::Udp) => ("udp", 17),
            Some(Protocol::Tcp) | None => ("tcp", 6),
        };
        match (port, proto) {
            (Some(port), _) => write!(f, "{word} dport {port} "),
            (None, Some(_)) => write!(f, "meta l4proto {number} "),
            (None, None) => Ok(()),
        }
    }
}
