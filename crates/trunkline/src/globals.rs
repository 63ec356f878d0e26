//! What every command shares: the options of all, the server that is meant, the project that is meant.

use crate::address::{self, Address};
use crate::choice::{self, Choice, Site, Token, Words};
use crate::client::Client;
use crate::code::Code;
use crate::failure::Failure;
use crate::git::{REMOTE, Repository};
use crate::invocation::{self, at_server};
use crate::reference;
use crate::render::text::clean;
use crate::render::{ColorChoice, Screen, Wish};
use crate::token;
use crate::tunnel::{self, Tunnel};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trunkline_api::view::StatusView;
use trunkline_domain::foundation::ProjectKey;

/// Projects that a failure names.
const PROJECTS_SHOWN_MAX: usize = 8;

/// Options of every command.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    /// The server: http://host:port or ssh://[user@]host
    #[arg(long, global = true, env = "TRUNKLINE_SERVER", hide_env_values = true, value_name = "ADDRESS")]
    pub server: Option<String>,
    /// The project, where the folder does not tell it
    #[arg(short, long, global = true, value_name = "NAME")]
    pub project: Option<String>,
    /// The data folder of the server on this machine
    #[arg(long, global = true, env = "TRUNKLINE_DATA", hide_env_values = true, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Print the API's objects as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no notes
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
    /// Use no signs beyond ASCII
    #[arg(long, global = true)]
    pub ascii: bool,
    /// Tell UTC times rather than how long ago
    #[arg(long, global = true)]
    pub utc: bool,
}

/// A server, and the project that a command means there.
pub struct Remote {
    /// The server.
    pub client: Arc<Client>,
    /// Where its answers go.
    pub screen: Screen,
    project: Option<ProjectKey>,
    /// Held so that the way stays open as long as the client.
    _tunnel: Option<Tunnel>,
}

impl Globals {
    /// Where answers go.
    pub fn screen(&self) -> Screen {
        let Globals { color, ascii, json, quiet, utc, .. } = *self;
        Screen::new(Wish { color, ascii, json, quiet, utc })
    }

    /// The data folder that was named.
    pub fn data_named(&self) -> Option<&Path> {
        self.data.as_deref().filter(|path| !path.as_os_str().is_empty())
    }

    /// The data folder of a server on this machine.
    pub fn data_folder(&self) -> PathBuf {
        token::data_folder(self.data_named())
    }

    /// The data folder of the server that is meant here: also what `project add` kept in the repository.
    pub fn data_folder_here(&self) -> Result<PathBuf, Failure> {
        let here = if self.data_named().is_none() { Repository::here()? } else { None };
        Ok(here.and_then(|here| here.data_folder()).unwrap_or_else(|| self.data_folder()))
    }

    /// The data folder of the server that is meant, for what reads its record without asking it. One elsewhere has none here.
    pub fn data_folder_meant(&self) -> Result<PathBuf, Failure> {
        match self.site()?.0 {
            Site::Here { folder, .. } => Ok(folder),
            Site::Elsewhere(address) => Err(Failure::new(Code::NothingThere, "the record of that server is in no folder known here")
                .place(address)
                .help("say it on that server's machine, as its user, or name its folder with --data and no --server")),
        }
    }

    /// The server's address.
    pub fn address(&self) -> Result<Address, Failure> {
        Ok(choice::choose(&self.words()?)?.address)
    }

    /// The server at an address, and the folder here whose server it is.
    pub fn server_at(&self, address: Address) -> Result<Choice, Failure> {
        Ok(choice::at(&self.words()?, address))
    }

    /// Where the data of the server that is meant is, and the project that is meant where that is said. No server is asked.
    pub fn site(&self) -> Result<(Site, Option<ProjectKey>), Failure> {
        let words = self.words()?;
        let site = choice::site(&words)?;
        let (Site::Here { address, .. }, remote) = (&site, words.remote.as_ref()) else { return Ok((site, None)) };
        // A folder whose server never said where it listens is not known to be the remote's.
        let (address, remote) = address.as_ref().map_or((Address::local(), None), |address| (address.clone(), remote));
        let project = choose_project(self.project.as_deref(), remote, &address)?;
        Ok((site, project))
    }

    fn words(&self) -> Result<Words, Failure> {
        let server = self.server.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let here = match Repository::here() {
            // Who names the server needs no repository for it; what else needs one will say so.
            Err(_) if server.is_some() || self.data_named().is_some() => None,
            here => here?,
        };
        Ok(Words {
            server: server.map(str::to_owned),
            data: self.data_named().map(Path::to_owned),
            remote: here.as_ref().and_then(|here| address::remote(&here.remote_url()?)),
            kept: here.and_then(|here| here.data_folder()),
            usual: token::data_folder(None),
            token: if token::from_environment().is_some() { Token::Named } else { Token::Folder },
        })
    }

