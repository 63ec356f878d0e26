//! Addresses of followed repositories: what git may be sent to.

/// Bytes of an address.
const BYTES_MAX: usize = 500;

/// An address that git may be given: `https://`, `ssh://`, `file://`, `http://` on this machine, or `user@host:path`. An
/// error says what is wrong with it.
pub fn checked(address: &str) -> Result<String, String> {
    let address = address.trim();
    if address.is_empty() || address.len() > BYTES_MAX {
        return Err(format!("an address has 1 to {BYTES_MAX} bytes"));
    }
    if address.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("an address holds no spaces and no control characters".to_owned());
    }
    // Git takes what begins with a dash for an option, and ssh does so with a host.
    if address.starts_with('-') || address.contains("://-") || address.contains("@-") {
        return Err("no part of an address begins with '-'".to_owned());
    }
    match address.split_once("://") {
        Some(("https" | "http", rest)) if rest.split('/').next().is_some_and(|host| host.contains('@')) => {
            Err("an address is recorded and shown, so it holds no name and no token: give the token with --token-file".to_owned())
        }
        Some(("http", rest)) if !is_loopback(rest) => Err("http:// would send everything in the clear: write https://".to_owned()),
        Some(("https" | "http" | "ssh", rest)) if rest.contains('/') => Ok(address.to_owned()),
        Some(("file", rest)) if rest.starts_with('/') => Ok(address.to_owned()),
        Some(("https" | "http" | "ssh" | "file", _)) => Err(format!("'{address}' names no repository")),
        Some((scheme, _)) => Err(format!("'{scheme}://' is not followed; known are https, ssh and file")),
        None => match address.split_once(':') {
            Some((host, path)) if !host.is_empty() && !host.contains('/') && !path.is_empty() && !path.starts_with(':') => {
                Ok(address.to_owned())
            }
            _ => Err(format!("'{address}' is no address: write https://…, ssh://…, git@host:path, or file:///path for a folder")),
        },
    }
}

/// Where an address leads, without the path on it: scheme, user, host and port.
pub fn host(address: &str) -> &str {
    let from = address.find("://").map_or(0, |at| at + 3);
    let end = if from == 0 { address.find(':') } else { address[from..].find('/').map(|at| from + at) };
    &address[..end.unwrap_or(address.len())]
}

fn is_loopback(rest: &str) -> bool {
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "localhost" | "[::1]") || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{checked, host};

    #[test]
    fn a_host_is_an_address_without_its_path() {
        for (address, at) in [
            ("https://github.com/acme/shop.git", "https://github.com"),
            ("https://github.com:8443/acme", "https://github.com:8443"),
            ("git@github.com:acme/shop.git", "git@github.com"),
            ("file:///srv/git/shop.git", "file://"),
        ] {
            assert_eq!(host(address), at);
        }
        assert_ne!(host("https://github.com.example.org/acme"), host("https://github.com/acme"));
    }

    #[test]
    fn only_plain_addresses_reach_git() {
        for good in [
            "https://github.com/acme/shop.git",
            "ssh://git@host:2222/shop.git",
            "git@github.com:acme/shop.git",
            "file:///srv/git/shop.git",
            "http://127.0.0.1:3000/acme/shop",
        ] {
            assert_eq!(checked(good).unwrap(), good);
        }
        for bad in [
            "",
            "--upload-pack=touch /tmp/x",
            "ext::sh -c touch% /tmp/x",
            "ext::sh",
            "ssh://-oProxyCommand=x/y",
            "git@-oProxyCommand=x:y",
            "https://user:secret@host/x",
            "https://token@host/x",
            "http://example.com/x",
            "https://host",
            "fd::17/foo",
            "file://relative",
            "/srv/git/shop.git",
            "git://host/x",
            "https://host/a b",
            "a\nb:c",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
