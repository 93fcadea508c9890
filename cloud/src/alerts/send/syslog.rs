//! Syslog (RFC 5424) over UDP (RFC 5426) or TCP with octet counting (RFC 6587 §3.4.1).

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};

use super::super::channel::Transport;
use super::{SendStep, Sender, TIMEOUT};

/// Bytes of a datagram, at most (RFC 5426 §3.2 asks receivers for 2048).
const MAX_DATAGRAM: usize = 2048;

pub(super) fn send(
    sender: &Sender,
    (host, port, transport): (&str, u16, Transport),
    lines: &[String],
) -> Vec<SendStep> {
    let addresses = match sender.reach.resolve(host, port) {
        Ok(addresses) => addresses,
        Err(error) => return vec![SendStep::failed("lookup", error.to_string())],
    };
    let Some(address) = addresses.first().copied() else { return Vec::new() };
    let mut steps = vec![SendStep::ok("lookup", format!("{host} is {address}."))];
    let sent = match transport {
        Transport::Udp => datagrams(address, lines).map(
            |()| "Sent over UDP, which does not say whether it arrived: look at the receiver.",
        ),
        Transport::Tcp => stream(address, lines).map(|()| "Sent over TCP: the receiver took it."),
    };
    steps.push(match sent {
        Ok(sentence) => SendStep::ok("send", sentence),
        Err(error) => {
            let says = format!("{address} did not take it: {error}.");
            SendStep::failed("send", says)
        }
    });
    steps
}

fn datagrams(address: SocketAddr, lines: &[String]) -> std::io::Result<()> {
    let any: SocketAddr = if address.is_ipv4() {
        (std::net::Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    for line in lines {
        let end = line.floor_char_boundary(MAX_DATAGRAM);
        socket.send(&line.as_bytes()[..end])?;
    }
    Ok(())
}

fn stream(address: SocketAddr, lines: &[String]) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut bytes = Vec::new();
    for line in lines {
        write!(bytes, "{} {line}", line.len())?;
    }
    stream.write_all(&bytes)?;
    stream.shutdown(std::net::Shutdown::Write)
}
