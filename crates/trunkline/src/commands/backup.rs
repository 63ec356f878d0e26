//! `trunkline backup` and `trunkline restore`: a data folder in one file, and a data folder made of one.

use super::meter::Meter;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;
use crate::render::Screen;
use crate::render::paint::Mark;
use crate::render::text::{bytes, count, quoted};
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use trunkline_domain::foundation::Millis;
use trunkline_store::backup::{BackupError, Told, Wanted, back_up, restore};

/// Standard output or input.
const PIPE: &str = "-";
/// How far the clock may be ahead of a record before the server asks; the backup is not older than its record.
const OLD_AFTER: Millis = Millis::days(7);

/// Where to.
#[derive(clap::Args)]
pub struct Arguments {
    /// The file to write, or - for standard output
    file: PathBuf,
    /// Put the tokens in too: the operator's, and those of followed repositories
    #[arg(long)]
    with_secrets: bool,
}

/// Of what.
#[derive(clap::Args)]
pub struct RestoreArguments {
    /// The backup, or - for standard input
    file: PathBuf,
}

/// Writes a backup.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let screen = globals.screen();
    let data = globals.data_folder_meant()?;
    let database = data.join(super::ledger::DATABASE);
    if !database.is_file() {
        let none = Failure::new(Code::NoLedger, "there is no record to back up there").place(database.display());
        return Err(none.help("name the server's folder with --data").into());
    }
    let began = Instant::now();
    let file = &arguments.file;
    let now = screen.out.clock.now;
    let wanted = Wanted { data: &data, scratch: &data, version: env!("CARGO_PKG_VERSION"), now, secrets: arguments.with_secrets };
    let told = if file.as_os_str() == PIPE { to_pipe(&screen, wanted)? } else { to_file(&screen, file, wanted)? };
    let seconds = began.elapsed().as_secs_f64();
    let words =
        format!("{} and {}, {} packed into {}", entries(&told), count(told.files as usize, "file"), bytes(told.bytes), bytes(told.packed));
    if file.as_os_str() == PIPE {
        screen.note(&words);
        return Ok(Exit::Good);
    }
    if screen.json() {
        screen.print_json(&object(file, &told, seconds))?;
    } else {
        screen.print(&format!(
            "{}\nroot {}",
            screen.out.paint.mark(Mark::Passed, &format!("{}: {words}", file.display())),
            told.manifest.root
        ))?;
    }
    if !arguments.with_secrets {
        screen.note("tokens are not in it: a restored server makes a new operator's token, and asks for those of followed repositories");
    }
    screen.note("keep the root elsewhere too; back: trunkline restore FILE --data FOLDER");
    Ok(Exit::Good)
}

fn entries(told: &Told) -> String {
    match told.manifest.entries {
        1 => "1 entry".to_owned(),
        many => format!("{many} entries"),
    }
}

fn object(file: &Path, told: &Told, seconds: f64) -> serde_json::Value {
    json!({
        "file": file,
        "manifest": told.manifest,
        "files": told.files,
        "bytes": told.bytes,
        "packed": told.packed,
        "seconds": (seconds * 1_000.0).round() / 1_000.0,
    })
}

fn to_pipe(screen: &Screen, wanted: Wanted<'_>) -> Result<Told, Failure> {
    if std::io::stdout().is_terminal() {
        let terminal = Failure::new(Code::Backup, "a backup is not written to a terminal");
        return Err(terminal.help("name a file, or send it on: trunkline backup - | ssh HOST 'cat > FILE'"));
    }
    // The copy of the database needs room somewhere; TMPDIR says where.
    let scratch = std::env::temp_dir();
    let mut meter = Meter::new(*screen, "read");
    back_up(Wanted { scratch: &scratch, ..wanted }, std::io::stdout().lock(), &mut |progress| meter.show(progress)).map_err(written)
}

/// Under a temporary name, mode 0600, until all of it is on the disk.
fn to_file(screen: &Screen, file: &Path, wanted: Wanted<'_>) -> Result<Told, Failure> {
    let exists =
        || Failure::new(Code::FileExists, "the file is there already").place(file.display()).help("name another one, or remove it");
    if file.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let failed = |error: std::io::Error| {
        let unwritten = Failure::new(Code::Backup, "the backup cannot be written").place(file.display()).why(&error);
        unwritten.help(written_help(error.kind()))
    };
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let made = temporary(folder).map_err(failed)?;
    let mut meter = Meter::new(*screen, "read");
    let mut into = BufWriter::new(made.as_file());
    let told = back_up(Wanted { scratch: folder, ..wanted }, &mut into, &mut |progress| meter.show(progress)).map_err(written)?;
    into.flush().map_err(failed)?;
    drop(into);
    made.as_file().sync_all().map_err(failed)?;
    made.persist_noclobber(file).map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(),
        _ => failed(error.error),
    })?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(told)
}

/// A file under another name in that folder. An error does not tell that name, which nobody gave.
fn temporary(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    if !folder.metadata()?.is_dir() {
        return Err(std::io::ErrorKind::NotADirectory.into());
    }
    let made = tempfile::Builder::new().prefix(".trunkline-backup-").tempfile_in(folder);
    // The library puts the temporary name into the error, and keeps its kind.
    made.map_err(|error| error.kind().into())
}

/// What helps where the file itself cannot be made.
fn written_help(kind: std::io::ErrorKind) -> &'static str {
    use std::io::ErrorKind;
    match kind {
        ErrorKind::NotFound | ErrorKind::NotADirectory => "its folder must be there: make it, or name a file in another one",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "name a file on another disk, or send it on: trunkline backup - | ssh HOST 'cat > FILE'"
        }
        _ => "name a file where the server's user may write, or send it on: trunkline backup - | ssh HOST 'cat > FILE'",
    }
}

