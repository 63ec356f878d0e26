//! The reference page: the table of keys as people read it. A test keeps `docs/delivery-file.md` equal to it.

use crate::keys;
use crate::shape::{Form, Key, Need, Shape};
use std::fmt::Write as _;
use trunkline_domain::expression;

/// The sections of the page, in order.
const SECTIONS: [(&str, &str, &Shape); 20] = [
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
        "Under `jobs`, by its name. Each step starts at the root of a workspace that equals the job's commit; what earlier jobs kept lies, by name, in the folder named by `TRUNKLINE_ARTIFACTS`.",
        &keys::JOB,
    ),
    ("A step", "Its text is handed to `sh -e` unchanged; values reach it only as environment variables.", &keys::STEP),
    (
        "An artifact",
        "It is kept, and found again, under its name, wherever its path was. After `artifacts: [{ name: app, path: out/server }]` later jobs find `$TRUNKLINE_ARTIFACTS/app` and deployments `./app`; where `out/server` is a folder, what is in it lies at `./app/…`. A file that may be executed stays so.",
        &keys::ARTIFACT,
    ),
    ("reports", "", &keys::REPORT),
    ("retry", "A lost runner is retried once even without this.", &keys::RETRY),
    ("release", "", &keys::RELEASE),
    ("An environment", "Under `environments`, by its name.", &keys::ENVIRONMENT),
    (
        "after",
        "`after: test`, or a list, of which every one counts; as a mapping one of these keys. Without `after` a release comes as soon as it is cut.",
        &keys::AFTER,
    ),
    (
        "config",
        "With `config: { from: config/test.env }` a script reads it by `. \"$TRUNKLINE_CONFIG\"`; nothing sets its variables by itself.",
        &keys::CONFIG,
    ),
    (
        "deploy, kind process",
        "Supervised instances on the runner. They outlive server and runner. `run` starts in a folder that holds the release's artifacts by name and its files at their paths: `{ kind: process, artifact: app, run: ./app --port 8000 }` where the artifact is a file, `run: ./app/server` where it is a folder. Each deployment gets a folder of its own, so a service keeps its data elsewhere.",
        &keys::PROCESS,
    ),
    (
        "deploy, kind run",
        "Your own scripts. Each deployment, and each look, gets a fresh folder that holds the release's artifacts by name and its files at their paths, and the scripts start in it; it is no checkout. What an `apply` leaves running stays; what it prints then is thrown away, at the latest when it is 16 MiB, so let a service write its own log. A script that prints more than 1 GiB is ended. With `release: { artifacts: [app], files: [deploy/] }`: `{ kind: run, apply: deploy/copy.sh ./app /srv/shop }`.",
        &keys::RUN,
    ),
    ("verify, http", "Asks until the answer is as it should be.", &keys::HTTP_CHECK),
    (
        "verify, run",
        "It starts in a fresh folder like that of a script of `deploy`, and paths of reports begin there. With `release: { files: [smoke.sh] }`: `{ run: ./smoke.sh http://127.0.0.1:8000, reports: { junit: smoke.xml } }`.",
        &keys::RUN_CHECK,
    ),
    ("rollback", "Without it both bring the last verified release back.", &keys::ROLLBACK),
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
`TRUNKLINE_PROJECT`, `_RUN`, `_REVISION`, and `_VERSION` where a release follows, which none does in `trunkline run`; in a\n\
deployment also `_RELEASE`, `_RELEASE_DIGEST`, `_ENVIRONMENT`, `_DEPLOYMENT`, `_FENCE`, `_PART`, and `_CONFIG`, which names\n\
a copy of the environment's configuration. A job says something to later ones by writing `name=value` lines to the file\n\
named by `TRUNKLINE_OUTPUT`. A workspace holds no `.git`.\n";

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every mapping that a form may be.
    fn mappings(of: &Form, found: &mut Vec<&'static Shape>) {
        match of {
            Form::List(item) | Form::OneOrMore(item) | Form::Named(item) => mappings(item, found),
            Form::Either(forms) => forms.iter().for_each(|form| mappings(form, found)),
            Form::Mapping(shape) if !found.iter().any(|known| std::ptr::eq(*known, *shape)) => {
                found.push(shape);
                shape.keys.iter().for_each(|key| mappings(&key.form, found));
            }
            _ => {}
        }
    }

    #[test]
    fn every_mapping_has_its_table() {
        let mut found = Vec::new();
        mappings(&Form::Mapping(&keys::FILE), &mut found);
        assert_eq!(found.len(), SECTIONS.len());
        for shape in found {
            let names: Vec<&str> = shape.keys.iter().map(|key| key.name).collect();
            assert!(SECTIONS.iter().any(|(_, _, known)| std::ptr::eq(*known, shape)), "{names:?} is in no section");
        }
    }
}
