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
    /// Names that cannot be kept here, as they came, and why not. They must not spoil the others.
    pub refused: Vec<(Vec<u8>, String)>,
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

/// The branch of a repository that was made here.
pub const USUAL_BRANCH: &str = "refs/heads/main";

/// The order in which refs move. What is gone goes first, for its name may be a folder of others now; what is new comes last,
/// for it brings only what the others have not; before all that moves goes the branch whose runs matter most.
pub fn in_order(mut updates: Vec<RefUpdate>, default: &str) -> Vec<RefUpdate> {
    updates.sort_by_key(|update| (update.new.is_some(), update.name != default, update.old.is_none()));
    updates
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

/// What a push or a fetch is told instead of the refs, where it cannot go on.
pub fn advertise_failure(service: &str, why: &str) -> Vec<u8> {
    let mut out = Vec::new();
    pkt::line(&mut out, format!("# service={service}\n").as_bytes());
    pkt::flush(&mut out);
    pkt::line(&mut out, format!("ERR {}", one_line(why)).as_bytes());
    out
}

/// Reads a push up to its pack. An error says what is wrong with it.
pub fn parse_push(from: &mut dyn Read) -> Result<Push, String> {
    let mut push = Push { updates: Vec::new(), side_band: false, refused: Vec::new() };
    while let Some(line) = pkt::next(from)? {
        let mut parts = line.splitn(2, |byte| *byte == 0);
        let update = parts.next().unwrap_or_default();
        // One end of a line, as git takes it: a space before it is part of the name, and makes it none.
        let update = update.strip_suffix(b"\n").unwrap_or(update);
        let capabilities = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        push.side_band |= capabilities.trim_end().split(' ').any(|capability| capability == "side-band-64k");
        if push.updates.len() + push.refused.len() >= UPDATES_MAX {
            return Err(format!("a push may change {UPDATES_MAX} refs at most"));
        }
        let (old, new, name) = words(update)?;
        match std::str::from_utf8(name) {
            Ok(name) if is_valid_name(name) => push.updates.push(RefUpdate { name: name.to_owned(), old, new }),
            Ok(_) => push.refused.push((name.to_vec(), "not a branch, tag or pull request head that is kept here".to_owned())),
            Err(_) => push.refused.push((name.to_vec(), "its name is not UTF-8".to_owned())),
        }
    }
    Ok(push)
}

type Words<'a> = (Option<Revision>, Option<Revision>, &'a [u8]);

/// Where a ref stands, where it shall stand, its name.
fn words(line: &[u8]) -> Result<Words<'_>, String> {
    let nonsense = || format!("'{}' is no update of a ref", String::from_utf8_lossy(line).chars().take(100).collect::<String>());
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let (Some(old), Some(new), Some(name)) = (words.next(), words.next(), words.next()) else { return Err(nonsense()) };
    let revision = |id: &[u8]| {
        let id = std::str::from_utf8(id).map_err(|_| nonsense())?;
        if id == NONE { Ok(None) } else { id.parse().map(Some).map_err(|_| nonsense()) }
    };
    Ok((revision(old)?, revision(new)?, name))
}

/// The report of a push: each ref with its refusal, if any, and words for the pusher.
pub fn report(side_band: bool, unpacked: Result<(), &str>, refs: &[(Vec<u8>, Option<String>)], words: &str) -> Vec<u8> {
    let mut status = Vec::new();
    match unpacked {
        Ok(()) => pkt::line(&mut status, b"unpack ok\n"),
        Err(why) => pkt::line(&mut status, format!("unpack {}\n", one_line(why)).as_bytes()),
    }
    for (name, refusal) in refs {
        let mut line = if refusal.is_none() { b"ok ".to_vec() } else { b"ng ".to_vec() };
        line.extend_from_slice(name);
        line.extend_from_slice(refusal.as_ref().map_or_else(String::new, |why| format!(" {}", one_line(why))).as_bytes());
        // A name is shorter than any line; the reason behind it may have to be cut.
        line.truncate(pkt::PAYLOAD_MAX - 1);
        line.push(b'\n');
        pkt::line(&mut status, &line);
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
    fn a_reason_behind_a_very_long_name_is_cut() {
        let name = [b"refs/heads/".as_slice(), &vec![b'a'; pkt::PAYLOAD_MAX - 95]].concat();
        let report = report(false, Ok(()), &[(name.clone(), Some("x".repeat(300)))], "");
        let line = &report[b"000eunpack ok\n".len()..];
        assert_eq!(&line[..7], b"fff0ng ", "the longest line that git takes");
        assert_eq!(&line[7..7 + name.len()], name);
    }

    #[test]
    fn a_push_is_read() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let mut bytes = Vec::new();
        pkt::line(&mut bytes, format!("{a} {b} refs/heads/main\0 report-status side-band-64k\n").as_bytes());
        pkt::line(&mut bytes, format!("{a} {NONE} refs/heads/old\n").as_bytes());
        pkt::line(&mut bytes, &[format!("{NONE} {a} refs/heads/lat").as_bytes(), b"\xe9in\n"].concat());
        pkt::line(&mut bytes, format!("{NONE} {a} refs/notes/x\n").as_bytes());
        pkt::line(&mut bytes, format!("{NONE} {a} refs/heads/x \n").as_bytes());
        pkt::flush(&mut bytes);
        bytes.extend_from_slice(b"PACK");
        let mut from = &bytes[..];
        let push = parse_push(&mut from).unwrap();
        assert!(push.side_band);
        assert_eq!(from, b"PACK");
        assert_eq!(push.updates[0], RefUpdate { name: "refs/heads/main".into(), old: a.parse().ok(), new: b.parse().ok() });
        assert_eq!((push.updates.len(), &push.updates[1].new), (2, &None));
        assert_eq!(
            push.refused.iter().map(|(name, _)| name.as_slice()).collect::<Vec<_>>(),
            [&b"refs/heads/lat\xe9in"[..], b"refs/notes/x", b"refs/heads/x "]
        );
        let report = report(false, Ok(()), &push.refused.into_iter().map(|(name, why)| (name, Some(why))).collect::<Vec<_>>(), "");
        assert!(report.windows(26).any(|bytes| bytes == b"ng refs/heads/lat\xe9in its n"));
    }

    #[test]
    fn a_hostile_push_is_refused() {
        let a = "a".repeat(40);
        for line in [format!("{a} x refs/heads/y"), "nonsense".to_owned()] {
            let mut bytes = Vec::new();
            pkt::line(&mut bytes, line.as_bytes());
            pkt::flush(&mut bytes);
            assert!(parse_push(&mut &bytes[..]).is_err(), "{line}");
        }
    }
}