    /// A client of the server, with its token.
    pub fn connect(&self) -> Result<Remote, Failure> {
        let screen = self.screen();
        let words = self.words()?;
        let choice = choice::choose(&words)?;
        if choice.address != Address::local() && !screen.json() {
            screen.note(&format!("server {}", choice.address));
        }
        let (client, tunnel) = client(&choice)?;
        let project = choose_project(self.project.as_deref(), words.remote.as_ref(), &choice.address)?;
        Ok(Remote { client: Arc::new(client), screen, project, _tunnel: tunnel })
    }
}

fn client(choice: &Choice) -> Result<(Client, Option<Tunnel>), Failure> {
    let name = choice.address.to_string();
    match &choice.address {
        Address::Http(base) => Ok((Client::new(base, &name, Some(token::find(choice)?)), None)),
        Address::Ssh { destination, port } => {
            let (token, end) = match token::from_environment() {
                Some(token) => (token, tunnel::End::usual()),
                None => tunnel::served(destination, *port)?,
            };
            let tunnel = Tunnel::open(destination, *port, &end)?;
            Ok((Client::new(&tunnel.base(), &name, Some(token)), Some(tunnel)))
        }
    }
}

impl Remote {
    /// The project that is meant: the option, the git remote, the one that follows this repository, the only one; the last two
    /// are said. For what only reads.
    pub fn project(&self) -> Result<ProjectKey, Failure> {
        if let Some(project) = &self.project {
            return Ok(project.clone());
        }
        let status = self.status()?;
        if let Some(followed) = self.followed(&status)? {
            return Ok(followed);
        }
        let only = only_project(&status, folder_here()?.as_deref())?;
        if !self.screen.json() {
            self.screen.note(&format!("project {only}, the server's only one"));
        }
        Ok(only)
    }

    /// The project that an act is for. Of a repository that names none, nobody can say that it is the server's only one.
    pub fn project_to_act(&self) -> Result<ProjectKey, Failure> {
        match (&self.project, folder_here()?) {
            (None, Some(folder)) => {
                let status = self.status()?;
                self.followed(&status)?.ok_or_else(|| unnamed(&status, &folder))
            }
            _ => self.project(),
        }
    }

    /// The project that follows the repository of which this one is a clone; which one is said.
    fn followed(&self, status: &StatusView) -> Result<Option<ProjectKey>, Failure> {
        let found = Repository::here()?.and_then(|here| followed(status, &here.remotes()));
        if let Some((project, remote)) = found.as_ref().filter(|_| !self.screen.json()) {
            self.screen.note(&format!("project {project}, which follows the git remote '{}'", clean(remote)));
        }
        Ok(found.map(|(project, _)| project))
    }

    /// As [`Self::project_to_act`], or the project in `shop/812` or `shop/deployment/31`.
    pub fn project_to_act_of(&self, text: &str) -> Result<ProjectKey, Failure> {
        self.named_in(Some(text)).map_or_else(|| self.project_to_act(), Ok)
    }

    /// The project in a reference. What is said next has to name it too, where nothing else does.
    fn named_in(&self, text: Option<&str>) -> Option<ProjectKey> {
        let named = text.and_then(reference::project_of)?;
        if self.project.as_ref() != Some(&named) {
            invocation::remember_project(&named);
        }
        Some(named)
    }

    /// The project in `shop/812` or `shop/deployment/31`, or the one that is meant.
    pub fn project_of(&self, text: Option<&str>) -> Result<ProjectKey, Failure> {
        self.named_in(text).map_or_else(|| self.project(), Ok)
    }

    /// The project that is meant, where that is said.
    pub fn project_given(&self) -> Option<&ProjectKey> {
        self.project.as_ref()
    }

    /// All projects.
    pub fn status(&self) -> Result<StatusView, Failure> {
        self.client.get("status")
    }
}

/// The project of the option or of the git remote. A remote of another server says nothing about this one.
fn choose_project(given: Option<&str>, remote: Option<&address::Remote>, address: &Address) -> Result<Option<ProjectKey>, Failure> {
    if let Some(given) = given {
        return reference::project(given).map(Some);
    }
    let here = |remote: &&address::Remote| match address {
        Address::Http(_) => Address::Http(remote.server.clone()).means(address),
        Address::Ssh { .. } => true,
    };
    Ok(remote.filter(here).map(|remote| remote.project.clone()))
}

