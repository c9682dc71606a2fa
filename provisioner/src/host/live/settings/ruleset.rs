//! The packet filter's table `inet hpt`: asked for over netlink, or what was loaded; set by nft.

use std::{fs, io};

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::super::command::Spawn;
use crate::host::HostError;

/// A message to the subsystem 10, nftables: `NFT_MSG_GETTABLE`.
const GET_TABLE: u16 = (10 << 8) | 1;
/// Its answer.
const NEW_TABLE: u16 = 10 << 8;
/// Any message's refusal.
const ERROR: u16 = 2;
/// The family `inet`, both versions of IP.
const INET: u8 = 1;
const TABLE_NAME: u16 = 1;
const TABLE_USERDATA: u16 = 6;
/// What nft keeps in the user data: a comment.
const COMMENT: u8 = 0;

/// The comment of the table; empty for a table without one, `None` if there is no table.
pub(super) fn mark() -> Result<Option<String>, HostError> {
    match ask() {
        Ok(answer) => Ok(Some(comment(&answer).unwrap_or_default())),
        // No such table, or a kernel without nftables.
        Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::INVAL) => Ok(None),
        // An `hpt serve` under a unit of one's own may lack the right to ask; a run has it.
        Err(Errno::PERM | Errno::ACCESS | Errno::AFNOSUPPORT) => Ok(recorded()),
        Err(errno) => Err(HostError::io(
            "cannot ask the kernel for the table",
            "inet hpt",
            &io::Error::from(errno),
        )),
    }
}

/// The attributes of the table.
fn ask() -> Result<Vec<u8>, Errno> {
    let kind = (AddressFamily::NETLINK, SocketType::RAW);
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(kind.0, kind.1, flags, Some(netlink::NETFILTER))?;
    let kernel = SocketAddrNetlink::new(0, 0);
    rustix::net::sendto(&socket, &request(), SendFlags::empty(), &kernel)?;
    let mut buffer = vec![0; 8192];
    let (length, _) = rustix::net::recv(&socket, &mut buffer, RecvFlags::empty())?;
    buffer.truncate(length);
    answer(&buffer)
}

/// A header of 16 bytes, one of nftables of 4, and the name as an attribute.
fn request() -> Vec<u8> {
    let mut message = Vec::with_capacity(28);
    message.extend(28_u32.to_ne_bytes());
    message.extend(GET_TABLE.to_ne_bytes());
    message.extend(1_u16.to_ne_bytes()); // a request
    message.extend([0; 8]); // sequence and port
    message.extend([INET, 0, 0, 0]);
    message.extend(8_u16.to_ne_bytes());
    message.extend(TABLE_NAME.to_ne_bytes());
    message.extend(b"hpt\0");
    message
}

/// What follows the headers of an answer.
fn answer(message: &[u8]) -> Result<Vec<u8>, Errno> {
    let word = |at: usize| message.get(at..at + 4).and_then(|b| b.try_into().ok());
    let kind = message.get(4..6).and_then(|b| b.try_into().ok());
    match kind.map(u16::from_ne_bytes) {
        Some(NEW_TABLE) => Ok(message.get(20..).unwrap_or_default().to_vec()),
        Some(ERROR) => {
            let code = word(16).map_or(0, i32::from_ne_bytes);
            Err(Errno::from_raw_os_error(code.saturating_neg()))
        }
        _ => Err(Errno::BADMSG),
    }
}

/// The comment among a table's attributes.
fn comment(attributes: &[u8]) -> Option<String> {
    let mut rest = attributes;
    loop {
        let (head, tail) = rest.split_at_checked(4)?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let kind = u16::from_ne_bytes([head[2], head[3]]);
        let value = tail.get(..length.checked_sub(4)?)?;
        if kind == TABLE_USERDATA {
            return match value {
                [COMMENT, length, text @ ..] => {
                    let text = text.get(..usize::from(*length))?;
                    let text = text.strip_suffix(b"\0").unwrap_or(text);
                    Some(String::from_utf8_lossy(text).into_owned())
                }
                _ => None,
            };
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

/// The rules as they were loaded since the boot, by hpt or by its service.
const RECORD: &str = "/run/hpt-firewall.nft";

/// The mark of the rules that were loaded last.
fn recorded() -> Option<String> {
    let text = fs::read_to_string(RECORD).ok()?;
    let quoted = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("comment \""))?;
    quoted.strip_suffix('"').map(ToOwned::to_owned)
}

/// Loads the rules as one change, or takes the table away.
pub(super) fn set(loaded: bool) -> Result<(), HostError> {
    const RULES: &str = "/etc/nftables.d/hpt.nft";
    let args: &[&str] = if loaded {
        &["-f", RULES]
    } else {
        &["delete", "table", "inet", "hpt"]
    };
    Spawn::tool("nft", args.iter().copied()).succeed(&mut |_, _| {})?;
    let record = match fs::remove_file(RECORD) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ if loaded => fs::copy(RULES, RECORD).map(drop),
        _ => Ok(()),
    };
    record.map_err(|error| HostError::io("cannot record the loaded rules in", RECORD, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_a_broken_one_is_not() {
        let mut table = Vec::new();
        for (kind, value) in [
            (TABLE_NAME, b"hpt\0".as_slice()),
            (TABLE_USERDATA, b"\x00\x06hpt 1\0"),
        ] {
            let length = u16::try_from(4 + value.len()).unwrap();
            table.extend(length.to_ne_bytes());
            table.extend(kind.to_ne_bytes());
            table.extend(value);
        }
        assert_eq!(comment(&table).as_deref(), Some("hpt 1"));
        for end in 0..table.len() {
            assert_eq!(comment(&table[..end]), None, "{end}");
        }
        assert_eq!(comment(&[0; 16]), None);
        let mut error = vec![0; 36];
        error[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        error[16..20].copy_from_slice(&(-2_i32).to_ne_bytes());
        assert_eq!(answer(&error), Err(Errno::NOENT));
        assert_eq!(answer(b"short"), Err(Errno::BADMSG));
    }
}
