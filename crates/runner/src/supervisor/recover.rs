//! What a new supervisor finds after the death of the old one, or after a reboot.

use super::durable::{status_read, status_write};
use super::instance::Instance;
use super::service::State;
use crate::process_tree::{Marker, kill_marked};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// The descriptor at which instances got the socket.
const HANDED_ON: i32 = 3;

/// Takes over living instances of the live release and their socket; ends all others on record.
///
/// The socket is copied out of an instance, so that not even a supervisor's death closes the address. Where the kernel
/// forbids that (a strict `ptrace_scope`), the instances are ended and started again with a new socket.
pub fn state(folder: &Path) -> io::Result<State> {
    let mut status = status_read(folder)?;
    let live = status.live.clone().filter(|_| !status.stopped);
    let mut instances = Vec::new();
    for record in std::mem::take(&mut status.instances) {
        let adopted = live.as_ref().filter(|live| live.fence == record.fence).and_then(|_| Instance::adopt(&record));
        match (adopted, Marker::recorded(&record.marker)) {
            (Some(instance), _) => instances.push(instance),
            (None, Some(marker)) => {
                kill_marked(&marker);
            }
            (None, None) => {}
        }
    }
    let mut socket = None;
    if let Some(address) = live.as_ref().and_then(|live| live.listen.clone()) {
        match instances.iter().find_map(|instance| socket_of(instance, &address)) {
            Some(fd) => socket = Some((address, fd)),
            None => {
                for instance in instances.drain(..) {
                    instance.end(Duration::from_secs(2));
                }
            }
        }
    }
    status.instances = instances.iter().map(|instance| instance.record.clone()).collect();
    status_write(folder, &status)?;
    Ok(State::new(status, instances, socket))
}

/// A copy of the listening socket that an instance holds, if it is the one for this address.
fn socket_of(instance: &Instance, address: &str) -> Option<OwnedFd> {
    let handle = pidfd_open(rustix::process::Pid::from_raw(instance.pid() as i32)?, PidfdFlags::empty()).ok()?;
    if instance.ended().is_some() {
        return None;
    }
    let fd = pidfd_getfd(&handle, HANDED_ON, PidfdGetfdFlags::empty()).ok()?;
    let listener = TcpListener::from(fd);
    let bound = listener.local_addr().ok()?;
    address.to_socket_addrs().ok()?.any(|wanted| wanted == bound).then(|| OwnedFd::from(listener))
}
