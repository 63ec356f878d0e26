//! `trunkline service`: the server under systemd, for the whole machine or for one user.

mod upgrade;

use crate::address::Address;
use crate::client::Client;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::reference;
use crate::render::Screen;
use crate::render::paint::Mark;
use crate::render::text::quoted;
use crate::whereabouts;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use trunkline_api::request::Health;

const UNIT: &str = "trunkline.service";
/// The package's unit: the one place that says how the server is locked up.
const TEMPLATE: &str = include_str!("../../../../packaging/trunkline.service");

/// What to do with the service.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Act,
    /// The service of this user instead of the machine's; needs no root
    #[arg(long, global = true)]
    user: bool,
}

#[derive(clap::Subcommand)]
enum Act {
    /// Write the unit, start it now and at every boot
    Install {
        /// Only print the unit
        #[arg(long)]
        dry_run: bool,
    },
    /// Say whether it runs and answers
    Status,
    /// Put another program in place of the running one, and the old one back if that does not answer
    Upgrade {
        /// The new program
        program: PathBuf,
        /// How long it may take from its start until it is ready
        #[arg(long, value_name = "TIME", default_value = "30s", value_parser = reference::duration)]
        within: Duration,
    },
}

/// Whose service it is.
struct Scope {
    user: bool,
    /// Where the unit lies.
    unit: PathBuf,
    data: PathBuf,
}

/// Does it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let scope = Scope::of(arguments.user, globals)?;
    let screen = globals.screen();
    match &arguments.act {
        Act::Install { dry_run } => install(&scope, *dry_run, &screen),
        Act::Status => status(&scope.installed(globals), globals),
        Act::Upgrade { program, within } => upgrade::run(&scope.installed(globals), (program, *within), globals),
    }
}

impl Scope {
    fn of(user: bool, globals: &Globals) -> Result<Self, Failure> {
        if !user {
            let data = globals.data.clone().unwrap_or_else(|| PathBuf::from("/var/lib/trunkline"));
            return Ok(Self { user, unit: Path::new("/etc/systemd/system").join(UNIT), data });
        }
        let home =
            std::env::var_os("HOME").ok_or_else(|| Failure::new(Code::Service, "HOME is not set, so there is no place for units"))?;
        let config = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| Path::new(&home).join(".config"), PathBuf::from);
        Ok(Self { user, unit: config.join("systemd/user").join(UNIT), data: globals.data_folder() })
    }

    /// The same with the data folder that the unit names, where none was named.
    fn installed(self, globals: &Globals) -> Self {
        let unit = if globals.data_named().is_some() { None } else { self.unit_text() };
        let data = unit.as_deref().and_then(data_of);
        Self { data: data.unwrap_or(self.data), ..self }
    }

    /// The unit that is there: its own, else the package's.
    fn unit_text(&self) -> Option<String> {
        let package = (!self.user).then(|| Path::new("/usr/lib/systemd/system").join(UNIT));
        [Some(self.unit.clone()), package].into_iter().flatten().find_map(|path| fs::read_to_string(path).ok())
    }

    /// The unit for this scope: the package's, with other paths, and without what only the machine's may ask for.
    fn render(&self, program: &Path) -> String {
        let start = format!("ExecStart={} serve --data {}", program.display(), self.data.display());
        let line = |line: &str| -> Option<String> {
            let (key, _) = line.split_once('=').unwrap_or((line, ""));
            match key {
                "ExecStart" => Some(start.clone()),
                "Environment" if self.user => None,
                "Environment" => Some(format!("Environment=HOME={}", self.data.display())),
                // A user's manager has neither other users nor the right to these.
                "User" | "Group" | "StateDirectory" | "StateDirectoryMode" | "ProtectHome" | "ProtectSystem" if self.user => None,
                "CapabilityBoundingSet" | "PrivateDevices" | "ProtectClock" | "ProtectKernelModules" if self.user => None,
                "WantedBy" if self.user => Some("WantedBy=default.target".to_owned()),
                // The state directory is made where the package has it; elsewhere the folder must be writable.
                "StateDirectory" if self.data != Path::new("/var/lib/trunkline") => Some(format!("ReadWritePaths={}", self.data.display())),
                "StateDirectoryMode" if self.data != Path::new("/var/lib/trunkline") => None,
                _ => Some(line.to_owned()),
            }
        };
        TEMPLATE.lines().filter_map(line).map(|line| line + "\n").collect()
    }

    /// The command that shows what the server printed.
    fn journal(&self) -> String {
        format!("journalctl{} -u {UNIT} -e", if self.user { " --user" } else { "" })
    }

    /// Calls it, and gives what it said.
    fn systemctl(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new("systemctl");
        if self.user {
            command.arg("--user");
        }
        let output = command.args(arguments).stdin(Stdio::null()).output();
        let output =
            output.map_err(|error| Failure::new(Code::Service, "systemctl cannot be started: is this a systemd machine?").why(error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(Code::Service, format!("systemctl {}: {said}", arguments.join(" "))))
    }
}

