//! The reference page: the table of keys as people read it. A test keeps `docs/delivery-file.md` equal to it.

use crate::keys;
use crate::shape::{Form, Key, Need, Shape};
use std::fmt::Write as _;
use trunkline_domain::expression;

/// The sections of the page, in order.
const SECTIONS: [(&str, &str, &Shape); 17] = [
    ("The file", "", &keys::FILE),
    ("on", "What starts a run. Also `on: push`.", &keys::ON),
    ("on.push", "", &keys::PUSH),
    ("on.manual", "", &keys::MANUAL),
    (
        "An input",
        "Scripts find it in `TRUNKLINE_INPUT_NAME`, in capitals and with `_` for `-`; expressions in `inputs.name`.",
        &keys::INPUT,
    ),
    ("defaults", "", &keys::DEFAULTS),
    (
        "A job",
        "Under `jobs`, by its name. It starts in a fresh workspace that equals its commit; what earlier jobs kept lies, by name, in the folder named by `TRUNKLINE_ARTIFACTS`.",
        &keys::JOB,
    ),
    ("A step", "Its text is handed to `sh -e` unchanged; values reach it only as environment variables.", &keys::STEP),
    ("An artifact", "", &keys::ARTIFACT),
    ("reports", "", &keys::REPORT),
    ("retry", "A lost runner is retried once even without this.", &keys::RETRY),
    ("release", "", &keys::RELEASE),
    ("An environment", "Under `environments`, by its name.", &keys::ENVIRONMENT),
    ("deploy, kind process", "Supervised instances on the runner. They outlive server and runner.", &keys::PROCESS),
    ("deploy, kind run", "Your own scripts, in a fresh folder that holds the release's artifacts and files.", &keys::RUN),
    ("verify, http", "Asks until the answer is as it should be.", &keys::HTTP_CHECK),
    ("verify, run", "", &keys::RUN_CHECK),
];

/// The page, in Markdown.
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    for (title, words, shape) in SECTIONS {
        section(&mut page, title, words, shape);
    }
    page.push_str(EXPRESSIONS);
    page.push_str("| name | meaning |\n|---|---|\n");
    for name in expression::names() {
        let _ = writeln!(page, "| `{}` | {} |", name.path, name.doc);
    }
    page.push_str(SCRIPTS);
    page
}

const HEAD: &str = "# The delivery file\n\n\
`trunkline.yaml` at the root of a repository says how its changes are built, tested, released and delivered.\n\
`trunkline check` shows every problem at once; `trunkline schema` prints a JSON Schema for editors; each error has a\n\
page: `trunkline explain TL0142`. A whole example: [examples/shop](../examples/shop).\n\n\
It is strict YAML 1.2: no tags, no anchors, no merge keys; unknown and duplicate keys are errors; only `true` and\n\
`false` are booleans. Durations are written `90s`, `15m`, `2h`, `7d`. At most 1 MiB, 5,000 jobs, 32 levels.\n\n\
This page is made from the table that the program reads files with.\n";

const EXPRESSIONS: &str = "\n## Expressions\n\n\
`if` and a `version` that is none of its words are CEL; `${{ … }}` puts a value into `env`, `http`, `json` and `text`,\n\
never into a script. Names and types are checked when the file is read. A condition that asks `needs` decides by\n\
itself; any other comes on top of the rule that everything needed has passed.\n\n";

const SCRIPTS: &str = "\n## What scripts see\n\n\
An environment of their own: `PATH`, an empty private `HOME` and `TMPDIR`, `CI=true`, the declared `env`, and\n\
`TRUNKLINE_PROJECT`, `_RUN`, `_REVISION`, `_VERSION`; in a deployment also `_RELEASE`, `_RELEASE_DIGEST`, `_ENVIRONMENT`,\n\
`_DEPLOYMENT`, `_FENCE`, `_PART`, and `_CONFIG`, which names a copy of the environment's configuration. A job says\n\
something to later ones by writing `name=value` lines to the file named by `TRUNKLINE_OUTPUT`. A workspace holds no\n\
`.git`.\n";

fn section(page: &mut String, title: &str, words: &str, shape: &Shape) {
    let _ = writeln!(page, "\n## {title}\n");
    if !words.is_empty() {
        let _ = writeln!(page, "{words}\n");
    }
    page.push_str("| key | value | meaning |\n|---|---|---|\n");
    for key in shape.keys {
        row(page, key);
    }
    if !shape.later.is_empty() {
        let names: Vec<String> = shape.later.iter().map(|(name, _)| format!("`{name}`")).collect();
        let _ = writeln!(page, "\nNot yet in this version: {}.", names.join(", "));
    }
}

fn row(page: &mut String, key: &Key) {
    let need = if key.need == Need::Required { ", required" } else { "" };
    let _ = writeln!(page, "| `{}` | {}{need} | {} |", key.name, form(&key.form), key.doc.replace('|', "\\|"));
}

fn form(of: &Form) -> String {
    match of {
        Form::Text => "text".to_owned(),
        Form::Script => "shell text".to_owned(),
        Form::Template => "text with `${{ }}`".to_owned(),
        Form::Condition => "CEL".to_owned(),
        Form::Duration => "duration".to_owned(),
        Form::Boolean => "`true`, `false`".to_owned(),
        Form::Whole { min, max } => format!("{min} to {max}"),
        Form::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Form::List(item) => format!("list of {}", form(item)),
        Form::OneOrMore(item) => format!("{}, or a list", form(item)),
        Form::Mapping(_) => "mapping".to_owned(),
        Form::Named(item) => format!("names → {}", form(item)),
        Form::Either(forms) => {
            let mut words: Vec<String> = forms.iter().filter(|form| !matches!(form, Form::Null)).map(form).collect();
            words.dedup();
            words.join("; or ")
        }
        Form::Null => "nothing".to_owned(),
    }
}
