//! Starting the server: takes the data folder, opens the record, repairs what a crash left, listens.

use crate::access::Keys;
use crate::clock::{Clock, ClockAhead};
use crate::cookies::Cookies;
use crate::git::{Repositories, refs_on_disk, write_ref};
use crate::listen::answer;
use crate::port::LocalPort;
use crate::room::Room;
use crate::route::router;
use crate::shared::Shared;
use crate::token;
use crate::writer::{Closed, Origin, Writer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use trunkline_api::runner::RenewRequest;
use trunkline_api::view::RunnerView;
use trunkline_domain::foundation::{RepositoryKey, RunnerKey};
use trunkline_domain::pipeline::SandboxLevel;
use trunkline_domain::reading::{ProjectRow, Row, Table};
use trunkline_domain::record::{Key, State};
use trunkline_engine::{Call, Engine, Read, StoreError, open_until};
use trunkline_runner::{Config, Limits, Runner};
use trunkline_store::{Announced, Credentials, DataFolder, FileBlobs, FolderError, LogStore, Space, SqliteReader, SqliteStore};

/// The runner in the server's own process.
const BUILT_IN: &str = "built-in";

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data folder.
    pub data: PathBuf,
    /// Where to listen; port 0 takes a free one. Only loopback, since there is no TLS yet.
    pub listen: SocketAddr,
    /// Pieces of work that the built-in runner does at a time; 0: no built-in runner.
    pub slots: usize,
    /// The program and first arguments that start a supervisor.
    pub supervise: Vec<String>,
    /// The program and first arguments that start the launcher of sandboxes; empty: jobs run without.
    pub launcher: Vec<String>,
    /// What jobs in a sandbox may read beside the system and its tools.
    pub readable: Vec<PathBuf>,
    /// The least sandbox that jobs and checks may ask for.
    pub floor: SandboxLevel,
    /// What the processes of a job's step may have together.
    pub limits: Limits,
    /// Believe a wall clock that is far ahead of the record.
    pub accept_clock: bool,
}

/// A server that listens.
pub struct Serving {
    /// Where.
    pub address: SocketAddr,
    /// The operator's token.
    pub token: String,
    /// Whether the record had no entry yet: nothing was ever done here.
    pub empty: bool,
    /// Whether the record was restored from a backup and nobody has confirmed it: nothing is deployed.
    pub safe_mode: bool,
    listener: tokio::net::TcpListener,
    shared: Arc<Shared>,
    runner: Option<Runner>,
    announced: Announced,
    cookies: Cookies,
    _folder: DataFolder,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be had.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The record cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The clock cannot be believed.
    #[error(transparent)]
    Clock(#[from] ClockAhead),
    /// Listening beyond this machine would send tokens in the clear.
    #[error(
        "{0} is not loopback: there is no TLS in this version, so the server listens on loopback only. Reach it through ssh: TRUNKLINE_SERVER=ssh://HOST"
    )]
    NotLoopback(SocketAddr),
    /// The address is taken.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// Something on disk said no.
    #[error("{0}")]
    Io(String, #[source] std::io::Error),
}

/// Starts a server.
pub async fn serve(options: Options) -> Result<Serving, StartError> {
    if !options.listen.ip().is_loopback() {
        return Err(StartError::NotLoopback(options.listen));
    }
    let folder = DataFolder::open(&options.data)?;
    let io = |what: &str| {
        let what = format!("{what} in {}", options.data.display());
        move |error| StartError::Io(what, error)
    };
    Announced::clear(&folder).map_err(io("the file 'address'"))?;
    Cookies::clear(&folder).map_err(io("git's cookie file"))?;
    let store = SqliteStore::open(&folder.database())?;
    let reader = SqliteReader::open(&folder.database())?;
    let head = store.head()?;
    let clock = Clock::start(head.at, open_until(&store)?, options.accept_clock)?;
    let repositories = Repositories::open(&folder.repositories()).map_err(io("the repositories"))?;
    refs_follow_the_record(&store, &repositories)?;
    let token = token::operator(&folder.token()).map_err(io("the operator's token"))?;
    let runner_name: RunnerKey = BUILT_IN.parse().expect("a runner's name");
    let mut engine = Engine::open(store, clock.now(), entropy().map_err(io("entropy"))?).map_err(|error| match error {
        trunkline_engine::OpenError::Store(error) => StartError::Store(error),
    })?;
    // The runner in the process that ended is dead: what it held is lost now, not in 40 seconds.
    let lost = engine.lose_runner(&runner_name);
    engine.execute(lost, clock.now())?;
    let listener = tokio::net::TcpListener::bind(options.listen).await.map_err(|error| StartError::Listen(options.listen, error))?;
    let address = listener.local_addr().map_err(|error| StartError::Listen(options.listen, error))?;
    let cookies = Cookies::keep(&folder, address, &token).map_err(io("git's cookie file"))?;
    let room = Arc::new(Room::new(Space::open(folder.root()).map_err(io("free space"))?));
    let shared = Arc::new(Shared {
        writer: Writer::start(engine, clock, room, end_the_process),
        reader,
        blobs: Arc::new(FileBlobs::open(&folder.blobs()).map_err(io("the blobs"))?),
        logs: LogStore::open(&folder.logs()).map_err(io("the logs"))?,
        repositories,
        followed: Default::default(),
        credentials: Credentials::open(&folder.credentials()).map_err(io("the tokens"))?,
        keys: Keys::new(&token),
        clock,
        address: format!("http://{address}"),
        floor: options.floor,
        runner: OnceLock::new(),
    });
    let runner = match options.slots {
        0 => None,
        _ => Some(start_runner(&options, runner_name, &folder, &shared)?),
    };
    let announced = Announced::write(&folder, address).map_err(io("the file 'address'"))?;
    let safe_mode = trunkline_engine::restoration(&shared.reader)?.is_some_and(|(_, restoration)| restoration.confirmed.is_none());
    let empty = head.frontier.size() == 0;
    Ok(Serving { address, token, empty, safe_mode, listener, shared, runner, announced, cookies, _folder: folder })
}