/// Makes a data folder of a backup.
pub fn run_restore(arguments: &RestoreArguments, globals: &Globals) -> anyhow::Result<Exit> {
    let screen = globals.screen();
    let data = std::path::absolute(globals.data_folder())?;
    let began = Instant::now();
    let mut meter = Meter::new(screen, "restored");
    let mut show = |progress| meter.show(progress);
    let told = if arguments.file.as_os_str() == PIPE {
        restore(std::io::stdin().lock(), &data, &mut show)
    } else {
        restore(opened(&arguments.file)?, &data, &mut show)
    };
    let told = told.map_err(|error| unrestored(error, &arguments.file))?;
    if screen.json() {
        screen.print_json(&object(&data, &told, began.elapsed().as_secs_f64()))?;
    } else {
        let taken = screen.out.clock.ago(told.manifest.taken_at);
        let words = format!("{}: {} and {}, as they were {taken}", data.display(), entries(&told), count(told.files as usize, "file"));
        screen.print(&format!("{}\nroot {}", screen.out.paint.mark(Mark::Passed, &words), told.manifest.root))?;
    }
    // The record of an old backup ends long ago, which a start would otherwise ask about.
    let old = screen.out.clock.now.since(told.manifest.taken_at) > OLD_AFTER;
    let accept = if old { " --accept-clock" } else { "" };
    let folder = quoted(&data.display().to_string());
    screen.note(&format!("next: stop the old server if one still runs, then trunkline serve --data {folder}{accept}"));
    screen.note(&format!("it begins in safe mode: runs go on, nothing is deployed until you say trunkline resume --data {folder}"));
    if !told.manifest.secrets {
        screen.note("the backup holds no tokens: the server makes a new one for you");
    }
    Ok(Exit::Good)
}

/// The file of a backup.
fn opened(file: &Path) -> Result<File, Failure> {
    let open = || {
        let opened = File::open(file)?;
        // A folder can be opened, and is then no backup in words that help nobody.
        if opened.metadata()?.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { Ok(opened) }
    };
    open().map_err(|error: std::io::Error| {
        Failure::new(Code::FileUnreadable, "the backup cannot be read")
            .place(file.display())
            .why(error)
            .help("name the file that trunkline backup wrote, or - to read it from a pipe; nothing was changed")
    })
}

fn with_causes(mut failure: Failure, error: &BackupError) -> Failure {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        failure = failure.why(cause);
        source = cause.source();
    }
    failure
}

fn written(error: BackupError) -> Failure {
    let failure = match &error {
        BackupError::Io(path, _) => Failure::new(Code::Backup, "the backup cannot be written").place(path.display()),
        other => Failure::new(Code::Backup, other.to_string()),
    };
    with_causes(failure, &error).help("it needs the rights of the server's user, and room for a copy of the database")
}

fn unrestored(error: BackupError, file: &Path) -> Failure {
    let failure = match &error {
        BackupError::Damaged { what, place } => Failure::new(Code::BackupDamaged, format!("the backup is refused: {what}"))
            .place(format!("{}, {place}", file.display()))
            .help("nothing was changed; take an older backup, or another copy of this one"),
        BackupError::NoBackup(_) => Failure::new(Code::BackupDamaged, error.to_string())
            .place(file.display())
            .help("name the file that trunkline backup wrote; nothing was changed"),
        BackupError::Format(_) => Failure::new(Code::BackupDamaged, error.to_string()).place(file.display()),
        BackupError::NotEmpty(folder) => Failure::new(Code::RestoreFolder, "a backup is restored into a folder that is missing or empty")
            .place(folder.display())
            .help("name another one with --data, or move this one away"),
        BackupError::NoRoom { needed, free } => {
            Failure::new(Code::RestoreFolder, format!("the backup needs {}, {} are free there", bytes(*needed), bytes(*free)))
        }
        BackupError::Io(path, _) => Failure::new(Code::RestoreFolder, "the folder cannot be written").place(path.display()),
        BackupError::Store(_) => Failure::new(Code::BackupDamaged, "the backup's record cannot be read").place(file.display()),
        BackupError::Write(_) => Failure::new(Code::RestoreFolder, error.to_string()),
    };
    with_causes(failure, &error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_written_is_told_as_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "x").unwrap();
        for (place, help) in [("nowhere/x.backup", "its folder must be there"), ("file/x.backup", "its folder must be there")] {
            let file = folder.path().join(place);
            let wanted = Wanted {
                data: folder.path(),
                scratch: folder.path(),
                version: "1",
                now: trunkline_domain::foundation::Timestamp(0),
                secrets: false,
            };
            let failure = to_file(&Screen::new(crate::render::Wish::default()), &file, wanted).unwrap_err();
            assert_eq!(failure.place.as_deref(), Some(file.to_str().unwrap()));
            assert!(failure.help.as_ref().is_some_and(|said| said.starts_with(help)), "{failure:?}");
            assert!(!format!("{failure:?}").contains(".trunkline-backup-"), "{failure:?}");
        }
    }

    #[test]
    fn a_backup_that_is_not_there_is_told_with_what_helps() {
        let folder = tempfile::tempdir().unwrap();
        for file in [folder.path().join("nofile"), folder.path().to_owned()] {
            let failure = opened(&file).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.place.as_deref()), ("TL0210", file.to_str()));
            assert!(failure.help.is_some_and(|help| help.contains("trunkline backup")));
        }
    }
}
