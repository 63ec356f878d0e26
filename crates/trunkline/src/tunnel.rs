//! A server on another machine, reached through the user's own ssh: one forwarded port for the life of the command.
//!
//! One ssh channel for each HTTP connection (`ssh -W`) would be slow; a forwarded port costs one handshake.

use crate::address::{Address, PORT};
use crate::code::Code;
use crate::failure::Failure;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long the way may take to open.
const OPENS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// Bytes of a token or of a complaint that are read.
const TEXT_BYTES_MAX: u64 = 8192;
/// How ssh ends where it did not get there (ssh(1)).
const SSH_FAILED: i32 = 255;
/// Never asks: keys and agent must do.
const OPTIONS: [&str; 6] = ["-T", "-oBatchMode=yes", "-oConnectTimeout=10", "-oServerAliveInterval=15", "-oServerAliveCountMax=3", "-x"];
/// Says where the server there listens, then its token: the user's own server, or the package's where the user may read
/// it. Fails where none runs: whoever listens there then is a stranger. For `sh`, which reads it from its standard input:
/// the user's own shell over there may be one that does not understand it (fish, csh).
const READ_SERVED: &str = r#"for f in "${XDG_STATE_HOME:-$HOME/.local/state}/trunkline" "${TRUNKLINE_DATA:-/var/lib/trunkline}"; do
  test -r "$f/operator.token" || continue
  if test -f "$f/lock" && command -v flock > /dev/null && flock -ns "$f/lock" true; then
    echo "the server of $f is not running" >&2
    continue
  fi
  if ! test -r "$f/address"; then
    echo "the server of $f does not say where it listens" >&2
    continue
  fi
  if said=$(cat "$f/address" "$f/operator.token"); then
    printf '%s\n' "$said"
    exit
  fi
done
echo "no server runs there whose token $(id -un) may read" >&2
exit 1"#;

/// Where a way ends: host and port on the other machine's loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End(String);

impl End {
    /// The usual one.
    pub fn usual() -> Self {
        Self(format!("127.0.0.1:{PORT}"))
    }
}

/// An open way. It is closed when dropped.
#[derive(Debug)]
pub struct Tunnel {
    port: u16,
}

impl Tunnel {
    /// Opens a way to this end on `destination`.
    pub fn open(destination: &str, ssh_port: Option<u16>, end: &End) -> Result<Self, Failure> {
        let fail = |why: String| failed(destination).why(why);
        let port = free_port().map_err(|error| fail(error.to_string()))?;
        let mut child = ssh(ssh_port)
            .args(["-N", "-oExitOnForwardFailure=yes", "-L", &format!("127.0.0.1:{port}:{}", end.0), "--", destination])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| fail(format!("ssh does not start: {error}")))?;
        let opened = wait_open(&mut child, port);
        crate::interrupt::keep_way(child);
        let tunnel = Self { port };
        opened.map_err(fail)?;
        Ok(tunnel)
    }

    /// The address of this end.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        crate::interrupt::close_way();
    }
}

