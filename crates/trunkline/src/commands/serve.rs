//! `trunkline serve`: the server, until it is told to end.

use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::render::paint::Mark;
use crate::render::text::quoted;
use crate::render::{Screen, words};
use crate::whereabouts::{self, Whereabouts};
use anyhow::Context as _;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use trunkline_domain::pipeline::SandboxLevel;
use trunkline_runner::{Limits, SANDBOX_VERB};
use trunkline_server::{Options, Serving, StartError, serve};

/// Threads that answer: pages and calls are short, and the machine's cores belong to the jobs.
const ANSWERING_THREADS: usize = 2;

/// How long the end waits for the record to be closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// How to serve.
#[derive(clap::Args)]
pub struct Arguments {
    /// Where to listen; port 0 takes a free one and prints it
    #[arg(long, default_value = "127.0.0.1:7420", value_name = "ADDRESS", value_parser = listen)]
    listen: SocketAddr,
    /// Pieces of work at a time; 0 starts no runner [default: the machine's cores, at least 2]
    #[arg(long, value_parser = clap::value_parser!(u16).range(0..=256))]
    slots: Option<u16>,
    /// A folder that jobs in a sandbox may read and execute, such as a toolchain outside /usr and /opt; may be repeated
    #[arg(long, value_name = "FOLDER")]
    sandbox_read: Vec<PathBuf>,
    /// The least sandbox that jobs and checks may ask for: host, landlock or sandbox
    #[arg(long, default_value = "host", value_name = "LEVEL", value_parser = level)]
    sandbox_min: SandboxLevel,
    /// Memory that the processes of a job's step may have together, such as 512M or 4G [default: what there is]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    job_memory: Option<u64>,
    /// Processes and threads that a job's step may have [default: 16384, where the machine can count them]
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = count)]
    job_processes: Option<u64>,
    /// Believe a wall clock that is more than seven days ahead of the record
    #[arg(long)]
    accept_clock: bool,
}

/// A name could be that of several addresses, and beyond loopback.
fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address of numbers and a port, such as 127.0.0.1:7420".to_owned())
}

fn level(text: &str) -> Result<SandboxLevel, String> {
    let levels = [SandboxLevel::Host, SandboxLevel::Landlock, SandboxLevel::Sandbox];
    levels.into_iter().find(|level| level.word() == text).ok_or_else(|| "it is one of host, landlock, sandbox".to_owned())
}

/// Less memory than this starts nothing.
const JOB_MEMORY_MIN: u64 = 16 << 20;

/// A number of bytes with K, M, G or T behind it (of 1024).
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().trim_end_matches("IB").trim_end_matches('B') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err("write a number with K, M, G or T, such as 4G".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "write a number with K, M, G or T, such as 4G".to_owned())?;
    match number.checked_mul(1 << unit) {
        Some(bytes) if bytes >= JOB_MEMORY_MIN => Ok(bytes),
        Some(_) => Err("a step needs 16M at least".to_owned()),
        None => Err("that is more than any machine has".to_owned()),
    }
}

/// The most process ids that Linux has (`PID_MAX_LIMIT`), and the fewest with which a shell gets anywhere.
const JOB_PROCESSES: std::ops::RangeInclusive<u64> = 8..=4_194_304;

/// A number of processes.
fn count(text: &str) -> Result<u64, String> {
    let (least, most) = JOB_PROCESSES.into_inner();
    let number = text.parse().ok().filter(|number| JOB_PROCESSES.contains(number));
    number.ok_or_else(|| format!("write a whole number from {least} to {most}, such as 500"))
}

/// The program and first arguments that start the launcher of sandboxes.
pub fn launcher() -> anyhow::Result<Vec<String>> {
    let program = std::env::current_exe().context("where this program is")?;
    Ok(vec![program.display().to_string(), SANDBOX_VERB.to_owned()])
}

