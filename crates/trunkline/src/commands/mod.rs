//! The table of verbs: what each is called, what its help says, which function does it. One file for each verb.

mod act;
mod backup;
mod cancel;
mod check;
mod completion;
mod credential;
mod demo;
mod deployments;
mod doctor;
mod environments;
mod explain;
mod help;
mod init;
mod ledger;
mod local;
mod log;
mod man;
mod meter;
mod open;
mod projects;
mod promote;
#[cfg(test)]
mod reference;
mod releases;
mod resume;
mod rollback;
mod runs;
mod schema;
mod serve;
mod service;
mod settle;
mod start;
mod status;
mod supervise;
mod sync;
mod tests;
mod trace;
mod version;
mod watch;
mod where_is;
mod which;

use crate::exit::Exit;
use crate::globals::Globals;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use trunkline_api::request::{LIST_ITEMS, LIST_ITEMS_MAX};

/// The command line.
#[derive(Parser)]
#[command(
    name = "trunkline",
    version,
    about = "Brings commits to production, and can prove how they got there",
    disable_help_subcommand = true,
    help_template = "{about}\n\n{usage-heading} {usage}{after-help}",
    after_help = help::grouped(),
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Line {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// What every verb shares.
    #[command(flatten)]
    pub globals: Globals,
}

/// Groups of verbs, as the help shows them. A test holds that every shown verb is in exactly one.
pub const GROUPS: [(&str, &[&str]); 4] = [
    ("Deliver", &["init", "check", "run", "start", "sync", "promote", "rollback", "cancel", "settle", "resume"]),
    ("Look", &["status", "where", "watch", "log", "tests", "trace", "runs", "releases", "deployments", "environments", "projects", "open"]),
    ("Run it", &["demo", "serve", "service", "supervise", "doctor", "ledger", "backup", "restore"]),
    ("Help", &["explain", "schema", "completion", "man", "version", "help"]),
];

