//! `cargo xtask dist`: what a machine without Rust installs: a program, a Debian package, checksums.

use crate::tidy;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Links the C library in, so that the program needs nothing of the system's. glibc's, as everywhere else in our tests;
/// musl's allocator would cost speed, and its target has to be fetched.
const STATIC: &str = "-C target-feature=+crt-static";

/// Where it goes.
#[derive(clap::Args, Default)]
pub struct Arguments {
    /// Use this program instead of building one
    #[arg(long)]
    program: Option<PathBuf>,
    /// Where everything goes [default: target/dist]
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Makes everything.
pub fn run(arguments: &Arguments) -> Result<()> {
    make(arguments).map(drop)
}

/// The same; says which program is in it.
pub fn make(arguments: &Arguments) -> Result<PathBuf> {
    let target = crate::check::target_folder()?;
    let out = arguments.out.clone().unwrap_or_else(|| target.join("dist"));
    fs::create_dir_all(&out)?;
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => build(&target)?,
    };
    let version = version(&program)?;
    let name = format!("trunkline-{version}-{}-linux", std::env::consts::ARCH);
    let stage = tempfile::tempdir()?;
    let archive = archive(&program, stage.path(), &out, &name)?;
    let package = package(&program, stage.path(), &out, &version)?;
    let sums = call(Command::new("sha256sum").args([file_name(&archive), file_name(&package)]).current_dir(&out))?;
    fs::write(out.join("SHA256SUMS"), sums)?;
    for path in [&archive, &package, &out.join("SHA256SUMS")] {
        println!("{} {}", fs::metadata(path)?.len(), path.display());
    }
    Ok(program)
}

/// A static program. The target is named, since otherwise macros and build scripts would be linked so too, and cannot.
fn build(target: &Path) -> Result<PathBuf> {
    let host = host()?;
    let mut command = Command::new("cargo");
    command.args(["build", "--profile", "dist", "--locked", "--package", "trunkline", "--target", &host]).current_dir(tidy::root());
    command.env(format!("CARGO_TARGET_{}_RUSTFLAGS", host.to_uppercase().replace('-', "_")), STATIC);
    ensure!(command.status()?.success(), "the build failed; Debian's libc6-dev has the C library that is linked in");
    let program = target.join(&host).join("dist/trunkline");
    ensure!(is_static(&program)?, "{} still asks for the system's C library", program.display());
    starts_quickly(&program)?;
    Ok(program)
}

/// That it starts others by `posix_spawn` (`own_libc.rs`): a copy of a large process for each short step costs as much as
/// the step. Nothing but the kernel's calls shows it.
fn starts_quickly(program: &Path) -> Result<()> {
    if let Err(why) = crate::faults::may_trace() {
        println!("whether the program starts others quickly is not tried: {why}");
        return Ok(());
    }
    let calls = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("strace");
    // It asks git for its version, at least.
    command.args(["-f", "-qq", "-e", "trace=fork,vfork,clone,clone3", "-o"]).arg(calls.path()).arg(program).arg("doctor");
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).status()?;
    let calls = fs::read_to_string(calls.path())?;
    ensure!(calls.contains("CLONE_VFORK"), "no process was started: {calls}");
    let forks = |line: &&str| line.contains(" fork(") || line.contains("clone(child_stack=NULL");
    let fork = calls.lines().find(forks);
    ensure!(fork.is_none(), "{} starts processes by fork: {}", program.display(), fork.unwrap_or_default());
    Ok(())
}

/// `x86_64-unknown-linux-gnu`.
fn host() -> Result<String> {
    let said = call(Command::new("rustc").arg("-vV"))?;
    let said = String::from_utf8_lossy(&said);
    said.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc says no host")
}

fn version(program: &Path) -> Result<String> {
    let said = call(Command::new(program).args(["version", "--json"]))?;
    let said: serde_json::Value = serde_json::from_slice(&said)?;
    said["version"].as_str().map(str::to_owned).context("the program says no version")
}