/// Serves.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let program = std::env::current_exe().context("where this program is")?;
    let slots = arguments.slots.map_or_else(|| std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)), usize::from);
    let options = Options {
        data: std::path::absolute(globals.data_folder())?,
        listen: arguments.listen,
        slots,
        supervise: vec![program.display().to_string(), "supervise".to_owned()],
        launcher: launcher()?,
        readable: arguments.sandbox_read.clone(),
        floor: arguments.sandbox_min,
        limits: Limits { memory: arguments.job_memory, processes: arguments.job_processes },
        accept_clock: arguments.accept_clock,
    };
    let data = options.data.clone();
    if !data.exists() {
        free(arguments.listen, &data)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(ANSWERING_THREADS).enable_all().build()?;
    let screen = globals.screen();
    let closed = runtime.block_on(async {
        let serving = serve(options).await.map_err(|error| failure(&error, &data))?;
        // Whoever is told that the server stands may end it at once.
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        greet(&screen, &serving, &Place::of(globals, &data), slots)?;
        notify_ready();
        let stop = async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        };
        anyhow::Ok(serving.run(stop).await?)
    })?;
    // A claim that still waits on a blocking thread must not hold the end up.
    runtime.shutdown_background();
    closed.wait(CLOSE_WITHIN);
    screen.note("the server has ended; what it deployed runs on");
    Ok(Exit::Good)
}

/// Whether there is a place to listen, before a data folder is made that nobody would find again. The server itself refuses
/// what is beyond loopback.
fn free(listen: SocketAddr, data: &Path) -> Result<(), Failure> {
    if !listen.ip().is_loopback() {
        return Ok(());
    }
    std::net::TcpListener::bind(listen).map(drop).map_err(|error| failure(&StartError::Listen(listen, error), data))
}

fn greet_briefly(screen: &Screen, serving: &Serving, base: &str, place: &Place) -> anyhow::Result<()> {
    let (data, open) = (&place.data, place.typed("open"));
    screen.print(&format!("Trunkline {} listens on {base}, data in {data}; pages: {open}", env!("CARGO_PKG_VERSION")))?;
    if let Some(runner) = serving.runner() {
        screen.print(&format!("{}; limits: {}", words::reach(runner.sandbox), words::limits(runner)))?;
    }
    if serving.safe_mode { screen.print(&place.safe_mode()) } else { Ok(()) }
}

/// The data folder, as people in another terminal and another folder have to name it.
struct Place {
    data: String,
    /// Whether commands find it by themselves.
    is_usual: bool,
}

impl Place {
    fn of(globals: &Globals, data: &Path) -> Self {
        Self { data: data.display().to_string(), is_usual: globals.data_named().is_none() }
    }

    fn typed(&self, words: &str) -> String {
        let data = if self.is_usual { String::new() } else { format!(" --data {}", quoted(&self.data)) };
        format!("trunkline {words}{data}")
    }

    /// That nothing is deployed, and what ends that.
    fn safe_mode(&self) -> String {
        format!("safe mode: the record was restored from a backup, nothing is deployed until you say {}", self.typed("resume"))
    }
}

/// Tells the service manager that the server answers (sd_notify(3)), where there is one that asks.
fn notify_ready() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let name = path.as_encoded_bytes();
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    // A manager that does not listen will say so itself.
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        let _ = socket.send_to_addr(b"READY=1", &address);
    }
}

fn failure(error: &StartError, data: &Path) -> Failure {
    if let (StartError::Folder(_), Ok(Whereabouts::Listens(address))) = (error, whereabouts::of(data)) {
        let failure = Failure::new(Code::DataFolder, error.to_string()).why(format!("its server is at {address}"));
        return failure.help(format!("use that one: trunkline status --data {}", quoted(&data.display().to_string())));
    }
    let (code, help) = match error {
        StartError::Folder(_) => (Code::DataFolder, None),
        StartError::Listen(..) => {
            (Code::CannotListen, Some("another server may run there: trunkline doctor; or take a free port: --listen 127.0.0.1:0"))
        }
        StartError::NotLoopback(_) => (Code::CannotListen, None),
        StartError::Clock(_) => {
            (Code::ClockAhead, Some("date shows the clock; a wrong one would put wrong times into the record for good"))
        }
        StartError::Store(_) | StartError::Io(..) => (Code::DataFolder, None),
    };
    let mut failure = Failure::new(code, error.to_string());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        failure = failure.why(cause);
        source = cause.source();
    }
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

