//! The pages of the server's error codes, TL0500 to TL0599.

macro_rules! pages {
    ($($code:literal)*) => {
        /// Every code that the server gives out, with its page.
        pub const PAGES: &[(&str, &str)] = &[$(($code, include_str!(concat!("../../../docs/errors/", $code, ".md"))),)*];
    };
}

pages! { "TL0501" "TL0502" "TL0503" "TL0504" "TL0505" "TL0506" "TL0510" "TL0511" "TL0520" "TL0521" "TL0522" "TL0523" "TL0524" }

/// The page of a code.
pub fn explain(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(own, _)| own.eq_ignore_ascii_case(code)).map(|(_, page)| *page)
}

#[cfg(test)]
mod tests {
    use super::PAGES;
    use std::path::{Path, PathBuf};

    /// The source of the server without its tests. Read from the folder: a file that is new cannot be forgotten.
    fn sources(folder: &Path) -> String {
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let is_source = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // What lists the pages uses none of them.
            !name.starts_with("tests") && name != "sample.rs" && name != "explain.rs"
        };
        let read = |path: &PathBuf| match path.is_dir() {
            true => sources(path),
            false if path.extension().is_some_and(|extension| extension == "rs") => {
                let source = std::fs::read_to_string(path).unwrap();
                source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
            }
            false => String::new(),
        };
        paths.iter().filter(is_source).map(read).collect()
    }

    /// Every `"TL05xx"` that the server gives out has a page, and no page is without use.
    #[test]
    fn every_code_has_its_page() {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        for (index, _) in sources.match_indices("TL05") {
            let code = &sources[index..index + 6];
            assert!(PAGES.iter().any(|(own, _)| *own == code), "{code} has no page");
        }
        for (code, page) in PAGES {
            assert!(sources.contains(code), "{code} is not used");
            assert!(page.starts_with(&format!("# {code}: ")) && page.contains("## What to do"), "{code}");
        }
    }
}
