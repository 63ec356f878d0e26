//! The protocol of `git push`, version 0 over HTTP: the list of refs, the request, the report.

use super::pkt;
use super::refs::is_valid_name;
use std::collections::BTreeMap;
use std::io::Read;
use trunkline_domain::foundation::Revision;

/// Refs that one push may change.
const UPDATES_MAX: usize = 1_000;
const CAPABILITIES: &str = "report-status delete-refs side-band-64k ofs-delta object-format=sha1 agent=trunkline";
const NONE: &str = "0000000000000000000000000000000000000000";

/// A push, without its pack, which comes after it.
#[derive(Debug, PartialEq, Eq)]
pub struct Push {
    /// What it wants.
    pub updates: Vec<RefUpdate>,
    /// Whether it reads messages beside the report.
    pub side_band: bool,
}

/// One ref that shall move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// Its full name.
    pub name: String,
    /// Where the pusher thinks it stands.
    pub old: Option<Revision>,
    /// Where it shall stand.
    pub new: Option<Revision>,
}

/// The list of refs that a push begins with.
pub fn advertise(refs: &BTreeMap<String, Revision>) -> Vec<u8> {
    let mut out = Vec::new();
    pkt::line(&mut out, b"# service=git-receive-pack\n");
    pkt::flush(&mut out);
    if refs.is_empty() {
        pkt::line(&mut out, format!("{NONE} capabilities^{{}}\0{CAPABILITIES}\n").as_bytes());
    }
    for (index, (name, revision)) in refs.iter().enumerate() {
        let line = if index == 0 { format!("{revision} {name}\0{CAPABILITIES}\n") } else { format!("{revision} {name}\n") };
        pkt::line(&mut out, line.as_bytes());
    }
    pkt::flush(&mut out);
    out
}

/// Reads a push up to its pack. An error says what is wrong with it.
pub fn parse_push(from: &mut dyn Read) -> Result<Push, String> {
    let mut push = Push { updates: Vec::new(), side_band: false };
    while let Some(line) = pkt::next(from)? {
        let line = std::str::from_utf8(&line).map_err(|_| "a ref's name is not UTF-8".to_owned())?.trim_end_matches('\n');
        let (line, capabilities) = line.split_once('\0').unwrap_or((line, ""));
        push.side_band |= capabilities.split(' ').any(|capability| capability == "side-band-64k");
        if push.updates.len() >= UPDATES_MAX {
            return Err(format!("a push may change {UPDATES_MAX} refs at most"));
        }
        push.updates.push(parse_update(line)?);
    }
    Ok(push)
}

fn parse_update(line: &str) -> Result<RefUpdate, String> {
    let mut words = line.splitn(3, ' ');
    let (Some(old), Some(new), Some(name)) = (words.next(), words.next(), words.next()) else {
        return Err(format!("'{}' is no update of a ref", line.chars().take(100).collect::<String>()));
    };
    if !is_valid_name(name) {
        return Err(format!("'{}' is not a name for a ref", name.escape_debug().take(120).collect::<String>()));
    }
    let revision = |id: &str| if id == NONE { Ok(None) } else { id.parse().map(Some).map_err(|error| format!("{error}")) };
    Ok(RefUpdate { name: name.to_owned(), old: revision(old)?, new: revision(new)? })
}

/// The report of a push: each ref with its refusal, if any, and words for the pusher.
pub fn report(side_band: bool, unpacked: Result<(), &str>, refs: &[(String, Option<String>)], words: &str) -> Vec<u8> {
    let mut status = Vec::new();
    match unpacked {
        Ok(()) => pkt::line(&mut status, b"unpack ok\n"),
        Err(why) => pkt::line(&mut status, format!("unpack {}\n", one_line(why)).as_bytes()),
    }
    for (name, refusal) in refs {
        let line = match refusal {
            None => format!("ok {name}\n"),
            Some(why) => format!("ng {name} {}\n", one_line(why)),
        };
        pkt::line(&mut status, line.as_bytes());
    }
    pkt::flush(&mut status);
    if !side_band {
        return status;
    }
    let mut out = Vec::new();
    pkt::band(&mut out, 2, words.as_bytes());
    pkt::band(&mut out, 1, &status);
    pkt::flush(&mut out);
    out
}

fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_read() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let mut bytes = Vec::new();
        pkt::line(&mut bytes, format!("{a} {b} refs/heads/main\0 report-status side-band-64k\n").as_bytes());
        pkt::line(&mut bytes, format!("{a} {NONE} refs/heads/old\n").as_bytes());
        pkt::flush(&mut bytes);
        bytes.extend_from_slice(b"PACK");
        let mut from = &bytes[..];
        let push = parse_push(&mut from).unwrap();
        assert!(push.side_band);
        assert_eq!(from, b"PACK");
        assert_eq!(push.updates[0], RefUpdate { name: "refs/heads/main".into(), old: a.parse().ok(), new: b.parse().ok() });
        assert_eq!(push.updates[1].new, None);
    }

    #[test]
    fn a_hostile_push_is_refused() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        for line in [format!("{a} {b} refs/heads/../x"), format!("{a} x refs/heads/y"), "nonsense".to_owned()] {
            let mut bytes = Vec::new();
            pkt::line(&mut bytes, line.as_bytes());
            pkt::flush(&mut bytes);
            assert!(parse_push(&mut &bytes[..]).is_err(), "{line}");
        }
    }
}