/// The data folder that a unit of ours starts the server with.
fn data_of(unit: &str) -> Option<PathBuf> {
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart="))?;
    let mut words = start.split_whitespace();
    let folder = words.find_map(|word| word.strip_prefix("--data").map(|rest| rest.strip_prefix('=').map(str::to_owned)))?;
    let folder = folder.or_else(|| words.next().map(str::to_owned))?;
    // What needs quotes is not read by halves.
    let plain = !folder.is_empty() && !folder.contains(['"', '\'', '\\', '$', '%']);
    plain.then(|| PathBuf::from(folder))
}

fn install(scope: &Scope, dry_run: bool, screen: &Screen) -> anyhow::Result<Exit> {
    let program = std::env::current_exe()?;
    let unit = scope.render(&program);
    if dry_run {
        screen.print(unit.trim_end())?;
        return Ok(Exit::Good);
    }
    if !scope.user {
        system_user(&scope.data)?;
    }
    let written = fs::create_dir_all(scope.unit.parent().unwrap_or(Path::new("/"))).and_then(|()| fs::write(&scope.unit, unit));
    written.map_err(|error| {
        let failure = Failure::new(Code::Service, format!("{} cannot be written", scope.unit.display())).why(error);
        failure.help("the machine's service needs root; --user installs one of your own")
    })?;
    scope.systemctl(&["daemon-reload"])?;
    scope.systemctl(&["enable", "--now", UNIT])?;
    screen.print(&screen.out.paint.mark(Mark::Passed, &format!("{UNIT} runs {} now and at every boot", program.display())))?;
    if scope.user {
        screen.note("it ends with your last session unless you say: loginctl enable-linger");
    }
    let (sudo, user) = if scope.user { ("", " --user") } else { ("sudo ", "") };
    let data = quoted(&scope.data.display().to_string());
    screen.note(&format!("next: {sudo}trunkline doctor --data {data}; undo: {sudo}systemctl{user} disable --now {UNIT}"));
    Ok(Exit::Good)
}

/// The user that the machine's service runs as.
fn system_user(data: &Path) -> Result<(), Failure> {
    let known = nix::unistd::User::from_name("trunkline").ok().flatten().is_some();
    if known {
        return Ok(());
    }
    let made = Command::new("useradd")
        .args(["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "--home-dir"])
        .arg(data)
        .arg("trunkline")
        .stdin(Stdio::null())
        .output();
    match made {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Failure::new(Code::Service, format!("useradd: {}", String::from_utf8_lossy(&output.stderr).trim()))
            .help("the machine's service needs root; --user installs one of your own")),
        Err(error) => Err(Failure::new(Code::Service, "useradd cannot be started").why(error)),
    }
}

fn health(scope: &Scope, globals: &Globals) -> Option<Health> {
    let Ok(Address::Http(base)) = place(scope, globals) else { return None };
    Client::new(&base, "the service", None).get("health").ok()
}

/// Where the service's own server is, whatever this folder leads to. Only its user reads where it listens: others look at
/// the usual place, with no token.
fn place(scope: &Scope, globals: &Globals) -> Result<Address, Failure> {
    match whereabouts::of(&scope.data) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && globals.server.is_none() => Ok(Address::local()),
        _ => Globals { data: Some(scope.data.clone()), ..globals.clone() }.address(),
    }
}

