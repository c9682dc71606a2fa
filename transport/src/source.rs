//! Where a connection comes from, as coarse as limits look at it: an IPv4 address or an IPv6 /64.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// One source of connections (C3, H5).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4(octets) => IpAddr::from(octets).fmt(f),
            Self::V6(network) => {
                let mut segments = [0; 8];
                segments[..4].copy_from_slice(&network);
                write!(f, "{}/64", Ipv6Addr::from(segments))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        assert!(source("2001:db8:1:2::1") == source("2001:db8:1:2:ffff::9"));
        assert!(source("2001:db8:1:2::1") != source("2001:db8:1:3::1"));
        assert_eq!(source("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_one() {
        assert!(source("::ffff:192.0.2.7") == source("192.0.2.7"));
        assert!(source("192.0.2.7") != source("192.0.2.8"));
        assert_eq!(source("::ffff:192.0.2.7").to_string(), "192.0.2.7");
    }
}
