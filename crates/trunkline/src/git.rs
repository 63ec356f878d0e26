//! The user's own git repository, asked through the git program. Nothing here changes it but `config` and `remote`.

use crate::code::Code;
use crate::failure::Failure;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use trunkline_domain::foundation::Revision;

/// The name of the git remote that leads to the server.
pub const REMOTE: &str = "trunkline";

/// Where this repository keeps the data folder of a server on this machine that is not at the usual place.
pub const DATA: &str = "trunkline.data";

/// A work tree.
#[derive(Clone, Debug)]
pub struct Repository {
    root: PathBuf,
}

impl Repository {
    /// The repository around a folder, if there is one. One that git does not read, since it belongs to somebody else, is a
    /// failure: whoever took it for none would act as in no repository.
    pub fn around(folder: &Path) -> Result<Option<Self>, Failure> {
        match run(folder, &["rev-parse", "--show-toplevel"]) {
            Ok(root) => Ok(Some(Self { root: PathBuf::from(root) })),
            Err(said) if said.contains("safe.directory") => Err(distrusted(folder, &said)),
            Err(_) => Ok(None),
        }
    }

    /// The repository around the current folder, if there is one.
    pub fn here() -> Result<Option<Self>, Failure> {
        std::env::current_dir().map_or(Ok(None), |folder| Self::around(&folder))
    }

    /// The repository around the current folder.
    pub fn required() -> Result<Self, Failure> {
        Self::here()?.ok_or_else(|| {
            Failure::new(Code::NoRepository, "this folder is not in a git repository").help("go to the repository, or begin one: git init")
        })
    }

    /// The top folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The URL of the remote [`REMOTE`].
    pub fn remote_url(&self) -> Option<String> {
        self.ask(&["config", "--get", &format!("remote.{REMOTE}.url")])
    }

    /// The names and URLs of all remotes.
    pub fn remotes(&self) -> Vec<(String, String)> {
        let text = self.ask(&["config", "--get-regexp", r"^remote\..*\.url$"]).unwrap_or_default();
        let remote = |line: &str| {
            let (key, url) = line.split_once(' ')?;
            Some((key.strip_prefix("remote.")?.strip_suffix(".url")?.to_owned(), url.to_owned()))
        };
        text.lines().filter_map(remote).collect()
    }

    /// The data folder of the server that the remote leads to, where it is kept.
    pub fn data_folder(&self) -> Option<PathBuf> {
        self.ask(&["config", "--get", DATA]).map(PathBuf::from)
    }

    /// The commit that a name means here.
    pub fn revision(&self, name: &str) -> Option<Revision> {
        // A name that begins with a dash would be an option; no commit has such a name.
        let name = Some(name).filter(|name| !name.starts_with('-'))?;
        self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])?.parse().ok()
    }

    /// Whether the newest commit has a file.
    pub fn has(&self, file: &Path) -> bool {
        self.ask(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("HEAD:{}", file.display())]).is_some()
    }

    /// The branch that is checked out.
    pub fn branch(&self) -> Option<String> {
        self.ask(&["symbolic-ref", "--quiet", "--short", "HEAD"])
    }

    /// Subjects of the commits that are in `to` and not in `from`, newest first; None where one of them is not here.
    pub fn between(&self, from: &Revision, to: &Revision) -> Option<Vec<String>> {
        let range = format!("{from}..{to}");
        let text = run(&self.root, &["log", "--format=%h %s", "--max-count=200", "--end-of-options", &range, "--"]).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    }

    /// Runs a git command that changes the configuration.
    pub fn change(&self, arguments: &[&str]) -> Result<(), Failure> {
        run(&self.root, arguments)
            .map(drop)
            .map_err(|why| Failure::new(Code::GitFailed, format!("git {} failed", arguments.join(" "))).place(self.root.display()).why(why))
    }

    fn ask(&self, arguments: &[&str]) -> Option<String> {
        run(&self.root, arguments).ok().filter(|text| !text.is_empty())
    }
}

/// Git's own words on a repository that it does not trust, and its own help.
fn distrusted(folder: &Path, said: &str) -> Failure {
    let lines = || said.lines().map(str::trim);
    let why = lines().find_map(|line| line.strip_prefix("fatal: ")).unwrap_or("it is owned by somebody else");
    let failure = Failure::new(Code::GitFailed, "git does not read this repository").place(folder.display()).why(why);
    match lines().find(|line| line.starts_with("git config ")) {
        Some(command) => failure.help(format!("if you trust it: {command}")),
        None => failure.help("git status says what helps"),
    }
}

/// The output of a git command without the last line's end, or what it complained of.
pub fn run(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("git does not start: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| run(folder.path(), arguments).unwrap();
        git(&["init", "-q", "-b", "main"]);
        for subject in ["one", "two"] {
            git(&["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "commit", "-q", "--allow-empty", "-m", subject]);
        }
        let repository = Repository::around(folder.path()).unwrap().unwrap();
        (folder, repository)
    }

    #[test]
    fn a_repository_is_found_and_asked() {
        let (_folder, repository) = repository();
        let (one, two) = (repository.revision("HEAD~1").unwrap(), repository.revision("HEAD").unwrap());
        assert_eq!(repository.branch().as_deref(), Some("main"));
        assert_eq!(repository.between(&one, &two).unwrap().len(), 1);
        assert!(repository.between(&one, &two).unwrap()[0].ends_with(" two"));
        assert_eq!(repository.revision("--all"), None);
        assert_eq!(repository.revision("nothing"), None);
        assert_eq!(repository.remote_url(), None);
        repository.change(&["remote", "add", REMOTE, "http://127.0.0.1:7420/git/shop.git"]).unwrap();
        assert_eq!(repository.remote_url().as_deref(), Some("http://127.0.0.1:7420/git/shop.git"));
        assert_eq!(repository.remotes(), [(REMOTE.to_owned(), "http://127.0.0.1:7420/git/shop.git".to_owned())]);
    }

    #[test]
    fn elsewhere_there_is_none() {
        assert!(Repository::around(Path::new("/")).unwrap().is_none());
    }

    #[test]
    fn what_git_does_not_trust_is_said_in_its_own_words() {
        let command = "git config --global --add safe.directory /srv/shop";
        let said = format!(
            "fatal: detected dubious ownership in repository at '/srv/shop'\nTo add an exception for this directory, call:\n\n\t{command}"
        );
        let failure = distrusted(Path::new("/srv/shop"), &said);
        assert_eq!(failure.why, ["detected dubious ownership in repository at '/srv/shop'"]);
        assert_eq!(failure.help.as_deref(), Some(format!("if you trust it: {command}").as_str()));
    }
}
