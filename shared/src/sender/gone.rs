//! Checks whether the other end of a connection is still there.
//!
//! A NAT gateway that has forgotten a connection drops its packets silently, and so does a machine that lost power.
//! TCP retries for a quarter of an hour. The socket option that ends this earlier (`TCP_USER_TIMEOUT`) also ends a
//! connection whose receiver is alive but reads slowly. So we ask the kernel which of the two it is.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufRead, BufReader},
    net::{IpAddr, SocketAddr},
};

/// How many packets in a row without an answer count as gone; that takes seconds. The kernel of a live receiver
/// answers each immediately, however slow the receiver is, and the count starts again.
const UNHEARD: u32 = 2;

/// Whether the peer of this connection (our end, its end) no longer acknowledges anything. False on a system without
/// this table, such as macOS.
pub(super) fn is_gone(ends: (SocketAddr, SocketAddr)) -> bool {
    let table = if ends.0.is_ipv4() { "/proc/self/net/tcp" } else { "/proc/self/net/tcp6" };
    // Read row by row, because a machine may have many connections.
    File::open(table).is_ok_and(|table| is_unheard(BufReader::new(table), ends))
}

/// Searches the table (`Documentation/networking/proc_net_tcp.rst` of Linux).
fn is_unheard(table: impl BufRead, (local, remote): (SocketAddr, SocketAddr)) -> bool {
    let (local, remote) = (written(local), written(remote));
    table.lines().map_while(Result::ok).any(|row| match row.split_ascii_whitespace().collect::<Vec<_>>()[..] {
        // The retransmissions of unacknowledged data are in hexadecimal; the probes of a receiver without room are in
        // decimal.
        [_, from, to, _, _, _, retransmissions, _, questions, ..] if from == local && to == remote => {
            let unheard = [u32::from_str_radix(retransmissions, 16), questions.parse()];
            unheard.into_iter().flatten().any(|count| count >= UNHEARD)
        }
        _ => false,
    })
}

/// An address as the table writes it: 32-bit words in the machine's byte order, and the port.
fn written(address: SocketAddr) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut text = String::new();
    for word in bytes.chunks_exact(4) {
        let _ = write!(text, "{:08X}", u32::from_ne_bytes(word.try_into().expect("four bytes")));
    }
    let _ = write!(text, ":{:04X}", address.port());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn is_gone(row: &str) -> bool {
        let ends = ("127.0.0.1:48836".parse().unwrap(), "93.184.215.14:443".parse().unwrap());
        is_unheard(format!("{TABLE}{row}\n").as_bytes(), ends)
    }

    #[test]
    fn a_peer_that_acknowledges_nothing_is_gone_and_one_that_reads_nothing_is_not() {
        let row = |timer, retransmissions, questions| {
            let queues = "01 000003E8:00000000";
            format!(" 7: 0100007F:BEC4 0ED7B85D:01BB {queues} {timer}:00000A2C {retransmissions} 0 {questions} 4711 2")
        };
        assert!(is_gone(&row("01", "0000000A", 0)));
        assert!(is_gone(&row("04", "00000000", 4)), "it had no room, and now it is gone");
        assert!(!is_gone(&row("01", "00000001", 0)), "one may be lost");
        assert!(!is_gone(&row("04", "00000000", 0)), "it has no room for more, and says so");
        assert!(!is_gone(&row("00", "00000000", 0)), "it has all of it");
        assert!(!is_gone(&row("01", "00000004", 0).replace("BEC4", "BEC5")), "it is another connection");
        assert!(!is_gone("nonsense"));
    }

    #[test]
    fn addresses_are_written_as_the_kernel_writes_them() {
        assert_eq!(written("127.0.0.1:80".parse().unwrap()), "0100007F:0050");
        assert_eq!(written("[::1]:443".parse().unwrap()), "00000000000000000000000001000000:01BB");
    }
}