/// `trunkline-0.1.0-x86_64-linux.tar.gz`: program, licences, manual pages.
fn archive(program: &Path, stage: &Path, out: &Path, name: &str) -> Result<PathBuf> {
    let folder = stage.join(name);
    put(program, &folder.join("bin/trunkline"), 0o755)?;
    manual(program, &folder.join("share/man/man1"))?;
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
        put(&tidy::root().join(file), &folder.join(file), 0o644)?;
    }
    put(&tidy::root().join("packaging/trunkline.service"), &folder.join("lib/systemd/trunkline.service"), 0o644)?;
    let archive = out.join(format!("{name}.tar.gz"));
    call(
        Command::new("tar")
            .args(["--owner=0", "--group=0", "--sort=name", "--mtime=@0", "-czf"])
            .arg(&archive)
            .arg("-C")
            .arg(stage)
            .arg(name),
    )?;
    Ok(archive)
}

/// `trunkline_0.1.0_amd64.deb`.
fn package(program: &Path, stage: &Path, out: &Path, version: &str) -> Result<PathBuf> {
    let root = stage.join("deb");
    let debian = tidy::root().join("packaging/debian");
    put(program, &root.join("usr/bin/trunkline"), 0o755)?;
    put(&tidy::root().join("packaging/trunkline.service"), &root.join("usr/lib/systemd/system/trunkline.service"), 0o644)?;
    put(&debian.join("sysusers.conf"), &root.join("usr/lib/sysusers.d/trunkline.conf"), 0o644)?;
    manual(program, &root.join("usr/share/man/man1"))?;
    for (shell, place) in [
        ("bash", "usr/share/bash-completion/completions/trunkline"),
        ("zsh", "usr/share/zsh/vendor-completions/_trunkline"),
        ("fish", "usr/share/fish/vendor_completions.d/trunkline.fish"),
    ] {
        let script = call(Command::new(program).args(["completion", shell]))?;
        write(&root.join(place), &script, 0o644)?;
    }
    let licences = ["LICENSE-APACHE", "LICENSE-MIT"].map(|file| fs::read_to_string(tidy::root().join(file)).unwrap_or_default());
    write(&root.join("usr/share/doc/trunkline/copyright"), licences.join("\n").as_bytes(), 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        put(&debian.join(script), &root.join("DEBIAN").join(script), 0o755)?;
    }
    write(&root.join("DEBIAN/control"), control(version, &root)?.as_bytes(), 0o644)?;
    let package = out.join(format!("trunkline_{version}_{}.deb", architecture()?));
    call(Command::new("dpkg-deb").args(["--build", "--root-owner-group"]).arg(&root).arg(&package))
        .context("a Debian package is built with dpkg-deb (package dpkg)")?;
    Ok(package)
}

fn control(version: &str, root: &Path) -> Result<String> {
    let size = call(Command::new("du").arg("-sk").arg(root.join("usr")))?;
    let size = String::from_utf8_lossy(&size).split_whitespace().next().unwrap_or("0").to_owned();
    Ok(format!(
        "Package: trunkline\nVersion: {version}\nArchitecture: {}\nMaintainer: The Trunkline authors <authors@trunkline.example>\nInstalled-Size: {size}\n\
         Depends: git (>= 1:2.38){}\nRecommends: openssh-client\nSection: devel\nPriority: optional\n\
         Description: brings commits to production, and can prove how they got there\n \
         Server, git host, runner, command line and pages in one program, with one\n record from commit to production that can be verified offline.\n",
        architecture()?,
        if is_static(&root.join("usr/bin/trunkline"))? { "" } else { ", libc6 (>= 2.36)" },
    ))
}

fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("no name of Debian's is known for {other}"),
    }
}

/// Whether the program asks for no interpreter, which is what loads the C library.
fn is_static(program: &Path) -> Result<bool> {
    let bytes = fs::read(program)?;
    let head = &bytes[..bytes.len().min(4096)];
    Ok(!head.windows(8).any(|part| part == b"ld-linux"))
}

fn manual(program: &Path, folder: &Path) -> Result<()> {
    call(Command::new(program).arg("man").arg(folder))?;
    for page in fs::read_dir(folder)? {
        call(Command::new("gzip").args(["-9n"]).arg(page?.path()))?;
    }
    Ok(())
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    write(to, &fs::read(from).with_context(|| from.display().to_string())?, mode)
}

fn write(to: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
    fs::write(to, bytes)?;
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
}

fn file_name(path: &Path) -> &std::ffi::OsStr {
    path.file_name().unwrap_or_default()
}

fn call(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(output.stdout)
}