/// Every verb.
#[derive(Subcommand)]
pub enum Verb {
    /// Deliver a small shop before your eyes: merges, failures, a rollback, a killed server, a forged record
    #[command(
        after_long_help = "Needs git, sh and python3. Nothing is left running when it ends.\n\nExample:\n  trunkline demo\n  trunkline demo --once --json"
    )]
    Demo(demo::Arguments),
    /// Start the server: git host, runner, API and pages on one port
    #[command(
        after_long_help = "Listens on this machine only; others reach it through ssh: TRUNKLINE_SERVER=ssh://HOST\n\nExample:\n  trunkline serve\n  trunkline serve --listen 127.0.0.1:0 --data /srv/trunkline"
    )]
    Serve(serve::Arguments),
    /// Run the server under systemd
    #[command(
        after_long_help = "Example:\n  sudo trunkline service install\n  trunkline service install --user\n  trunkline service status\n  sudo trunkline service upgrade ./trunkline"
    )]
    Service(service::Arguments),
    /// Keep a deployed process running; the runner calls this, people only with --stop
    #[command(
        after_long_help = "With --stop: end the instances of a part and their supervisor, until the next deployment.\n\nExample:\n  trunkline supervise --stop ~/.local/state/trunkline/runner/process/shop/qa/main"
    )]
    Supervise(supervise::Arguments),
    /// Write a trunkline.yaml for this repository
    #[command(after_long_help = "Example:\n  trunkline init && trunkline check\n  trunkline init --from github")]
    Init(init::Arguments),
    /// Check the delivery file and show what it says
    #[command(after_long_help = "Example:\n  trunkline check\n\nExits with 2 where the file has errors.")]
    Check(check::Arguments),
    /// Run the jobs on the files as they lie here
    #[command(
        after_long_help = "The same engine and the same runner as a server's; nothing is recorded, and no server is needed.\nFiles that git ignores are left out, as from a commit.\n\nExample:\n  trunkline run\n  trunkline run unit --shell\n  trunkline run --plan"
    )]
    Run(local::Arguments),
    /// Start a run by hand
    #[command(
        after_long_help = "The delivery file must allow it: on: { manual: {} }\n\nExample:\n  trunkline start\n  trunkline start --ref release/2 --input reason='new logo'"
    )]
    Start(start::Arguments),
    /// Look at a followed repository now, as from its post-receive hook
    #[command(after_long_help = "Followed repositories are looked at every minute anyway.\n\nExample:\n  trunkline sync shop")]
    Sync(sync::Arguments),
    /// Let a release into an environment
    #[command(
        after_long_help = "Shows what would change, asks, and waits for the end. --dry-run ends as the act would where the server says no.\n\nExample:\n  trunkline promote 1.42 production"
    )]
    Promote(promote::Arguments),
    /// Bring an earlier release back
    #[command(
        after_long_help = "Without --to: the last release verified there that is not newer than the one that runs; again, one further back. Nothing is built again. --dry-run ends as the act would where the server says no.\n\nExample:\n  trunkline rollback production"
    )]
    Rollback(rollback::Arguments),
    /// End a run or a deployment
    #[command(after_long_help = "Example:\n  trunkline cancel 812\n  trunkline cancel deployment/31")]
    Cancel(cancel::Arguments),
    /// Say what runs after a deployment that nobody knows the end of
    #[command(after_long_help = "Look at the target first.\n\nExample:\n  trunkline settle deployment/31 --live")]
    Settle(settle::Arguments),
    /// End the safe mode of a server that was restored from a backup
    #[command(after_long_help = "Shows what the record says, asks, and lets deployments begin again.\n\nExample:\n  trunkline resume")]
    Resume(resume::Arguments),
    /// Show what is where
    #[command(
        after_long_help = "As the record knows it: what was verified last in each environment. Nobody looks at the targets between deployments.\n\nExample:\n  trunkline status\n  trunkline status production"
    )]
    Status(status::Arguments),
    /// Show where a commit is on its way
    #[command(
        after_long_help = "Example:\n  trunkline where            the commit that is checked out\n  trunkline where 4f2a91c\n  trunkline where pr-482"
    )]
    Where(where_is::Arguments),
    /// Follow a run or a deployment to its end
    #[command(
        after_long_help = "It ends when the release moves no further; after a failure when the rollback has ended too, and then with 1.\nCtrl-C detaches; the work goes on.\n\nExample:\n  git push trunkline main && trunkline watch\n  trunkline watch 812\n  trunkline watch deployment/31 --timeout 10m"
    )]
    Watch(watch::Arguments),
    /// Print the logs of a run or a deployment, or what a running service prints
    #[command(
        after_long_help = "What services of kind process print is kept on the runner's machine, and read there.\n\nExample:\n  trunkline log --failed\n  trunkline log 812 unit -f\n  trunkline log deployment/31\n  trunkline log environment/qa -f"
    )]
    Log(log::Arguments),
    /// Show the tests of a change, the failed ones first
    #[command(
        after_long_help = "Those of its run and of the checks that its release met so far.\n\nExample:\n  trunkline tests --failed\n  trunkline tests 812\n  trunkline tests deployment/31"
    )]
    Tests(tests::Arguments),
    /// Show how what runs in an environment got there, each link with its proof
    #[command(after_long_help = "Example:\n  trunkline trace production")]
    Trace(trace::Arguments),
    /// List or view runs
    #[command(after_long_help = "Example:\n  trunkline runs list --limit 50\n  trunkline runs view 812")]
    Runs(runs::Arguments),
    /// List or view releases
    #[command(visible_alias = "release", after_long_help = "Example:\n  trunkline releases list\n  trunkline release view 1.42")]
    Releases(releases::Arguments),
    /// List or view deployments
    #[command(visible_alias = "deployment", after_long_help = "Example:\n  trunkline deployments list\n  trunkline deployment view 31")]
    Deployments(deployments::Arguments),
    /// List, view or accept environments
    #[command(
        visible_alias = "environment",
        after_long_help = "Example:\n  trunkline environments list\n  trunkline environment accept production"
    )]
    Environments(environments::Arguments),
    /// Add, list or view projects
    #[command(visible_alias = "project", after_long_help = "Example:\n  trunkline project add shop && git push trunkline main")]
    Projects(projects::Arguments),
    /// Print a link that opens the pages once
    #[command(after_long_help = "Example:\n  trunkline open")]
    Open,
    /// See whether everything that Trunkline needs is there
    #[command(after_long_help = "Example:\n  trunkline doctor\n\nExits with 1 where something is missing.")]
    Doctor,
    /// Check the record, or say where it ends
    #[command(after_long_help = "Example:\n  trunkline ledger head\n  trunkline ledger verify --at-size 4812 --root sha256:...")]
    Ledger(ledger::Arguments),
    /// Write the server's data into one file, beside the running server
    #[command(
        after_long_help = "Holds the record, repositories, artifacts and logs; no tokens, and nothing of the runner's.\n\nExample:\n  trunkline backup /backup/trunkline-$(date +%F)\n  trunkline backup - | ssh HOST 'cat > trunkline.backup'"
    )]
    Backup(backup::Arguments),
    /// Make a data folder of a backup; its server begins in safe mode
    #[command(
        after_long_help = "The folder must be missing or empty. Nothing is deployed until you say trunkline resume.\n\nExample:\n  trunkline restore /backup/trunkline-2026-11-24 --data /srv/trunkline"
    )]
    Restore(backup::RestoreArguments),
    /// Explain an error code
    #[command(after_long_help = "Example:\n  trunkline explain TL0142")]
    Explain(explain::Arguments),
    /// Print the JSON Schema of the delivery file, or the document of the API
    #[command(after_long_help = "Example:\n  trunkline schema > trunkline.schema.json\n  trunkline schema --api > openapi.json")]
    Schema(schema::Arguments),
    /// Print what a shell needs to complete commands
    #[command(
        after_long_help = "Example:\n  source <(trunkline completion bash)\n  trunkline completion fish > ~/.config/fish/completions/trunkline.fish"
    )]
    Completion(completion::Arguments),
    /// Write a manual page for each verb
    #[command(after_long_help = "Example:\n  trunkline man ~/.local/share/man/man1 && man trunkline-promote")]
    Man(man::Arguments),
    /// Print the program's version
    #[command(after_long_help = "Example:\n  trunkline version --json")]
    Version,
    /// Help for a verb, or on exit-codes
    #[command(after_long_help = "Example:\n  trunkline help promote\n  trunkline help exit-codes")]
    Help(help::Arguments),
    /// Give git the token (git calls this)
    #[command(hide = true)]
    Credential(credential::Arguments),
}