fn greet(screen: &Screen, serving: &Serving, place: &Place, slots: usize) -> anyhow::Result<()> {
    let data = &place.data;
    let base = format!("http://{}", serving.address);
    if !screen.json() && !screen.out_terminal {
        // A link that opens the pages does not belong into a journal that others may read.
        return greet_briefly(screen, serving, &base, place);
    }
    let link = format!("{base}{}", serving.link()?);
    if screen.json() {
        let sandbox = serving.runner().map(|runner| runner.sandbox);
        let safe_mode = serving.safe_mode;
        return screen.print_json_line(
            &json!({ "address": base, "link": link, "data": data, "slots": slots, "sandbox": sandbox, "safe_mode": safe_mode, "runner": serving.runner() }),
        );
    }
    screen.print(&screen.out.paint.mark(Mark::Passed, &format!("Trunkline {} listens on {base}", env!("CARGO_PKG_VERSION"))))?;
    screen.print(&format!("  pages    {link}"))?;
    screen.print(&format!("           opens once, within ten minutes; another: {}", place.typed("open")))?;
    screen.print(&format!("  data     {data}"))?;
    match serving.runner() {
        None => screen.print("  runner   none on this machine")?,
        Some(runner) => {
            let level = runner.sandbox;
            let but = if level == SandboxLevel::Host { format!("; what helps: {}", place.typed("doctor")) } else { String::new() };
            screen.print(&format!("  runner   built-in, {slots} slots; {}{but}", words::reach(level)))?;
            screen.print(&format!("  limits   {}", words::limits(runner)))?;
        }
    }
    if serving.safe_mode {
        screen.print(&format!("  {}", place.safe_mode()))?;
    }
    if !serving.empty {
        return screen.print(&format!("  next     {}", place.typed("status")));
    }
    screen.print("  next     in another terminal, in a git repository of yours:")?;
    for step in first_steps((!place.is_usual).then_some(data)) {
        screen.print(&format!("             {step}"))?;
    }
    Ok(())
}

/// The way to the first run, as the README and docs/first-steps.md go it. Where the data folder is not the usual one, each
/// command needs to know it.
fn first_steps(data: Option<&str>) -> Vec<String> {
    let data = data.map(|data| format!("export TRUNKLINE_DATA={}", quoted(data)));
    let steps = [
        "trunkline init && trunkline check",
        "git add trunkline.yaml && git commit -m 'Deliver with Trunkline'",
        "trunkline project add NAME",
        "git push trunkline main && trunkline watch",
    ];
    data.into_iter().chain(steps.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_or_are_bytes() {
        assert_eq!(size("4G"), Ok(4 << 30));
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("16777216"), Ok(16 << 20));
        for wrong in ["", "G", "4X", "-1G", "1.5G", "1K", "99999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_of_processes_have_bounds_that_are_said() {
        assert_eq!((count("8"), count("4194304")), (Ok(8), Ok(4_194_304)));
        for wrong in ["many", "-1", "7", "4194305", "1.5", ""] {
            assert!(count(wrong).unwrap_err().contains("from 8 to 4194304"), "{wrong}");
        }
        // A number below 0 is a wrong number, not an option that nobody knows.
        let error = crate::commands::parse(["trunkline", "serve", "--job-processes", "-1"]).err().unwrap().to_string();
        assert!(error.contains("'-1'") && error.contains("from 8 to 4194304"), "{error}");
    }

    #[test]
    fn the_printed_next_steps_are_the_readmes() {
        let readme = include_str!("../../../../README.md");
        let commands = |text: &str| text.split(" && ").map(str::to_owned).collect::<Vec<_>>();
        for command in first_steps(None).iter().flat_map(|step| commands(&step.replace("NAME", "shop").replace('\'', "\""))) {
            assert!(readme.contains(&command), "{command}");
        }
        assert_eq!(first_steps(Some("/srv/ana's"))[0], r"export TRUNKLINE_DATA='/srv/ana'\''s'");
    }
}
