//! `cargo xtask tidy`: the house rules that a compiler does not know.

use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which crate may use which. `domain ← {delivery-file, api} ← {engine, runner} ← {store, server} ← trunkline`; `sim ← xtask`.
const EDGES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("delivery-file", &["domain"]),
    ("init", &["domain", "delivery-file"]),
    ("api", &["domain"]),
    ("page", &["domain", "api"]),
    ("engine", &["domain", "api"]),
    ("runner", &["domain", "api"]),
    ("store", &["domain", "engine"]),
    ("server", &["domain", "api", "page", "engine", "delivery-file", "runner", "store"]),
    ("trunkline", &["domain", "api", "engine", "delivery-file", "init", "runner", "store", "server"]),
    ("sim", &["domain", "api", "engine", "store"]),
    ("xtask", &["domain", "api", "engine", "delivery-file", "runner", "store", "server", "sim"]),
];

/// Crates without input, output, clocks or entropy.
const PURE: &[&str] = &["domain", "delivery-file", "api", "page"];
/// Words that a pure crate does not say.
const IMPURE: &[&str] =
    &["tokio", "std::fs", "std::net", "std::process", "std::env", "std::thread", "SystemTime", "Instant::now", "getrandom"];

/// Lines of a source file, without its tests.
const FILE_LINES_MAX: usize = 400;
/// Files that are longer, each with the size that it may not pass: a ratchet, to be lowered.
const LONGER: &[(&str, usize)] = &[];
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 60;
/// Lines of a crate.
const CRATE_LINES_MAX: usize = 15_000;
/// Lines of the domain.
const DOMAIN_LINES_MAX: usize = 20_000;

/// Checks everything and tells all problems at once.
pub fn run() -> anyhow::Result<()> {
    let root = root();
    let mut problems = Vec::new();
    for (name, edges) in EDGES {
        let folder = folder(&root, name);
        edges_of(&folder, name, edges, &mut problems)?;
        let mut lines = 0;
        for file in rust_files(&folder)? {
            lines += source_file(&root, name, &file, &mut problems)?;
        }
        let max = if *name == "domain" { DOMAIN_LINES_MAX } else { CRATE_LINES_MAX };
        if lines > max {
            problems.push(format!("crate {name} has {lines} lines, more than {max}"));
        }
    }
    error_pages(&root, &mut problems)?;
    if problems.is_empty() {
        println!("tidy: all is in its place");
        return Ok(());
    }
    for problem in &problems {
        eprintln!("tidy: {problem}");
    }
    bail!("{} house rules are broken", problems.len())
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

fn folder(root: &Path, name: &str) -> PathBuf {
    if name == "xtask" { root.join("xtask") } else { root.join("crates").join(name) }
}

fn edges_of(folder: &Path, name: &str, allowed: &[&str], problems: &mut Vec<String>) -> anyhow::Result<()> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).with_context(|| format!("the manifest of {name}"))?;
    let product = manifest.split("[dev-dependencies]").next().unwrap_or_default();
    for line in product.lines() {
        let Some(dependency) = line.strip_prefix("trunkline-").and_then(|rest| rest.split(['.', ' ', '=']).next()) else { continue };
        if !allowed.contains(&dependency) {
            problems.push(format!("crate {name} may not use {dependency}"));
        }
    }
    Ok(())
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn source_file(root: &Path, name: &str, path: &Path, problems: &mut Vec<String>) -> anyhow::Result<usize> {
    let text = fs::read_to_string(path)?;
    let place = path.strip_prefix(root)?.display().to_string();
    // Tests of their own file may be as long as they need.
    let is_test = path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests.rs" | "tests" | "sample.rs")));
    let product = if is_test { "" } else { text.split("#[cfg(test)]\nmod ").next().unwrap_or_default() };
    let is_included = place.contains("/tests/");
    if !is_test && !is_included && !text.starts_with("//!") {
        problems.push(format!("{place} does not begin with what lives here (//!)"));
    }
    let lines = product.lines().count();
    let max = LONGER.iter().find(|(file, _)| *file == place).map_or(FILE_LINES_MAX, |(_, max)| *max);
    if lines > max {
        problems.push(format!("{place} has {lines} lines, more than {max}"));
    }
    functions(&place, product, problems);
    if PURE.contains(&name) {
        for word in IMPURE.iter().filter(|word| product.contains(**word)) {
            problems.push(format!("{place} says {word}, and {name} is pure"));
        }
    }
    Ok(text.lines().count())
}

/// Long functions. A function ends at the brace in the column of its `fn`, as rustfmt writes it.
fn functions(place: &str, text: &str, problems: &mut Vec<String>) {
    let mut open: BTreeMap<usize, (usize, String)> = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let trimmed = line.trim_start();
        if trimmed.contains("fn ") && !trimmed.starts_with("//") && (trimmed.ends_with('{') || trimmed.ends_with('(')) {
            let name = trimmed.split("fn ").nth(1).unwrap_or_default().split(['(', '<']).next().unwrap_or_default();
            open.insert(indent, (number, name.to_owned()));
        } else if trimmed.starts_with('}')
            && let Some((start, name)) = open.remove(&indent)
            && number - start > FUNCTION_LINES_MAX
        {
            problems.push(format!("{place}:{}: function {name} has {} lines, more than {FUNCTION_LINES_MAX}", start + 1, number - start));
        }
    }
}

/// Every `TLnnnn` that the source gives out has a page, and every page is given out.
fn error_pages(root: &Path, problems: &mut Vec<String>) -> anyhow::Result<()> {
    let mut sources = String::new();
    for (name, _) in EDGES {
        for file in rust_files(&folder(root, name))? {
            sources.push_str(&fs::read_to_string(file)?);
        }
    }
    let pages = root.join("docs/errors");
    for entry in fs::read_dir(&pages)? {
        let path = entry?.path();
        let code = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if !sources.contains(&code) {
            problems.push(format!("docs/errors/{code}.md explains a code that nothing gives out"));
        }
        if !fs::read_to_string(&path)?.starts_with(&format!("# {code}: ")) {
            problems.push(format!("docs/errors/{code}.md does not begin with '# {code}: '"));
        }
    }
    Ok(())
}
