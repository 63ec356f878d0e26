//! The git remote that leads to the server: where it may lead, and how git gets the token.

use crate::address::{self, Address, is_loopback};
use crate::choice::Owner;
use crate::code::Code;
use crate::failure::Failure;
use crate::git::{DATA, REMOTE, Repository};
use crate::globals::Globals;
use crate::invocation::at_server;
use crate::render::text::{clean, quoted};
use crate::whereabouts;
use std::path::Path;
use trunkline_domain::foundation::ProjectKey;

/// Where the remote shall lead.
#[derive(Debug, PartialEq, Eq)]
pub enum Lead {
    /// To the project's own address.
    Own,
    /// Where it leads now: a project whose repository this one shares, so that a push there reaches both.
    Shared(ProjectKey),
}

/// Where the remote of a repository shall lead. One that leads to another project is not taken from it in silence: the next
/// push would go astray.
pub fn lead(repository: &Repository, wanted: &address::Remote, beside: Option<&ProjectKey>) -> Result<Lead, Failure> {
    let Some(url) = repository.remote_url() else { return Ok(Lead::Own) };
    let now = address::remote(&url);
    match now {
        Some(now) if now == *wanted => Ok(Lead::Own),
        Some(now) if now.server == wanted.server && beside == Some(&now.project) => Ok(Lead::Shared(now.project)),
        now => {
            let leads = match &now {
                Some(now) => format!("project {} at {}", now.project, now.server),
                None => without_secret(&url),
            };
            Err(Failure::new(Code::RemoteTaken, format!("git remote '{REMOTE}' leads to {leads} already"))
                .place(repository.root().display())
                .why(format!("git push {REMOTE} goes there and not to project {}; nothing was changed", wanted.project))
                .help(format!("to have it lead to project {}: {}", wanted.project, at_server!("project add {} --repoint", wanted.project))))
        }
    }
}

/// A URL as it may be shown: names and passwords are left out.
pub fn without_secret(url: &str) -> String {
    let shown = match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.find('/').unwrap_or(rest.len());
            let begin = rest[..host].rfind('@').map_or(0, |at| at + 1);
            format!("{scheme}://{}", &rest[begin..])
        }
        None => url.to_owned(),
    };
    clean(&shown)
}

/// Makes the remote, and lets git ask this program for the token, so that no token is in git's configuration.
pub fn connect(repository: &Repository, base: &str, git: &str, globals: &Globals) -> anyhow::Result<()> {
    let url = format!("{base}{git}");
    let before = repository.remote_url();
    if let Some(old) = before.as_deref().and_then(address::remote).filter(|old| old.server != base) {
        forget(repository, &old.server);
    }
    match before {
        Some(_) => repository.change(&["remote", "set-url", REMOTE, &url])?,
        None => repository.change(&["remote", "add", REMOTE, &url])?,
    }
    let data = match globals.data_named() {
        Some(data) => Some(std::path::absolute(data)?),
        None => repository.data_folder(),
    };
    let helper = format!("credential.{base}.helper");
    // The empty first one takes the user's other helpers out for this server, so that none keeps the token.
    repository.change(&["config", "--replace-all", &helper, ""])?;
    repository.change(&["config", "--add", &helper, &credential_helper(data.as_deref())?])?;
    if let Some(data) = &data {
        repository.change(&["config", DATA, &data.display().to_string()])?;
    }
    let cookies = match globals.server_at(Address::Http(base.to_owned()))?.owner {
        Owner::Folder(folder) => {
            let port = base.rsplit_once(':').map(|(_, port)| port).unwrap_or_default();
            Some(whereabouts::git_cookies(&folder, port)).filter(|file| file.is_file())
        }
        Owner::Unknown(_) => None,
    };
    if let Some(cookies) = cookies {
        // The quick way: git sends the token along, and asks the helper only where that is refused.
        repository.change(&["config", &format!("http.{base}.cookieFile"), &std::path::absolute(cookies)?.display().to_string()])?;
    }
    if is_loopback(base) {
        // A proxy that an environment variable names cannot reach this machine's loopback.
        repository.change(&["config", &format!("http.{base}.proxy"), ""])?;
    }
    Ok(())
}