/// Does what the command line says.
pub fn run(verb: Verb, globals: &Globals) -> anyhow::Result<Exit> {
    match verb {
        Verb::Demo(arguments) => demo::run(&arguments, globals),
        Verb::Serve(arguments) => serve::run(&arguments, globals),
        Verb::Service(arguments) => service::run(&arguments, globals),
        Verb::Supervise(arguments) => supervise::run(&arguments, globals),
        Verb::Init(arguments) => init::run(&arguments, globals),
        Verb::Check(arguments) => check::run(&arguments, globals),
        Verb::Run(arguments) => local::run(&arguments, globals),
        Verb::Start(arguments) => start::run(&arguments, globals),
        Verb::Sync(arguments) => sync::run(&arguments, globals),
        Verb::Promote(arguments) => promote::run(&arguments, globals),
        Verb::Rollback(arguments) => rollback::run(&arguments, globals),
        Verb::Cancel(arguments) => cancel::run(&arguments, globals),
        Verb::Settle(arguments) => settle::run(&arguments, globals),
        Verb::Resume(arguments) => resume::run(&arguments, globals),
        Verb::Status(arguments) => status::run(&arguments, globals),
        Verb::Where(arguments) => where_is::run(&arguments, globals),
        Verb::Watch(arguments) => watch::run(&arguments, globals),
        Verb::Log(arguments) => log::run(&arguments, globals),
        Verb::Tests(arguments) => tests::run(&arguments, globals),
        Verb::Trace(arguments) => trace::run(&arguments, globals),
        Verb::Runs(arguments) => runs::run(&arguments, globals),
        Verb::Releases(arguments) => releases::run(&arguments, globals),
        Verb::Deployments(arguments) => deployments::run(&arguments, globals),
        Verb::Environments(arguments) => environments::run(&arguments, globals),
        Verb::Projects(arguments) => projects::run(&arguments, globals),
        Verb::Open => open::run(globals),
        Verb::Doctor => doctor::run(globals),
        Verb::Ledger(arguments) => ledger::run(&arguments, globals),
        Verb::Backup(arguments) => backup::run(&arguments, globals),
        Verb::Restore(arguments) => backup::run_restore(&arguments, globals),
        Verb::Explain(arguments) => explain::run(&arguments, globals),
        Verb::Schema(arguments) => schema::run(&arguments, globals),
        Verb::Completion(arguments) => completion::run(&arguments, globals),
        Verb::Man(arguments) => man::run(&arguments, globals),
        Verb::Version => version::run(globals),
        Verb::Help(arguments) => help::run(&arguments, globals),
        Verb::Credential(arguments) => credential::run(&arguments, globals),
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, clap::Args)]
pub struct Page {
    /// How many at most, 1 to 200
    #[arg(long, default_value_t = LIST_ITEMS, value_parser = clap::value_parser!(u32).range(1..=i64::from(LIST_ITEMS_MAX)))]
    limit: u32,
    /// Only those with a lower number
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    before: Option<u32>,
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "write a number of the list, such as 812".to_owned())
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: LIST_ITEMS, before: None }
    }
}

