//! The shop that the demo delivers: the files of `examples/shop`, with addresses that are free here.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

macro_rules! files {
    ($($name:literal $mode:literal)*) => {
        const FILES: &[(&str, u32, &str)] =
            &[$(($name, $mode, include_str!(concat!("../../../../../examples/shop/", $name))),)*];
    };
}

files! {
    "trunkline.yaml" 0o644
    "README.md" 0o644
    ".gitignore" 0o644
    "build.sh" 0o755
    "smoke.sh" 0o755
    "config/test.env" 0o644
    "config/qa.env" 0o644
    "config/production.env" 0o644
    "shop/server" 0o755
    "shop/price.py" 0o644
    "shop/page.html" 0o644
    "tests/run.py" 0o644
    "tests/smoke.py" 0o644
    "tests/test_price.py" 0o644
}

/// The ports that the file of the example names, in the order of the environments.
const PORTS: [&str; 3] = ["8101", "8102", "8103"];

/// Writes the shop. Returns the ports of test, qa and production.
pub fn write(folder: &Path) -> std::io::Result<[u16; 3]> {
    // Held together, so that no two are the same; let go before the supervisors bind them.
    let held = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    for (name, mode, content) in FILES {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut content = (*content).to_owned();
        if *name == "trunkline.yaml" {
            for (example, port) in PORTS.iter().zip(ports) {
                content = content.replace(&format!("127.0.0.1:{example}"), &format!("127.0.0.1:{port}"));
            }
        }
        std::fs::write(&path, content)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode))?;
    }
    Ok(ports)
}

/// Replaces a text in a file of the shop. The text must be there once.
pub fn edit(folder: &Path, name: &str, from: &str, to: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path)?;
    anyhow::ensure!(text.matches(from).count() == 1, "'{from}' is not once in {name}");
    std::fs::write(path, text.replace(from, to))?;
    Ok(())
}
