//! F4: the disk of the data folder is filled to the last byte while a job runs.

use super::{Ground, check};
use crate::bench::Server;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Size of the disk.
const DISK_MIB: u64 = 256;
/// The server has this long to notice that there is room again.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// Rounds at most: each takes about three seconds.
const ROUNDS_MAX: u32 = 20;

/// Fills it so often.
pub fn run(ground: &Ground) -> Result<Value> {
    let disk = match Disk::mount(&ground.folder.join("disk")) {
        Ok(disk) => disk,
        Err(error) => return Ok(json!({ "not_tried": format!("{error:#}") })),
    };
    let rounds = ground.count.clamp(1, ROUNDS_MAX);
    let data = disk.0.join("data");
    let server = Server::start(&ground.program, &data)?;
    let scene = Scene { started: ground.folder.join("started"), go: ground.folder.join("go"), filler: disk.0.join("filler") };
    let repository = server.project("shop", &ground.folder.join("source"), &scene.delivery_file())?;
    let (mut acknowledged, mut refused, mut back) = (Vec::new(), 0, Vec::new());
    for round in 0..rounds {
        let _ = (fs::remove_file(&scene.go), fs::remove_file(&scene.started));
        repository.commit()?;
        repository.push("trunkline")?;
        let running = repository.head()?;
        acknowledged.push(running.clone());
        wait(|| Ok(scene.started.exists()), Duration::from_secs(20)).context("the job does not start")?;
        scene.fill()?;
        wait(|| is_full(&server), Duration::from_secs(10)).context("the server does not notice the full disk")?;
        repository.commit()?;
        let pushed = repository.push("trunkline");
        ensure!(
            pushed.as_ref().is_err_and(|error| error.to_string().contains("is full")),
            "round {round}: a push on a full disk: {pushed:?}"
        );
        refused += 1;
        if round % 2 == 1 {
            // A log of this age is spooled to the disk, on which there is no room.
            std::thread::sleep(Duration::from_millis(1_300));
        }
        // Its outcome must be recorded while not a byte is free.
        File::create(&scene.go)?;
        let outcome = server.until(|| {
            let found = server.get(&format!("projects/shop/where/{running}"))?;
            Ok((!found["run"]["result"].is_null()).then(|| found["run"]["result"].clone()))
        })?;
        ensure!(outcome == "passed", "round {round}: the job passed, the record says {outcome}");
        ensure!(is_full(&server)?, "round {round}: the disk is full, the server says otherwise");
        fs::remove_file(&scene.filler)?;
        back.push(wait(|| is_full(&server).map(|full| !full), BACK_WITHIN).context("the server does not come back")?.as_secs_f64());
        repository.push("trunkline").context("a push once there is room")?;
        acknowledged.push(repository.head()?);
        let passed = check::runs(&server, &acknowledged)?.passed;
        ensure!(passed == acknowledged.len(), "round {round}: {passed} of {} runs passed", acknowledged.len());
    }
    drop(server);
    let entries = check::ledger(&ground.program, &data)?;
    back.sort_by(f64::total_cmp);
    let slowest = back.last().copied().unwrap_or_default();
    Ok(json!({
        "rounds": rounds, "outcomes_while_full": rounds, "lost": 0, "pushes_refused": refused, "runs_passed": acknowledged.len(),
        "back_after_ms_max": (slowest * 1000.0).round(), "entries": entries,
    }))
}

fn is_full(server: &Server) -> Result<bool> {
    Ok(!server.get("status")?["disk_full"].is_null())
}

/// How long it took.
fn wait(mut ask: impl FnMut() -> Result<bool>, within: Duration) -> Result<Duration> {
    let started = Instant::now();
    while !ask()? {
        ensure!(started.elapsed() < within, "not within {} s", within.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(started.elapsed())
}

struct Scene {
    /// The job has begun.
    started: PathBuf,
    /// The job may end.
    go: PathBuf,
    /// What fills the disk.
    filler: PathBuf,
}

impl Scene {
    fn delivery_file(&self) -> String {
        let (started, go) = (self.started.display(), self.go.display());
        format!(
            "on: push\njobs:\n  work: {{ sandbox: host, run: 'echo begun > {started}; while ! test -e {go}; do sleep 0.02; done; echo done' }}\n"
        )
    }

    /// Leaves not a byte.
    fn fill(&self) -> Result<()> {
        let mut file = File::create(&self.filler)?;
        let mut size = 1 << 20;
        let bytes = vec![1; size];
        while size > 0 {
            match file.write(&bytes[..size]) {
                Ok(0) => bail!("nothing could be written, and no error says why"),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => size /= 2,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// A small disk of its own, in memory.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let size = format!("size={DISK_MIB}m");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output().context("mount")?;
        ensure!(output.status.success(), "a small disk cannot be mounted: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what still has a file open there loses it later.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