impl Page {
    fn query(&self) -> String {
        let before = self.before.map(|before| format!("&before={before}")).unwrap_or_default();
        format!("limit={}{before}", self.limit)
    }
}

/// The whole command as clap knows it. The help of a verb names the options of every command in one line, so that its own
/// are seen.
pub fn command() -> clap::Command {
    let command = Line::command().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    // A variable that is empty counts as unset, as everywhere; to clap it would be a folder without a name.
    let is_empty = std::env::var_os("TRUNKLINE_DATA").is_some_and(|data| data.is_empty());
    let command = command.mut_arg("data", |arg| if is_empty { arg.env(clap::builder::Resettable::Reset) } else { arg });
    help::with_shared_line(command)
}

/// Reads the command line.
pub fn parse(line: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>) -> Result<Line, clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(line).map_err(suggested)?;
    Line::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Verbs of other programs, and ours that does it. Clap goes by letters alone, and would send who wants to rerun to resume.
const FOREIGN: [(&str, Option<&str>); 5] =
    [("rerun", Some("start")), ("retry", Some("start")), ("restart", Some("start")), ("remove", None), ("delete", None)];

/// The error with a suggestion that leads on, or with none where no verb does it.
fn suggested(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(verb)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    let Some((_, ours)) = FOREIGN.iter().find(|(foreign, _)| foreign == verb) else { return error };
    error.remove(ContextKind::SuggestedSubcommand);
    error.remove(ContextKind::Suggested);
    if let Some(ours) = ours {
        let words = format!("to run a commit again: trunkline {ours}");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![words.into()]));
    }
    error
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn clap_finds_no_contradiction() {
        command().debug_assert();
    }

    #[test]
    fn every_shown_verb_is_in_one_group_and_has_an_example() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied()).collect();
        grouped.sort_unstable();
        let command = command();
        let mut shown: Vec<&str> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(clap::Command::get_name).collect();
        shown.sort_unstable();
        assert_eq!(grouped, shown);
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let long = verb.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            let names = std::iter::once(verb.get_name()).chain(verb.get_visible_aliases());
            assert!(names.into_iter().any(|name| long.contains(&format!("trunkline {name}"))), "{} has no example", verb.get_name());
        }
    }

    #[test]
    fn every_act_that_asks_can_be_told_not_to() {
        for act in ["promote 1 qa", "rollback qa", "cancel 7", "settle 7 --old", "environments accept qa", "resume"] {
            for option in ["-y", "--yes", "--dry-run"] {
                let line = std::iter::once("trunkline").chain(act.split(' ')).chain([option]);
                assert!(parse(line).is_ok(), "{act} {option}");
            }
        }
    }

    #[test]
    fn a_verb_of_another_program_leads_to_ours() {
        let said = |verb| parse(["trunkline", verb, "x"]).err().unwrap().to_string();
        for verb in ["rerun", "retry", "restart"] {
            let said = said(verb);
            assert!(said.contains("trunkline start") && !said.contains("resume") && !said.contains("restore"), "{said}");
        }
        assert!(!said("remove").contains("similar"), "{}", said("remove"));
        assert!(said("promot").contains("'promote'"), "a misspelt one is still found");
    }

    #[test]
    fn singular_is_plural() {
        for line in [["trunkline", "runs", "list"], ["trunkline", "release", "list"], ["trunkline", "project", "list"]] {
            parse(line).unwrap();
        }
    }
}
