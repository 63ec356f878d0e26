//! The clocks of the programs that are tried: the wall clock can be moved, boottime runs faster. Product code knows
//! nothing of it: a small library stands before the C library's calls.

use anyhow::{Context, Result, ensure};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How fast leases and deadlines go. The server looks at them twice a second, and takes more than ten seconds between
/// two looks for a sleep of the machine: faster than this it would see nothing but sleep.
pub const SPEED: i64 = 10;
/// How long a lease is kept without a renewal, in seconds of the fast clock.
pub const LOST_AFTER: f64 = trunkline_api::runner::LOST_AFTER.0 as f64 / 1000.0;

/// Clocks shared by every program that was told of them.
pub struct Clock {
    library: PathBuf,
    told: PathBuf,
    file: File,
    /// How fast boottime runs.
    pub speed: i64,
}

impl Clock {
    /// Clocks whose boottime runs this fast. Fails where the library cannot be made, or the program does not take it.
    pub fn new(folder: &Path, program: &Path, speed: i64) -> Result<Self> {
        let (source, library, told) = (folder.join("clock.c"), folder.join("clock.so"), folder.join("clock"));
        fs::write(&source, include_str!("clock.c"))?;
        let output = Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).args([&library, &source]).output();
        let output = output.context("there is no C compiler")?;
        ensure!(output.status.success(), "the clock does not compile: {}", String::from_utf8_lossy(&output.stderr));
        let uptime = fs::read_to_string("/proc/uptime")?;
        let seconds: f64 = uptime.split(' ').next().unwrap_or_default().parse()?;
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&told)?;
        let numbers = [0, (seconds * 1e9) as i64, speed, 0];
        file.write_all_at(&numbers.map(i64::to_ne_bytes).concat(), 0)?;
        let clock = Self { library, told, file, speed };
        clock.reaches(program)?;
        Ok(clock)
    }

    /// A program that is linked statically would go by the real clocks, and the figures would tell nothing.
    fn reaches(&self, program: &Path) -> Result<()> {
        let mut command = Command::new(program);
        self.tell(&mut command);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 24)?;
        ensure!(i64::from_ne_bytes(bytes) > 0, "the program calls the kernel itself for the time, so that it cannot be told another");
        Ok(())
    }

    /// Lets a program go by these clocks.
    pub fn tell(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("FAULTS_CLOCK", &self.told);
    }

    /// Moves the wall clock to so many seconds from the real one.
    pub fn wall(&self, seconds: i64) -> Result<()> {
        Ok(self.file.write_all_at(&(seconds * 1_000_000_000).to_ne_bytes(), 0)?)
    }
}
