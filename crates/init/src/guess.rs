//! Guessing from what lies in the folder.

use crate::draft::{Draft, Job};
use std::io::Read as _;
use std::path::Path;

/// What tells how a folder is tested: a file, and the commands.
const MARKS: [(&str, &[&str]); 13] = [
    ("Cargo.toml", &["cargo test"]),
    ("go.mod", &["go vet ./...", "go test ./..."]),
    ("pom.xml", &["mvn --batch-mode verify"]),
    ("build.gradle", &["./gradlew check"]),
    ("build.gradle.kts", &["./gradlew check"]),
    ("mix.exs", &["mix deps.get", "mix test"]),
    ("Gemfile", &["bundle install", "bundle exec rake test"]),
    ("composer.json", &["composer install --no-interaction", "vendor/bin/phpunit"]),
    ("configure", &["./configure", "make", "make check"]),
    ("configure.ac", &["autoreconf --install", "./configure", "make", "make check"]),
    ("CMakeLists.txt", &["cmake -S . -B build", "cmake --build build", "ctest --test-dir build --output-on-failure"]),
    ("meson.build", &["meson setup build", "meson test -C build"]),
    ("Makefile.PL", &["perl Makefile.PL", "make", "make test"]),
];

/// A first job.
pub fn guess(folder: &Path) -> Draft {
    let (found, commands, junit) = commands(folder);
    let steps = commands.iter().map(|command| (None, command.clone())).collect();
    let libtest = commands.iter().any(|command| command == "cargo test");
    let job = Job { name: "test".to_owned(), steps, junit, libtest, ..Job::default() };
    Draft { found, jobs: vec![job], ..Draft::default() }
}

fn commands(folder: &Path) -> (String, Vec<String>, Option<String>) {
    let has = |name: &str| folder.join(name).exists();
    let all = |commands: &[&str]| commands.iter().map(|command| (*command).to_owned()).collect::<Vec<_>>();
    let told = |mark: &str, commands: Vec<String>| (format!("{mark}: {}", commands.last().map_or("", String::as_str)), commands, None);
    if let Some((mark, commands)) = MARKS.iter().find(|(mark, _)| has(mark)) {
        return told(mark, all(commands));
    }
    if has("package.json") || has("package-lock.json") {
        return told("package.json", npm(folder));
    }
    if ["pyproject.toml", "setup.py", "requirements.txt"].into_iter().any(has)
        || holds_python(&folder.join("tests"))
        || !python_tests(folder).is_empty()
    {
        return python(folder);
    }
    // Last: many projects of the others have one for other things.
    if let Ok(text) = std::fs::read_to_string(folder.join("Makefile"))
        && let Some(target) = ["check", "test"].iter().find(|target| text.lines().any(|line| line.starts_with(&format!("{target}:"))))
    {
        return told("Makefile", vec![format!("make {target}")]);
    }
    ("nothing that tells how to test: fill in the job".to_owned(), Vec::new(), None)
}

/// A folder of tests may be of any language.
fn holds_python(folder: &Path) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| entry.path().extension().is_some_and(|kind| kind == "py"))
}

/// Files of tests that are looked into, and how far.
const PYTHON_TESTS_MAX: usize = 100;
const PYTHON_TEST_BYTES_MAX: u64 = 64 << 10;

/// What the files of tests in a folder say, as both unittest and pytest find them.
fn python_tests(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_test = |name: &str| name.starts_with("test") && name.ends_with(".py");
    let tests = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_test)).take(PYTHON_TESTS_MAX);
    let read = |path: &Path| -> std::io::Result<String> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(PYTHON_TEST_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    tests.filter_map(|entry| read(&entry.path()).ok()).collect()
}

/// Whether a file of tests needs pytest: unittest does not see a function outside a class.
fn wants_pytest(text: &str) -> bool {
    text.lines().any(|line| ["import pytest", "from pytest", "def test", "async def test"].iter().any(|start| line.starts_with(start)))
}

/// A job starts in a fresh workspace, where packages are not installed yet.
fn npm(folder: &Path) -> Vec<String> {
    let locked = folder.join("package-lock.json").exists();
    let steps: &[&str] = match (installs(&folder.join("package.json")), locked) {
        (false, _) => &["npm test"],
        (true, true) => &["npm ci", "npm test"],
        (true, false) => &["npm install", "npm test"],
    };
    steps.iter().map(|step| (*step).to_owned()).collect()
}

/// pytest where the project or its tests name it, else what every Python has.
fn python(folder: &Path) -> (String, Vec<String>, Option<String>) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let names_pytest = ["pyproject.toml", "setup.cfg", "tox.ini", "requirements.txt", "requirements-dev.txt"]
        .iter()
        .any(|name| read(name).contains("pytest"))
        || folder.join("pytest.ini").exists();
    let (in_root, in_tests) = (python_tests(folder), python_tests(&folder.join("tests")));
    if !names_pytest && !in_root.iter().chain(&in_tests).any(|text| wants_pytest(text)) {
        // From the root unittest looks only into folders that are packages.
        let below = in_root.is_empty() && !in_tests.is_empty() && !folder.join("tests/__init__.py").exists();
        let start = if below { " -s tests" } else { "" };
        return ("python tests".to_owned(), vec![format!("python3 -m unittest discover -v{start}")], None);
    }
    let mut commands = vec!["python3 -m venv .venv".to_owned()];
    let installs: Vec<&str> =
        [("requirements.txt", "-r requirements.txt"), ("requirements-dev.txt", "-r requirements-dev.txt"), ("pyproject.toml", ".")]
            .into_iter()
            .filter(|(name, _)| folder.join(name).exists())
            .map(|(_, argument)| argument)
            .collect();
    commands.push(format!(".venv/bin/pip install --quiet pytest {}", installs.join(" ")).trim_end().to_owned());
    commands.push(".venv/bin/python -m pytest --junit-xml=report.xml".to_owned());
    ("python tests with pytest".to_owned(), commands, Some("report.xml".to_owned()))
}

