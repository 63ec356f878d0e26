//! `cargo xtask faults`: the real program under real faults, and one checker of what must hold afterwards.

mod check;
mod clock;
mod cut;
mod disk;
mod everything;
mod facts;
mod failing;
mod flood;
mod kill;
mod killed;
mod memory;
mod page;
mod power;
mod progress;
mod proxy;
mod race;
pub mod runner;
mod site;
mod stubborn;
mod target;
mod tracer;
mod upgrade;
mod wall;

pub use tracer::is_allowed as may_trace;

use anyhow::{Result, ensure};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Which faults, how often.
#[derive(clap::Args)]
pub struct Arguments {
    /// F1; none: all
    faults: Vec<String>,
    /// How often each fault is made: so many kills, lost connections, jumps, jobs, races, upgrades, logs. Each fault ends
    /// after about five minutes, and its figures say how many it came to
    #[arg(long, default_value_t = 50)]
    count: u32,
    /// The seed of what happens when; the clock's if left out
    #[arg(long)]
    seed: Option<u64>,
    /// Try this program instead of building a release
    #[arg(long)]
    program: Option<PathBuf>,
    /// The program of an earlier version, which F20 replaces; without it the same program is put at another place
    #[arg(long)]
    previous: Option<PathBuf>,
    /// Write docs/reliability.md of what was seen
    #[arg(long)]
    page: bool,
}

/// What every fault needs.
pub struct Ground {
    /// The program that is tried.
    pub program: PathBuf,
    /// The one before it, where there is one.
    pub previous: Option<PathBuf>,
    /// A folder for everything.
    pub folder: PathBuf,
    /// How often.
    pub count: u32,
    /// The seed.
    pub seed: u64,
}

type Fault = (&'static str, &'static str, fn(&Ground) -> Result<Value>);

const FAULTS: [Fault; 14] = [
    ("F1", "SIGKILL the server at random points", kill::run),
    ("F2", "the power goes; what was not synced is dropped or torn", power::run),
    ("F3", "the n-th read, write or sync of the database fails, for every n", failing::run),
    ("F4", "the disk of the data folder is filled to the last byte while a job runs", disk::run),
    ("F6", "SIGKILL runners in whatever they do", killed::run),
    ("F7", "pause runners for longer than their lease, then continue them", killed::pause),
    ("F8", "cut runners off from the server, in each direction", cut::run),
    ("F14", "the wall clock jumps by up to ten years, both ways", wall::run),
    ("F17", "a job takes all the memory there is", memory::run),
    ("F18", "jobs ignore TERM and leave processes behind, then they are cancelled", stubborn::run),
    ("F19", "cancel a run at the moment at which it ends", race::run),
    ("F20", "replace the server in the middle of runs", upgrade::run),
    ("F26", "logs that are long, have no end of line or are no text", flood::run),
    ("F28", "all at once, in one process: the simulator", everything::run),
];

/// Runs them.
pub fn run(arguments: &Arguments) -> Result<()> {
    let program = match &arguments.program {
        Some(program) => program.canonicalize()?,
        None => crate::bench::build()?,
    };
    let previous = arguments.previous.as_ref().map(|program| program.canonicalize()).transpose()?;
    let seed = arguments.seed.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |since| since.as_nanos() as u64 % 1_000_000)
    });
    let wanted = |name: &str| arguments.faults.is_empty() || arguments.faults.iter().any(|fault| fault.eq_ignore_ascii_case(name));
    let unknown = arguments.faults.iter().find(|fault| FAULTS.iter().all(|(name, ..)| !name.eq_ignore_ascii_case(fault)));
    ensure!(unknown.is_none(), "there is no fault '{}'", unknown.map_or("", String::as_str));
    let mut seen = Map::new();
    for (name, words, run) in FAULTS.iter().filter(|(name, ..)| wanted(name)) {
        let folder = tempfile::Builder::new().prefix("trunkline-faults-").tempdir()?;
        let previous = previous.clone();
        let ground = Ground { program: program.clone(), previous, folder: folder.path().to_owned(), count: arguments.count, seed };
        match run(&ground) {
            Ok(figures) => {
                println!("{name:<4} {words}: {figures}");
                seen.insert((*name).to_owned(), figures);
                if arguments.page {
                    // At once: a later fault that breaks something takes nothing of this away.
                    page::write(&seen, &FAULTS.map(|(name, words, _)| (name, words)), arguments.count)?;
                }
            }
            Err(error) => {
                // What broke is worth a look.
                let kept = folder.keep();
                return Err(error.context(format!("{name}, seed {seed}; everything is kept in {}", kept.display())));
            }
        }
    }
    Ok(())
}