fn wait_open(child: &mut Child, port: u16) -> Result<(), String> {
    let began = Instant::now();
    let end = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while began.elapsed() < OPENS_WITHIN {
        if let Ok(Some(_)) = child.try_wait() {
            return Err(complaint(child));
        }
        if TcpStream::connect_timeout(&end, Duration::from_secs(1)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Err(format!("it was not open after {} s", OPENS_WITHIN.as_secs()))
}

/// What an ended ssh said.
fn complaint(child: &mut Child) -> String {
    let mut text = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        drop(stderr.take(TEXT_BYTES_MAX).read_to_end(&mut text));
    }
    String::from_utf8_lossy(&text).trim().replace('\n', "; ")
}

/// The token of the server on `destination`, as the user that ssh logs in, and where that server listens.
pub fn served(destination: &str, ssh_port: Option<u16>) -> Result<(String, End), Failure> {
    let output = fed(ssh(ssh_port).args(["--", destination, "sh -s"]), READ_SERVED)
        .map_err(|error| failed(destination).why(format!("ssh does not start: {error}")))?;
    let no_token = |why: String| {
        Failure::new(Code::NoToken, format!("there is no token of a server on {destination}"))
            .why(why)
            .help("start the server there as the same user (trunkline serve), or set TRUNKLINE_TOKEN")
    };
    // ssh's own failure; any other is that of what it started.
    if output.status.code() == Some(SSH_FAILED) {
        return Err(failed(destination).why(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")));
    }
    if !output.status.success() {
        return Err(no_token(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    told(&text).ok_or_else(|| no_token("its files do not hold an address and a token".to_owned()))
}

/// What a program says that is given a text, which is shorter than what a pipe holds.
fn fed(command: &mut Command, text: &str) -> std::io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // One that has ended already says itself why.
    drop(child.stdin.take().map(|mut stdin| stdin.write_all(text.as_bytes())));
    child.wait_with_output()
}

/// The two lines that [`READ_SERVED`] prints.
fn told(text: &str) -> Option<(String, End)> {
    let (address, token) = text.trim().split_once('\n')?;
    let Address::Http(base) = Address::parse(address.trim()).ok().filter(Address::is_loopback)? else { return None };
    Some((crate::token::checked(token)?, End(base.strip_prefix("http://")?.to_owned())))
}

fn ssh(port: Option<u16>) -> Command {
    let mut command = Command::new("ssh");
    command.args(OPTIONS);
    if let Some(port) = port {
        command.arg(format!("-p{port}"));
    }
    command
}

fn failed(destination: &str) -> Failure {
    Failure::new(Code::Tunnel, format!("the way through ssh to {destination} did not open"))
        .help(format!("try it by hand: ssh -oBatchMode=yes {destination} true"))
}

/// A port that nobody listens on now. Another process may take it before ssh does; then ssh ends and says so.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whereabouts::tests::own;
    use std::path::Path;

    /// What the machine at the other end would say, with the user's own state and the package's folder.
    fn said(state: &Path, package: &Path) -> (bool, String) {
        let mut command = Command::new("sh");
        let output = fed(command.arg("-s").env("XDG_STATE_HOME", state).env("TRUNKLINE_DATA", package), READ_SERVED).unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[test]
    fn the_token_comes_with_the_address_of_its_server() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("trunkline");
        let nowhere = Path::new("/nowhere");
        let nothing = (false, String::new());
        assert_eq!(said(state.path(), nowhere), nothing, "no server was ever there");
        let owned = own(&folder);
        std::fs::write(folder.join("operator.token"), "tl_secret\n").unwrap();
        assert_eq!(said(state.path(), nowhere), nothing, "it says no address");
        std::fs::write(folder.join("address"), "http://127.0.0.1:43210\n").unwrap();
        let (good, text) = said(state.path(), nowhere);
        assert!(good);
        assert_eq!(told(&text), Some(("tl_secret".to_owned(), End("127.0.0.1:43210".to_owned()))));
        assert_eq!(said(nowhere, &folder), (true, text.clone()), "the package's, where the user has none");
        let mute = tempfile::tempdir().unwrap();
        let _starts = own(&mute.path().join("trunkline"));
        std::fs::write(mute.path().join("trunkline/operator.token"), "tl_other\n").unwrap();
        assert_eq!(said(mute.path(), &folder), (true, text), "the package's, where the user's own says no address");
        drop(owned);
        let has_flock = Command::new("flock").arg("--version").output().is_ok();
        assert!(!has_flock || said(state.path(), nowhere) == nothing, "it was killed");
    }

    #[test]
    fn an_address_of_a_third_machine_is_not_taken() {
        for text in ["http://cd.example:80\ntl_secret\n", "tl_secret\n", "http://127.0.0.1:1\n", "nonsense\ntl_secret\n"] {
            assert_eq!(told(text), None, "{text}");
        }
    }
}