/// Whether npm has something to install or to prepare; where the file cannot be read, it may have.
fn installs(package: &Path) -> bool {
    const PACKAGES: [&str; 5] = ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "workspaces"];
    const SCRIPTS: [&str; 4] = ["preinstall", "install", "postinstall", "prepare"];
    let read = std::fs::read(package).ok().and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    let Some(read) = read else { return true };
    let holds = |key: &str| match &read[key] {
        serde_json::Value::Object(members) => !members.is_empty(),
        serde_json::Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    PACKAGES.into_iter().any(holds) || SCRIPTS.iter().any(|name| read["scripts"][name].is_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_delivery_file::{outline, read};

    #[test]
    fn every_guess_passes_the_check() {
        let marks = MARKS.iter().map(|(mark, _)| (*mark, ""));
        let others = [("package.json", ""), ("pyproject.toml", "[tool.pytest]"), ("Makefile", "test: build\n\ttrue\n"), ("nothing", "")];
        for (mark, content) in marks.chain(others) {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(mark), content).unwrap();
            let draft = guess(folder.path());
            let text = draft.text("shop");
            let (definition, diagnostics) = read(text.as_bytes());
            assert!(diagnostics.is_empty(), "{mark}: {diagnostics:?}\n{text}");
            assert!(outline(&definition.unwrap()).iter().any(|line| line.contains("test")));
            assert_eq!(draft.jobs[0].steps.is_empty(), mark == "nothing", "{mark}");
        }
    }

    #[test]
    fn a_folder_of_tests_is_pythons_only_with_python_in_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tests")).unwrap();
        std::fs::write(folder.path().join("tests/hello-1"), "#!/bin/sh\n").unwrap();
        assert!(commands(folder.path()).1.is_empty());
        std::fs::write(folder.path().join("tests/test_a.py"), "").unwrap();
        assert_eq!(commands(folder.path()).1, ["python3 -m unittest discover -v -s tests"]);
        std::fs::write(folder.path().join("tests/__init__.py"), "").unwrap();
        assert_eq!(commands(folder.path()).1, ["python3 -m unittest discover -v"]);
        // What configures itself says best how it is built.
        std::fs::write(folder.path().join("configure"), "").unwrap();
        assert_eq!(commands(folder.path()).1, ["./configure", "make", "make check"]);
    }

    #[test]
    fn tests_of_python_in_the_root_are_seen_and_tell_what_runs_them() {
        let table = [
            ("import unittest\nclass Price(unittest.TestCase):\n    def test_price(self): pass\n", "python3 -m unittest discover -v"),
            ("def test_price():\n    assert True\n", ".venv/bin/python -m pytest --junit-xml=report.xml"),
            ("import pytest\nclass TestPrice: pass\n", ".venv/bin/python -m pytest --junit-xml=report.xml"),
        ];
        for (text, last) in table {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("shop.py"), "def price(): pass\n").unwrap();
            assert!(commands(folder.path()).1.is_empty(), "no tests yet");
            std::fs::write(folder.path().join("test_shop.py"), text).unwrap();
            assert_eq!(commands(folder.path()).1.last().map(String::as_str), Some(last), "{text}");
        }
    }

    #[test]
    fn npm_installs_only_where_there_is_something_to_install() {
        let steps = |package: &str, locked: bool| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("package.json"), package).unwrap();
            if locked {
                std::fs::write(folder.path().join("package-lock.json"), "{}").unwrap();
            }
            npm(folder.path()).join(", ")
        };
        for package in [r#"{"scripts": {"test": "node --test"}}"#, r#"{"dependencies": {}, "workspaces": []}"#] {
            assert_eq!((steps(package, false), steps(package, true)), ("npm test".to_owned(), "npm test".to_owned()), "{package}");
        }
        for package in [r#"{"devDependencies": {"jest": "29"}}"#, r#"{"scripts": {"prepare": "tsc"}}"#, "not JSON"] {
            assert_eq!((steps(package, false), steps(package, true)), ("npm install, npm test".to_owned(), "npm ci, npm test".to_owned()));
        }
    }

    #[test]
    fn the_example_in_the_comments_passes_the_check_too() {
        let text = guess(Path::new("/nonexistent")).text("shop");
        let uncommented: String = text
            .lines()
            .skip_while(|line| !line.starts_with("# A job keeps"))
            .skip(2)
            .map(|line| line.strip_prefix("# ").or(line.strip_prefix('#')).unwrap_or(line).to_owned() + "\n")
            .collect();
        let uncommented = format!("name: shop\non: push\njobs:\n{uncommented}");
        let (_, diagnostics) = read(uncommented.as_bytes());
        assert!(diagnostics.is_empty(), "{diagnostics:?}\n{uncommented}");
    }
}