/// The one project that follows an address of one of these git remotes, and that remote's name. Where one leads to a server,
/// that one has said which project is meant.
fn followed(status: &StatusView, remotes: &[(String, String)]) -> Option<(ProjectKey, String)> {
    if remotes.iter().any(|(name, url)| name == REMOTE && address::remote(url).is_some()) {
        return None;
    }
    let remote_of = |address: &str| {
        let followed = address::repository(address);
        remotes.iter().find(|(_, url)| address::repository(url) == followed).map(|(name, _)| name.clone())
    };
    let mut found = status.projects.iter().filter_map(|one| Some((one.name.clone(), remote_of(&one.source.as_ref()?.address)?)));
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// The name of this repository's folder.
fn folder_here() -> Result<Option<String>, Failure> {
    Ok(Repository::here()?.and_then(|here| Some(here.root().file_name()?.to_string_lossy().into_owned())))
}

/// Why an act in a repository without a project needs a name.
fn unnamed(status: &StatusView, folder: &str) -> Failure {
    match only_project(status, Some(folder)) {
        Ok(only) => Failure::new(Code::WhichProject, "this repository does not say which project is meant")
            .why(format!("it has no git remote '{REMOTE}' that leads to a project of this server"))
            .help(format!("if you mean the server's only project: --project {only}")),
        Err(failure) => failure,
    }
}

/// Where there are several, one is suggested only if this repository's folder has its name: any other would be a guess.
fn only_project(status: &StatusView, folder: Option<&str>) -> Result<ProjectKey, Failure> {
    match status.projects.as_slice() {
        [only] => Ok(only.name.clone()),
        [] => Err(Failure::new(Code::NothingThere, "the server has no project yet")
            .help(format!("in a repository: {}", at_server!("project add NAME")))),
        many => {
            let names: Vec<&str> = many.iter().map(|project| project.name.as_str()).collect();
            let near = names.iter().find(|name| folder.is_some_and(|folder| folder.eq_ignore_ascii_case(name)));
            let help = match near {
                Some(near) => format!("name it: --project {near}"),
                None => format!("name it: --project NAME; {} shows them all", at_server!("projects list")),
            };
            let shown = names.iter().take(PROJECTS_SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
            let more = names.len().saturating_sub(PROJECTS_SHOWN_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Err(Failure::new(Code::WhichProject, "it is not clear which project is meant")
                .why(format!("the server has {shown}{more}"))
                .help(help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    fn remote(server: &str) -> address::Remote {
        address::Remote { server: server.to_owned(), project: "shop".parse().unwrap() }
    }

    #[test]
    fn a_remote_names_the_project_only_of_its_own_server() {
        let (here, there) = (Address::local(), remote("http://cd.example"));
        let mine = remote("http://127.0.0.1:7420");
        assert_eq!(choose_project(None, Some(&mine), &here).unwrap().unwrap().as_str(), "shop");
        assert_eq!(choose_project(None, Some(&there), &here).unwrap(), None);
        assert_eq!(choose_project(Some("web"), Some(&mine), &here).unwrap().unwrap().as_str(), "web");
        assert_eq!(choose_project(Some("../x"), None, &here).unwrap_err().exit.number(), 2);
    }

    #[test]
    fn a_clone_of_a_followed_repository_names_the_project_that_follows_it() {
        let mut status = sample::status();
        let source = |address: &str| {
            Some(trunkline_api::view::SourceView { address: address.to_owned(), seen_at: None, failed: None, redirected: None })
        };
        let origin = || vec![("origin".to_owned(), "https://github.com/acme/shop.git".to_owned())];
        assert_eq!(followed(&status, &origin()), None);
        status.projects[1].source = source("https://github.com/acme/shop/");
        assert_eq!(followed(&status, &origin()), Some(("shop".parse().unwrap(), "origin".to_owned())));
        for (url, meant) in [("http://127.0.0.1:7420/git/billing.git", false), ("/srv/elsewhere", true)] {
            let own = [origin(), vec![(REMOTE.to_owned(), url.to_owned())]].concat();
            assert_eq!(followed(&status, &own).is_some(), meant, "{url}");
        }
        status.projects[0].source = source("https://github.com/acme/shop");
        assert_eq!(followed(&status, &origin()), None, "two of them share it");
    }

    #[test]
    fn the_only_project_is_meant_and_many_are_listed() {
        let mut status = sample::status();
        let unclear = |status: &StatusView, folder| only_project(status, folder).unwrap_err();
        assert_eq!(unclear(&status, None).why[0], "the server has billing, shop");
        for folder in [None, Some("play")] {
            assert_eq!(unclear(&status, folder).help.as_deref(), Some("name it: --project NAME; trunkline projects list shows them all"));
        }
        assert_eq!(unclear(&status, Some("Shop")).help.as_deref(), Some("name it: --project shop"));
        let mut many = status.clone();
        many.projects = vec![status.projects[0].clone(); 11];
        assert!(unclear(&many, None).why[0].ends_with("billing and 3 more"));
        status.projects.truncate(1);
        assert_eq!(only_project(&status, None).unwrap().as_str(), "billing");
        let unnamed = unnamed(&status, "play");
        assert_eq!((unnamed.code.as_str(), unnamed.exit.number()), (Code::WhichProject.as_str(), 2));
        assert!(unnamed.help.unwrap().ends_with("--project billing"));
        status.projects.clear();
        assert_eq!(only_project(&status, None).unwrap_err().exit.number(), 5);
    }
}
