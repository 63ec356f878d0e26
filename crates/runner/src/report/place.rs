//! Where a failed test stands: file and line, from attributes or from what the message says.

/// The most telling place in a message or stack trace: `File "x.py", line 12`, `tests/test_x.py:12`, `src/a.rs:88:5`.
///
/// The last place in a Python trace is where it failed; elsewhere the first one is. Places in libraries are passed over.
pub fn in_text(text: &str) -> Option<(String, u32)> {
    let python = text.lines().filter_map(python_frame).rfind(|(file, _)| !is_library(file));
    python.or_else(|| text.lines().flat_map(str::split_whitespace).filter_map(colon_pair).find(|(file, _)| !is_library(file)))
}

/// `File "tests/test_x.py", line 12, in test_y`
fn python_frame(line: &str) -> Option<(String, u32)> {
    let rest = line.trim_start().strip_prefix("File \"")?;
    let (file, rest) = rest.split_once("\", line ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((file.to_owned(), digits.parse().ok()?))
}

/// `src/a.rs:88:5`, `(Price.java:12)`, `tests/test_x.py:12:`
fn colon_pair(word: &str) -> Option<(String, u32)> {
    let word = word.rsplit_once('(').map_or(word, |(_, inside)| inside);
    let (file, rest) = word.trim_start_matches(['\'', '"', '`', '[']).split_once(':')?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let extension = file.rsplit_once('.').map(|(_, extension)| extension)?;
    let is_file = !extension.is_empty() && extension.len() <= 5 && extension.chars().all(|c| c.is_ascii_alphanumeric());
    // 127.0.0.1:8080 is no file.
    let is_file = is_file && extension.starts_with(|c: char| c.is_ascii_alphabetic()) && file.len() <= 300;
    let line = digits.parse().ok().filter(|line| *line > 0)?;
    is_file.then(|| (file.to_owned(), line))
}

fn is_library(file: &str) -> bool {
    ["/usr/", "/rustc/", "<", "/opt/"].iter().any(|start| file.starts_with(start))
        || ["site-packages/", "node_modules/", "/unittest/"].iter().any(|part| file.contains(part))
}
