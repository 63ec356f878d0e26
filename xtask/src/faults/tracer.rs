//! The real program under `strace`, which sees every system call and can make one of them fail.

use crate::bench::Server;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A trace of one run.
pub struct Tracer {
    /// Which calls: a list as strace takes it.
    pub calls: String,
    /// Only those on these files; all if empty.
    pub paths: Vec<PathBuf>,
    /// A call that fails, as strace's `inject=` takes it.
    pub inject: Option<String>,
    /// Further options.
    pub options: Vec<String>,
    /// Where the trace is written.
    pub log: PathBuf,
}

/// Whether strace is here and may trace.
pub fn is_allowed() -> Result<()> {
    let output = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).stdin(Stdio::null()).output();
    let output = output.context("strace is not installed; on Debian: apt-get install strace")?;
    ensure!(output.status.success(), "strace may not trace here: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

impl Tracer {
    /// Starts a server with so many slots. The server keeps its own process id: the tracer stands beside it.
    pub fn serve(&self, program: &Path, data: &Path, slots: u32) -> Result<Server> {
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-qq", "--seccomp-bpf", "-o"]).arg(&self.log).arg("-e").arg(format!("trace={}", self.calls));
        command.args(self.options.iter());
        for path in &self.paths {
            command.arg("-P").arg(path);
        }
        if let Some(inject) = &self.inject {
            command.arg("-e").arg(format!("inject={inject}"));
        }
        command.arg("--").arg(program);
        command.stderr(Stdio::null());
        Server::start_by(command, program, data, &["--listen", "127.0.0.1:0", "--slots", &slots.to_string()])
    }
}
