//! The operator's token: made at the first start, readable by this user alone.

use crate::serve::entropy;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What every token begins with, so that a scanner finds one in a place where it should not be.
const PREFIX: &str = "tl_";
const DIGITS: usize = 64;

/// The token in this file, which is made where it is missing. A file that holds no whole token is an error, never a weaker one.
pub fn operator(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => {
            if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
                // Whoever could read it may have; but to lock the user out of an own server helps nobody.
                eprintln!("{} could be read by others: its mode is set to 0600; make a new token by removing it", path.display());
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
            }
            let token = text.trim();
            if is_whole(token) { Ok(token.to_owned()) } else { Err(broken(path)) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(error),
    }
}

fn broken(path: &Path) -> io::Error {
    io::Error::other(format!("{} holds no token: remove it, and the next start makes a new one", path.display()))
}

fn is_whole(token: &str) -> bool {
    token.strip_prefix(PREFIX).is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whole or not at all, whenever the power goes.
fn make(path: &Path) -> io::Result<String> {
    let token = format!("{PREFIX}{}", entropy()?.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let half = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    fs::rename(&half, path)?;
    File::open(path.parent().expect("it lies in the data folder"))?.sync_all()?;
    Ok(token)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_never_weaker() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.token");
        // What a crash may leave.
        fs::write(folder.path().join("operator.new"), "tl_half").unwrap();
        let token = operator(&path).unwrap();
        assert!(is_whole(&token));
        assert_eq!(operator(&path).unwrap(), token);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(operator(&path).unwrap(), token);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for bad in ["", "\n", "tl_", "tl_0123", "secret"] {
            fs::write(&path, bad).unwrap();
            assert!(operator(&path).unwrap_err().to_string().contains("holds no token"), "{bad:?}");
        }
    }
}
