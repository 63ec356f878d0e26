//! Texts that would do something if anything but a person read them, and how each place writes them down.

use std::collections::BTreeSet;

/// What a text would bring about: a file of this name, wherever it is obeyed.
pub fn canary() -> String {
    format!("canary-{}", std::process::id())
}

/// A shell's words that make the file, with and without a space, which no ref holds.
const COMMANDS: [&str; 3] = ["touch CANARY", "touch${IFS}CANARY", ">CANARY"];

/// Ways into a shell, or into another program that starts one. `§` is the command.
const WAYS: [&str; 75] = [
    "$(§)",
    "`§`",
    ";§",
    "; § ;",
    "|§",
    "| § |",
    "||§",
    "&§",
    "&&§",
    "&& § &&",
    "\n§\n",
    "\r\n§\r\n",
    "';§;'",
    "\";§;\"",
    "'$(§)'",
    "\"$(§)\"",
    "'\"$(§)\"'",
    "\"'`§`'\"",
    "')§;('",
    "$($(echo${IFS}§))",
    "${x:-$(§)}",
    "${x:-`§`}",
    "$((a[$(§)]))",
    "<(§)",
    ">(§)",
    "\\$(§)",
    "\\`§\\`",
    "\\\n§",
    "#\n§",
    "a';§'",
    "%0a§",
    "%60§%60",
    "$'\\x3b'§",
    "$IFS;§",
    "*;§",
    "~;§",
    "!§",
    "{;§;}",
    "(§)",
    "if§",
    "eval§",
    "--upload-pack=§",
    "--receive-pack=§",
    "--exec=§",
    "-oProxyCommand=§",
    "-c core.sshCommand=§",
    "-ccore.pager=§",
    "--config-env=§",
    "ext::sh -c §",
    "ext::§",
    "fd::17/§",
    "ssh://-oProxyCommand=§/x",
    "@{§}",
    "@{-1}§",
    ":(glob)§",
    ":(attr:§)",
    ":/§",
    "^§",
    "§^{/a}",
    "${{ § }}",
    "${{ '$(§)' }}",
    "{{§}}",
    "{%§%}",
    "<%= `§` %>",
    "#{`§`}",
    "__import__('os').system('§')",
    "');require('child_process').execSync('§');('",
    "'; SELECT '§'; --",
    "<script>fetch('§')</script>",
    "\"><img src=x onerror=\"§\">",
    "\x1b]0;§\x07",
    "\x1b[31m$(§)\x1b[0m",
    "\u{202e}$(§)\u{202c}",
    "::set-output name=x::§",
    "=cmd|'§'!A1",
];

/// What stands before a way.
const LEADS: [&str; 2] = ["", "fix"];

/// Texts without a command, which break something else.
const OTHERS: [&str; 72] = [
    "-",
    "--",
    "--help",
    "-rf",
    "-n",
    "--output=CANARY",
    "-oCANARY",
    "--template=CANARY",
    ".",
    "..",
    "...",
    "../CANARY",
    "../../../../CANARY",
    "..\\..\\CANARY",
    "%2e%2e%2fCANARY",
    "a/../../CANARY",
    "./CANARY/..",
    ".git",
    ".git/hooks/post-receive",
    "a.lock",
    "a.",
    "/",
    "//",
    "/etc/passwd",
    "file:///etc/passwd",
    "$HOME",
    "$0",
    "$*",
    "${PATH}",
    "%s%n%x%d",
    "%00",
    "%",
    "%ff",
    "\\",
    "\\0",
    "\\u0000",
    "'",
    "\"",
    "`",
    "*",
    "?",
    "[a-z]",
    "~root",
    "^",
    "@",
    "@{-1}",
    "@{upstream}",
    "HEAD",
    "refs/heads/main",
    ":(exclude)*",
    "A=1",
    "TRUNKLINE_RUN=x",
    "{{7*7}}",
    "${{ change.revision }}",
    "<svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "&lt;b&gt;&amp;",
    "<!--",
    "]]>",
    " leading",
    "trailing ",
    "tab\there",
    "nul\0here",
    "bell\x07",
    "\x1b[2J\x1b[H",
    "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
    "\u{9b}31mred",
    "\u{2066}isolate\u{2069}",
    "line\u{2028}and\u{2029}paragraph",
    "\u{61c}\u{200f}mark",
    "\u{feff}Ünïcödé 検査 👍🏽",
];

/// Every text once, always in the same order.
pub fn texts() -> Vec<String> {
    let ways = WAYS.iter().flat_map(|way| COMMANDS.iter().map(move |command| way.replace('§', command)));
    let led = ways.flat_map(|text| LEADS.iter().map(move |lead| format!("{lead}{text}")));
    let long = [format!("$(touch CANARY){}", "a".repeat(3_000)), "../".repeat(300), "👍".repeat(300)];
    let all = led.chain(OTHERS.iter().map(|text| (*text).to_owned())).chain(long);
    let (mut seen, canary) = (BTreeSet::new(), canary());
    let texts: Vec<String> = all.map(|text| text.replace("CANARY", &canary)).filter(|text| seen.insert(text.clone())).collect();
    assert!(texts.len() >= 500, "only {} texts", texts.len());
    texts
}

/// The texts that a place takes, of which there must be so many.
pub fn fitting(least: usize, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let texts: Vec<String> = texts().into_iter().filter(|text| fits(text)).collect();
    assert!(texts.len() >= least, "only {} of them fit", texts.len());
    texts
}

/// Whether a text is the name of a thing of Trunkline's: the least of what all of these demand.
pub fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// A scalar of YAML that is this text.
pub fn yaml(text: &str) -> String {
    let sign = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        c => format!("\\U{:08x}", u32::from(c)),
    };
    format!("\"{}\"", text.chars().map(sign).collect::<String>())
}

/// One part of an address that is this text.
pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What a page shows of a text.
pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    text.chars().map(|c| if obeyed(c) && !matches!(c, '\t' | '\r') { '\u{fffd}' } else { c }).collect()
}

/// Whether a terminal does what this character says, or reads on in the other direction. A list of this test's own.
pub fn obeyed(c: char) -> bool {
    let control = matches!(c, '\0'..='\x09' | '\x0b'..='\x1f' | '\x7f'..='\u{9f}');
    control || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Fails if a terminal would obey anything of it. Tabs part the columns of a table that is no terminal's.
pub fn assert_shown(text: &str, what: &str) {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| *c != '\t' && obeyed(*c)) {
        let start = text.floor_char_boundary(at.saturating_sub(80));
        let end = text.ceil_char_boundary(at + 80);
        panic!("{what} holds a raw {c:?}: {:?}", &text[start..end]);
    }
}
