//! Socket options that no crate offers.
#![allow(unsafe_code, reason = "setsockopt takes a pointer")]

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

/// Leaves out what the kernel would tell of each datagram and nobody here asks: when it came (which makes the kernel read
/// the clock for every packet of the host), how it is marked, and, on a socket that is bound to one address, where it came
/// to.
pub fn spare(socket: &socket2::Socket, bound: SocketAddr) -> io::Result<()> {
    off(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)?;
    let one_address = !bound.ip().is_unspecified();
    if bound.is_ipv4() {
        off(socket, libc::IPPROTO_IP, libc::IP_RECVTOS)?;
        if one_address {
            off(socket, libc::IPPROTO_IP, libc::IP_PKTINFO)?;
        }
    } else {
        off(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS)?;
        if one_address {
            off(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)?;
        }
    }
    Ok(())
}

fn off(socket: &socket2::Socket, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let value: libc::c_int = 0;
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the pointer is to an integer of that length, which outlives the call.
    let done = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
