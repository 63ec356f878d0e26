//! Addresses of servers, as people and git remotes write them. Which one is meant: `choice`.

use crate::code::Code;
use crate::failure::Failure;
use std::fmt;
use trunkline_domain::foundation::ProjectKey;

/// Where `trunkline serve` listens unless told otherwise.
pub const PORT: u16 = 7420;

/// A server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Reached directly: `http://host:port`.
    Http(String),
    /// Reached through the user's own ssh, on the other machine's loopback.
    Ssh {
        /// `user@host` or `host`.
        destination: String,
        /// Of the ssh server, where it is not the usual one.
        port: Option<u16>,
    },
}

/// A git remote of a Trunkline server, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The server's address, `http://host:port`.
    pub server: String,
    /// The project whose repository it is.
    pub project: ProjectKey,
}

impl Address {
    /// Reads an address as people write it.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::new(Code::Address, format!("the server address '{text}' cannot be used"))
                .why(why)
                .help("write http://127.0.0.1:7420, or ssh://user@host for a server on another machine")
        };
        if let Some(rest) = text.strip_prefix("ssh://") {
            return ssh(rest.trim_end_matches('/')).ok_or_else(|| wrong("an ssh address is ssh://[user@]host[:port]"));
        }
        if text.starts_with("https://") {
            return Err(wrong("https:// is not yet in this version"));
        }
        let Some(rest) = text.strip_prefix("http://") else { return Err(wrong("it begins with neither http:// nor ssh://")) };
        let rest = rest.trim_end_matches('/');
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err(wrong("a name or token does not belong into an address: set TRUNKLINE_TOKEN"));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:[]/%".contains(c);
        if authority.is_empty() || !rest.chars().all(fits) {
            return Err(wrong("it has no host, or signs that no address has"));
        }
        Ok(Address::Http(format!("http://{rest}")))
    }

    /// This machine.
    pub fn local() -> Self {
        Address::Http(format!("http://127.0.0.1:{PORT}"))
    }

    /// Whether this is how people may call a server that says it listens on `own`. The name `localhost` means every loopback
    /// address; nothing else means two.
    pub fn means(&self, own: &Address) -> bool {
        let (Address::Http(base), Address::Http(own_base)) = (self, own) else { return self == own };
        let port = |base: &str| base.rsplit_once(':').map(|(_, port)| port.to_owned());
        base == own_base || (base.starts_with("http://localhost:") && own.is_loopback() && port(base) == port(own_base))
    }

    /// Whether the server is on this machine, so that its token file is readable here and no wire carries the token.
    pub fn is_loopback(&self) -> bool {
        match self {
            Address::Http(base) => is_loopback(base),
            Address::Ssh { .. } => false,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Http(base) => f.write_str(base),
            Address::Ssh { destination, port: None } => write!(f, "ssh://{destination}"),
            Address::Ssh { destination, port: Some(port) } => write!(f, "ssh://{destination}:{port}"),
        }
    }
}

