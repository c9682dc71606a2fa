//! Which TCP ports are listened on, as the kernel lists its sockets.

use std::fs;
use std::io::ErrorKind;

use crate::host::HostError;

/// The state of a listening socket in the kernel's list.
const LISTEN: &str = "0A";

/// Whether any process listens on a port, over either version of IP.
pub(super) fn listens(port: u16) -> Result<bool, HostError> {
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(text) if listens_in(&text, port) => return Ok(true),
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(HostError::io("cannot read", table, &error));
            }
            _ => {}
        }
    }
    Ok(false)
}

fn listens_in(table: &str, port: u16) -> bool {
    let wanted = format!("{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next().and_then(|local| local.rsplit_once(':'));
        let state = fields.nth(1);
        local.is_some_and(|(_, port)| port == wanted) && state == Some(LISTEN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_listened_on_by_the_kernels_own_list() {
        let table = "  sl  local_address rem_address   st tx_queue\n\
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n\
               1: 0100007F:0016 0100007F:1F91 01 00000000:00000000\n";
        assert!(listens_in(table, 8080));
        assert!(!listens_in(table, 22) && !listens_in(table, 8081) && !listens_in("", 1));
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(listens(port).unwrap());
    }
}