/// Takes out what leads git to a server that is left: whoever listens there later must get nothing from here.
fn forget(repository: &Repository, base: &str) {
    for key in [format!("credential.{base}.helper"), format!("http.{base}.cookieFile"), format!("http.{base}.proxy")] {
        // It may never have been there.
        let _ = repository.change(&["config", "--unset-all", &key]);
    }
}

/// The command that git runs through `sh -c`.
fn credential_helper(data: Option<&Path>) -> anyhow::Result<String> {
    let program = std::env::current_exe()?;
    let data = data.map(|data| format!(" --data {}", quoted(&data.display().to_string()))).unwrap_or_default();
    Ok(format!("!{}{data} credential", quoted(&program.display().to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remote_and_the_helper_are_set_and_no_token_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        crate::git::run(folder.path(), &["init", "-q"]).unwrap();
        let repository = Repository::around(folder.path()).unwrap().unwrap();
        let globals = Globals { data: Some("/data of ana's".into()), ..Globals::default() };
        for port in [7420, 7421] {
            connect(&repository, &format!("http://127.0.0.1:{port}"), "/git/shop.git", &globals).unwrap();
        }
        connect(&repository, "http://127.0.0.1:7420", "/git/shop.git", &globals).unwrap();
        let config = |key: &str| crate::git::run(folder.path(), &["config", "--get-all", key]).unwrap();
        assert_eq!(config("remote.trunkline.url"), "http://127.0.0.1:7420/git/shop.git");
        assert_eq!(repository.data_folder(), Some("/data of ana's".into()));
        let helpers = config("credential.http://127.0.0.1:7420.helper");
        let helpers: Vec<&str> = helpers.lines().collect();
        assert_eq!((helpers.len(), helpers[0]), (2, ""));
        assert!(helpers[1].starts_with("!/") && helpers[1].ends_with(r" --data '/data of ana'\''s' credential"), "{}", helpers[1]);
        // Led elsewhere, git has nothing left for whoever listens at the old address.
        connect(&repository, "http://127.0.0.1:7421", "/git/shop.git", &globals).unwrap();
        let left = crate::git::run(folder.path(), &["config", "--get-regexp", "7420"]);
        assert!(left.is_err(), "{left:?}");
    }

    #[test]
    fn a_remote_that_leads_elsewhere_is_not_taken_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        crate::git::run(folder.path(), &["init", "-q"]).unwrap();
        let repository = Repository::around(folder.path()).unwrap().unwrap();
        let project = |name: &str| name.parse::<ProjectKey>().unwrap();
        let wanted = |name: &str| address::Remote { server: "http://127.0.0.1:7420".to_owned(), project: project(name) };
        assert_eq!(lead(&repository, &wanted("shop"), None).unwrap(), Lead::Own);
        repository.change(&["remote", "add", REMOTE, "http://127.0.0.1:7420/git/shop.git"]).unwrap();
        assert_eq!(lead(&repository, &wanted("shop"), None).unwrap(), Lead::Own);
        assert_eq!(lead(&repository, &wanted("web"), Some(&project("shop"))).unwrap(), Lead::Shared(project("shop")));
        let refused = lead(&repository, &wanted("own"), None).unwrap_err();
        assert_eq!(refused.exit.number(), 6);
        assert_eq!(refused.what, "git remote 'trunkline' leads to project shop at http://127.0.0.1:7420 already");
        assert_eq!(refused.help.as_deref(), Some("to have it lead to project own: trunkline project add own --repoint"));
        let elsewhere = address::Remote { server: "http://127.0.0.1:7421".to_owned(), ..wanted("shop") };
        assert_eq!(lead(&repository, &elsewhere, None).unwrap_err().exit.number(), 6, "the same name on another server");
        repository.change(&["remote", "set-url", REMOTE, "https://ana:secret@example.org/shop.git"]).unwrap();
        assert_eq!(
            lead(&repository, &wanted("shop"), None).unwrap_err().what,
            "git remote 'trunkline' leads to https://example.org/shop.git already"
        );
    }
}
