//! `verify`: the checks after a deployment.

use super::Defaults;
use super::job::{reports, sandbox};
use super::part::{Script, free_name};
use crate::Code;
use crate::fields::{Fields, Placed, Reader, first_line};
use crate::finding::{Finding, shown};
use crate::keys;
use crate::place::inside;
use crate::tree::Node;
use std::collections::HashSet;
use std::ops::Range;
use trunkline_domain::expression::{Place, Template};
use trunkline_domain::foundation::Millis;
use trunkline_domain::pipeline::{Check, CheckRule, HttpCheck};

/// Checks of an environment.
const CHECKS_MAX: usize = 50;

#[derive(Default)]
pub(super) struct Checks {
    pub checks: Vec<CheckRule>,
    pub scripts: Vec<Script>,
    /// Whether all of it could be read.
    pub read: bool,
}

pub(super) fn checks(reader: &mut Reader<'_>, environment: &Fields<'_>, defaults: &Defaults) -> Checks {
    let mut checks = Checks { read: true, ..Checks::default() };
    let Some(node) = environment.value("verify") else { return checks };
    let Some(items) = reader.list(node, "verify") else { return Checks::default() };
    let items = reader.at_most(items, CHECKS_MAX, node, "verify");
    let mut taken = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let owner = format!("check {} of {}", index + 1, environment.owner);
        let Some((name, check)) = check(reader, item, owner, defaults, &mut checks.scripts) else {
            checks.read = false;
            continue;
        };
        let name = match name {
            Some(name) => {
                if !taken.insert(name.value.clone()) {
                    let message = format!("two checks of {} are named '{}'", environment.owner, shown(&name.value));
                    reader.findings.add(Finding::error(Code::DuplicateName, name.at, message));
                }
                name.value
            }
            None => free_name(&mut taken, if matches!(check, Check::Http(_)) { "http" } else { "run" }),
        };
        checks.checks.push(CheckRule { name, check });
    }
    checks
}

type NamedCheck = (Option<Placed<String>>, Check);

fn check(reader: &mut Reader<'_>, node: &Node, owner: String, defaults: &Defaults, scripts: &mut Vec<Script>) -> Option<NamedCheck> {
    let entries = reader.mapping(node, &owner)?;
    let at = first_line(reader.text, &node.at);
    let http = entries.iter().any(|entry| entry.key == "http");
    let run = entries.iter().find(|entry| entry.key == "run");
    match (http, run) {
        (true, Some(run)) => {
            let finding = Finding::error(Code::Conflict, run.key_at.clone(), format!("{owner} has both 'http' and 'run'"));
            reader.findings.add(finding.help("make two checks of them"));
            None
        }
        (true, None) => {
            let fields = reader.fields(node, &keys::HTTP_CHECK, owner, at)?;
            let name = fields.text(reader, "name");
            http_check(reader, &fields).map(|check| (name, Check::Http(check)))
        }
        (false, Some(_)) => {
            let fields = reader.fields(node, &keys::RUN_CHECK, owner, at)?;
            let name = fields.text(reader, "name");
            let run = fields.script(reader, "run")?;
            scripts.push(Script::read(reader, fields.value("run")?, &run.value));
            let reports = fields.get("reports").map(|entry| reports(reader, entry)).unwrap_or_default();
            let timeout = fields.duration(reader, "timeout").unwrap_or(Millis::minutes(10));
            let sandbox = sandbox(reader, &fields).or(defaults.sandbox).unwrap_or_default();
            Some((name, Check::Run { run: run.value, reports, timeout, sandbox }))
        }
        (false, None) => {
            // Neither kind: the keys that it has, such as 'script', may say what was meant.
            let likely = if entries.iter().any(|entry| matches!(entry.key.as_str(), "script" | "prometheus" | "reports" | "timeout")) {
                &keys::RUN_CHECK
            } else {
                &keys::HTTP_CHECK
            };
            reader.fields(node, likely, owner, at);
            None
        }
    }
}

fn http_check(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<HttpCheck> {
    let url = fields.value("http").and_then(|node| address(reader, node));
    let status = fields.whole(reader, "status").and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let json = fields.value("json").map(|node| reader.templates(node, "json", Place::CheckValue)).unwrap_or_default();
    let text = fields.value("text").and_then(|node| reader.template(node, "text", Place::CheckValue));
    let within = fields.duration(reader, "within").unwrap_or(Millis::seconds(30));
    Some(HttpCheck { url: url?, status, json, text, within })
}

/// `http://host:port/path`; the host may hold `${{ … }}`, the scheme may not.
fn address(reader: &mut Reader<'_>, node: &Node) -> Option<Template> {
    let text = reader.any_text(node, "http", "an address")?;
    let start: Range<usize> = 0..text.value.find("://").map_or(text.value.len(), |at| at + 3);
    if text.value.starts_with("https://") {
        let at = inside(reader.text, node, start);
        let finding = Finding::error(Code::NotYet, at, "https:// in a check is not yet in this version");
        reader.findings.add(finding.help("ask with curl: verify: [{ run: curl -fsS https://… }]"));
        return None;
    }
    let why = match text.value.strip_prefix("http://") {
        None => Some("it does not begin with http://"),
        // What stands in a place to fill is known only when the check is made.
        Some(rest) if rest.contains("${{") => None,
        Some(rest) if rest.contains(|c: char| c.is_whitespace() || c.is_control()) => Some("it holds a space"),
        Some(rest) => authority_problem(rest.split(['/', '?', '#']).next().unwrap_or_default()),
    };
    match why {
        None => reader.template(node, "http", Place::CheckValue),
        Some(why) => {
            let message = format!("'{}' is not an address: {why}", shown(&text.value));
            let finding = Finding::error(Code::BadAddress, node.at.clone(), message);
            reader.findings.add(finding.help("write http://host:port/path"));
            None
        }
    }
}

/// What is wrong with `host`, `host:port` or `[v6]:port`.
fn authority_problem(authority: &str) -> Option<&'static str> {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    let (host, rest) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) if host.contains(':') => (host, rest),
        Some((_, rest)) => ("", rest),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '%');
    let port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    match rest.strip_prefix(':') {
        _ if host.is_empty() => Some("it names no host"),
        _ if !host.chars().all(fits) => Some("its host has signs that no host has"),
        None if rest.is_empty() => None,
        Some(number) if port(number) => None,
        _ => Some("a port is a number from 1 to 65535"),
    }
}