fn start_runner(options: &Options, name: RunnerKey, folder: &DataFolder, shared: &Arc<Shared>) -> Result<Runner, StartError> {
    let mut config = Config::new(name, options.slots, folder.runner(), options.supervise.clone());
    config.launcher = options.launcher.clone();
    config.readable = options.readable.clone();
    config.limits = options.limits;
    config.floor = options.floor;
    config.private = folder.root().to_owned();
    // In the same process a renewal costs nothing, so a cancel is noticed at once.
    config.renew_every = std::time::Duration::from_millis(500);
    let started = Runner::start(config, Arc::new(LocalPort::new(shared.clone(), Origin::OwnRunner)));
    let runner = started.map_err(|error| StartError::Io("the built-in runner".to_owned(), std::io::Error::other(error)))?;
    let _ = shared.runner.set(runner.view());
    Ok(runner)
}

impl Serving {
    /// A path that opens the pages once, for ten minutes.
    pub fn link(&self) -> std::io::Result<String> {
        let secret: String = entropy()?.iter().map(|byte| format!("{byte:02x}")).collect();
        self.shared.keys.link_add(&secret, self.shared.clock.now());
        Ok(format!("/l/{secret}"))
    }

    /// What the built-in runner's jobs stand behind; none without a runner.
    pub fn runner(&self) -> Option<&RunnerView> {
        self.shared.runner.get()
    }

    /// Answers until `stop` is ready; then takes no new work, lets calls end and returns. The record is closed once the
    /// runtime has ended too.
    pub async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<Closed> {
        let bell = self.shared.writer.bell().clone();
        let stop = async move {
            stop.await;
            // From here on the port may become another's, and nobody is led there.
            drop((self.announced, self.cookies));
            // Claims and watchers wait for long: they are answered now, or the end would wait for them.
            bell.end();
        };
        tokio::spawn(crate::port::tend_logs(self.shared.clone()));
        tokio::spawn(crate::follow::watch(self.shared.clone()));
        let writer = self.shared.writer.clone();
        let app = router(self.shared);
        answer(self.listener, app, stop).await;
        if let Some(runner) = self.runner {
            tokio::task::spawn_blocking(move || runner.stop()).await.map_err(std::io::Error::other)?;
            // The runner was answered before the flush. Whoever is outside is answered behind all that came before.
            let nothing = RenewRequest { runner: BUILT_IN.parse().expect("a runner's name"), leases: Vec::new() };
            let _ = writer.call(Call::Renew(nothing)).await;
        }
        Ok(writer.closed())
    }
}

/// A write or a flush failed: what was acknowledged is safe, nothing more may be acknowledged.
fn end_the_process(error: StoreError) {
    eprintln!("error[TL0521]: {error}");
    eprintln!("  the record cannot be written any more, so this process ends; what was acknowledged is kept");
    std::process::exit(74);
}

/// A crash may have come between the record and a ref's file: the record decides.
fn refs_follow_the_record(store: &SqliteStore, repositories: &Repositories) -> Result<(), StartError> {
    for (_, body) in store.rows(Table::Project, "", None, u32::MAX)? {
        let Ok(row) = Row::decode::<ProjectRow>(&body) else { continue };
        let key: RepositoryKey = row.repository;
        let Some(pieces) = store.aggregate(&Key::Repository(key.clone()))? else { continue };
        let Ok(State::Repository(recorded)) = State::from_pieces(&Key::Repository(key.clone()), &pieces) else { continue };
        let path = repositories.path(&key);
        let on_disk = match refs_on_disk(&path) {
            Ok(on_disk) => on_disk,
            Err(error) => {
                // The others must not wait for it. What needs it fails and says so.
                eprintln!("error[TL0524]: repository {key} cannot be read at {}: {error}", path.display());
                eprintln!("  put the folder back from a backup; see trunkline explain TL0524");
                continue;
            }
        };
        // What has to go goes first: a name may have been a folder of others.
        let gone = on_disk.keys().filter(|name| !recorded.refs.contains_key(*name)).map(|name| (name, None));
        let moved = recorded.refs.iter().filter(|(name, revision)| on_disk.get(*name) != Some(*revision));
        for (name, revision) in gone.chain(moved.map(|(name, revision)| (name, Some(revision)))) {
            if let Err(error) = write_ref(&path, name, revision) {
                // One bad file must not keep the server down: the record knows where the ref stands.
                eprintln!("ref {name} of {key} could not be written, git does not show it: {error}");
            }
        }
    }
    Ok(())
}

/// Fresh random bytes.
pub fn entropy() -> std::io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}