/// Whether a `http://` address names this machine's loopback.
pub fn is_loopback(base: &str) -> bool {
    let authority = base.strip_prefix("http://").unwrap_or(base).split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn ssh(rest: &str) -> Option<Address> {
    let (destination, port) = match rest.rsplit_once(':') {
        Some((destination, port)) => (destination, Some(port.parse().ok()?)),
        None => (rest, None),
    };
    // A host that begins with a dash would be an option of ssh.
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._@".contains(c);
    let host = destination.rsplit('@').next().unwrap_or_default();
    let good = !host.is_empty() && !host.starts_with('-') && !destination.starts_with(['-', '@']) && destination.chars().all(fits);
    good.then(|| Address::Ssh { destination: destination.to_owned(), port })
}

/// Takes the URL of a git remote apart. None where it is no repository of a Trunkline server.
pub fn remote(url: &str) -> Option<Remote> {
    let rest = url.strip_prefix("http://")?;
    let (server, path) = rest.split_once("/git/")?;
    // Older remotes may carry a name before the host; it is not part of the address.
    let server = server.rsplit_once('@').map_or(server, |(_, server)| server);
    let project = path.trim_end_matches('/').trim_end_matches(".git").parse().ok()?;
    Some(Remote { server: format!("http://{server}"), project })
}

/// An address of a git repository in the form in which two of the same one are equal: with or without `.git` or a slash at
/// its end, a user's name or secret before a web host, `file://` before a path.
pub fn repository(url: &str) -> String {
    let bare = url.trim().trim_end_matches('/');
    let bare = bare.strip_suffix(".git").unwrap_or(bare).trim_end_matches('/');
    match bare.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            format!("{scheme}://{}/{path}", host.rsplit_once('@').map_or(host, |(_, host)| host))
        }
        None if bare.starts_with('/') => format!("file://{bare}"),
        _ => bare.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(text: &str) -> Address {
        Address::Http(text.to_owned())
    }

    #[test]
    fn addresses_as_people_write_them() {
        let ssh = |destination: &str, port| Address::Ssh { destination: destination.to_owned(), port };
        let good = [
            ("http://127.0.0.1:7420/", http("http://127.0.0.1:7420")),
            ("http://cd.example/trunk/", http("http://cd.example/trunk")),
            ("ssh://ana@build.example", ssh("ana@build.example", None)),
            ("ssh://build.example:2222/", ssh("build.example", Some(2222))),
        ];
        for (text, address) in good {
            assert_eq!(Address::parse(text).unwrap(), address);
        }
    }

    #[test]
    fn addresses_that_cannot_be_used_say_why() {
        let bad = [
            ("https://cd.example", "not yet in this version"),
            ("cd.example", "neither"),
            ("http://ana:secret@cd.example", "TRUNKLINE_TOKEN"),
            ("http://", "no host"),
            ("http://a b", "no host"),
            ("ssh://-oProxyCommand=x", "ssh://[user@]host"),
            ("ssh://ana@-x", "ssh://[user@]host"),
            ("ssh://host:port", "ssh://[user@]host"),
            ("ssh://", "ssh://[user@]host"),
        ];
        for (text, why) in bad {
            let failure = Address::parse(text).unwrap_err();
            assert!(failure.why[0].contains(why), "{text}: {:?}", failure.why);
            assert_eq!(failure.exit.number(), 2);
        }
    }

    #[test]
    fn only_loopback_is_this_machine() {
        for base in ["http://127.0.0.1:7420", "http://localhost", "http://[::1]:7420", "http://127.9.9.9/x"] {
            assert!(is_loopback(base), "{base}");
        }
        for base in ["http://127.0.0.1.evil.example", "http://localhost.evil.example:7420", "http://10.0.0.1", "http://[2001:db8::1]:1"] {
            assert!(!is_loopback(base), "{base}");
        }
    }

    #[test]
    fn one_repository_has_several_addresses() {
        let same = [
            ("https://github.com/acme/shop.git", "https://github.com/acme/shop"),
            ("https://github.com/acme/shop/", "https://ana:secret@github.com/acme/shop.git"),
            ("git@github.com:acme/shop.git", "git@github.com:acme/shop"),
            ("file:///srv/git/shop.git/", "/srv/git/shop"),
        ];
        for (one, other) in same {
            assert_eq!(repository(one), repository(other), "{one}");
        }
        for other in ["https://github.com/acme/shop2", "http://github.com/acme/shop", "https://github.com:8443/acme/shop"] {
            assert_ne!(repository("https://github.com/acme/shop"), repository(other), "{other}");
        }
    }

    #[test]
    fn remotes_name_server_and_project() {
        let found = remote("http://127.0.0.1:7420/git/shop.git").unwrap();
        assert_eq!((found.server.as_str(), found.project.as_str()), ("http://127.0.0.1:7420", "shop"));
        assert_eq!(remote("http://trunkline@cd.example/t/git/shop.git").unwrap().server, "http://cd.example/t");
        for url in
            ["git@github.com:acme/shop.git", "https://cd.example/git/shop.git", "http://cd.example/shop.git", "http://cd.example/git/a/b"]
        {
            assert_eq!(remote(url), None, "{url}");
        }
    }
}