fn status(scope: &Scope, globals: &Globals) -> anyhow::Result<Exit> {
    let active = scope.systemctl(&["is-active", "--quiet", UNIT]).is_ok();
    let enabled = scope.systemctl(&["is-enabled", "--quiet", UNIT]).is_ok();
    let health = health(scope, globals);
    let screen = globals.screen();
    if screen.json() {
        screen.print_json(&serde_json::json!({ "active": active, "enabled": enabled, "health": health }))?;
    } else {
        let mark = if active { Mark::Passed } else { Mark::Failed };
        let boot = if enabled { "starts at every boot" } else { "does not start at boot" };
        screen.print(&screen.out.paint.mark(mark, &format!("{UNIT} {}, {boot}", if active { "runs" } else { "does not run" })))?;
        match &health {
            Some(health) => screen.print(&screen.out.paint.mark(Mark::Passed, &format!("it answers, version {}", health.version)))?,
            None => screen.print(&screen.out.paint.mark(Mark::Failed, "it does not answer"))?,
        }
        if !active || health.is_none() {
            screen.note(&format!("see {}", scope.journal()));
        }
    }
    Ok(if active && health.is_some() { Exit::Good } else { Exit::Failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(user: bool, data: &str) -> Scope {
        Scope { user, unit: PathBuf::from("/x"), data: PathBuf::from(data) }
    }

    #[test]
    fn the_machines_unit_is_the_packages() {
        assert_eq!(scope(false, "/var/lib/trunkline").render(Path::new("/usr/bin/trunkline")), TEMPLATE);
        let other = scope(false, "/srv/trunkline").render(Path::new("/usr/local/bin/trunkline"));
        assert!(other.contains("ExecStart=/usr/local/bin/trunkline serve --data /srv/trunkline\n"), "{other}");
        assert!(other.contains("ReadWritePaths=/srv/trunkline\n") && !other.contains("StateDirectory"), "{other}");
    }

    #[test]
    fn a_unit_tells_the_data_folder_of_its_server() {
        for start in ["serve --data /srv/a", "serve --data=/srv/a --job-memory 64M", "serve --slots 2 --data /srv/a --job-memory 64M"] {
            assert_eq!(data_of(&format!("[Service]\nExecStart=/usr/bin/trunkline {start}\n")), Some(PathBuf::from("/srv/a")), "{start}");
        }
        assert_eq!(data_of(TEMPLATE), Some(PathBuf::from("/var/lib/trunkline")));
        for start in ["/usr/bin/other", "/usr/bin/trunkline serve --data \"/srv/a b\"", "/usr/bin/trunkline serve --data"] {
            assert_eq!(data_of(&format!("[Service]\nExecStart={start}")), None, "{start}");
        }
    }

    #[test]
    fn a_users_unit_asks_for_nothing_that_only_root_may() {
        let unit = scope(true, "/home/ana/.local/state/trunkline").render(Path::new("/home/ana/bin/trunkline"));
        for key in ["User=", "StateDirectory", "ProtectHome", "CapabilityBoundingSet", "HOME=/var/lib"] {
            assert!(!unit.contains(key), "{key}: {unit}");
        }
        for line in ["KillMode=process\n", "NoNewPrivileges=yes\n", "WantedBy=default.target\n", "Type=notify\n"] {
            assert!(unit.contains(line), "{line}: {unit}");
        }
    }
}
