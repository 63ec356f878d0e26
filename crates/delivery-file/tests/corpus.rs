//! The corpus: each `.yaml` beside the `.txt` that reading it must print. `UPDATE_EXPECTED=1 cargo test` writes them anew.

use std::path::{Path, PathBuf};
use trunkline_delivery_file::{outline, read, render};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("the corpus is here").map(|entry| entry.expect("the corpus can be listed").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(!files.is_empty());
    files
}

fn assert_printed(path: &Path, printed: &str) {
    let expected_path = path.with_extension("txt");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&expected_path, printed).expect("the corpus can be written");
    }
    let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
    assert!(printed == expected, "{}: printed\n{printed}\nbut expected\n{expected}", path.display());
}

#[test]
fn bad_files_are_refused_with_these_words() {
    for path in files("bad") {
        let text = std::fs::read(&path).unwrap();
        let (definition, diagnostics) = read(&text);
        assert!(definition.is_none(), "{} was accepted", path.display());
        assert_printed(&path, &render("trunkline.yaml", &text, &diagnostics));
    }
}

#[test]
fn good_files_are_read_with_these_words() {
    for path in files("good") {
        let text = std::fs::read(&path).unwrap();
        let (definition, diagnostics) = read(&text);
        let said = render("trunkline.yaml", &text, &diagnostics);
        let definition = definition.unwrap_or_else(|| panic!("{} was refused\n{said}", path.display()));
        assert_printed(&path, &format!("{}\n{said}", outline(&definition).join("\n")));
    }
}

/// `docs/delivery-file.md` is made, not written.
#[test]
fn the_reference_page_is_the_table_of_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/delivery-file.md");
    let made = trunkline_delivery_file::reference();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &made).expect("the page can be written");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == made, "docs/delivery-file.md is outdated: UPDATE_EXPECTED=1 cargo test -p trunkline-delivery-file");
}
