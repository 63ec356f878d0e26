//! What git brings: names of branches and tags, titles, bodies and people of commits, all by one who writes the protocol
//! himself, so that git's own client refuses nothing beforehand.

use crate::place::Place;
use crate::text::{assert_shown, canary, encoded, escaped, fitting, texts};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

/// What leaves all that a job is told.
const FILE: &str = r#"on: { push: { branches: ["**"], tags: ["**"] } }
defaults: { sandbox: host, env: { BRANCH: "${{ change.branch }}", TAG: "${{ change.tag }}", BOTH: "<${{ change.branch }}|${{ change.tag }}>" } }
jobs: { tell: { run: 'env -0 > "PROBES/$TRUNKLINE_RUN_ID"; printf "%s\n" "$TRUNKLINE_REFERENCE"; test ! -e CANARY' } }
"#;

/// A commit of a text.
struct Commit {
    /// The whole message.
    message: String,
    /// The author's name.
    name: String,
    /// Its id, once git has made it.
    id: String,
}

/// A name as git writes it into a commit, where these end it.
fn person(text: &str) -> String {
    text.replace(['<', '>', '\n', '\0'], "")
}

/// A commit for each text, on top of one that holds the delivery file.
fn commits(place: &Place) -> Vec<Commit> {
    let mut commits: Vec<Commit> = texts()
        .iter()
        .map(|text| Commit { message: format!("{0}\n\n{0}\n", text.replace('\0', "")), name: person(text), id: String::new() })
        .collect();
    let file = FILE.replace("PROBES", &place.path("probes").display().to_string()).replace("CANARY", &canary());
    let mut stream = format!(
        "commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 5\nBegin\nfrom refs/heads/main^0\nM 100644 inline trunkline.yaml\ndata {}\n{file}\n",
        file.len()
    );
    for (number, Commit { message, name, .. }) in commits.iter().enumerate() {
        let who = format!("{name} <{name}> {} +0000", 1_700_000_001 + number);
        stream += &format!("commit refs/heads/own/{number}\nmark :{}\nauthor {who}\ncommitter {who}\n", number + 1);
        stream += &format!("data {}\n{message}\nfrom refs/heads/main\n", message.len());
    }
    feed(place, &["fast-import", "--quiet", "--export-marks=marks"], stream.as_bytes());
    let marks = std::fs::read_to_string(place.path("shop/marks")).unwrap();
    for line in marks.lines() {
        let (mark, id) = line.split_once(' ').unwrap();
        commits[mark[1..].parse::<usize>().unwrap() - 1].id = id.to_owned();
    }
    commits
}

/// Gives git an input and takes what it prints.
fn feed(place: &Place, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut git =
        Command::new("git").args(arguments).current_dir(place.path("shop")).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = git.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = git.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    output.stdout
}

fn line(out: &mut Vec<u8>, payload: &str) {
    out.extend(format!("{:04x}{payload}", payload.len() + 4).bytes());
}

/// The lines of a section of the protocol.
fn lines(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    while bytes.len() >= 4 {
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..4]).unwrap(), 16).unwrap();
        if length == 0 {
            break;
        }
        lines.push(bytes[4..length].to_vec());
        bytes = &bytes[length..];
    }
    lines
}

/// Pushes commits under all names at once, each name with the next of the commits, and gives the names that were taken.
fn push(place: &Place, kind: &str, ids: &[&str], pack: &[u8]) -> BTreeSet<String> {
    let texts = texts();
    let mut body = Vec::new();
    for (number, (text, id)) in texts.iter().zip(ids).enumerate() {
        let capabilities = if number == 0 { "\0report-status side-band-64k agent=$(touch canary)" } else { "" };
        line(&mut body, &format!("{} {id} refs/{kind}/{text}{capabilities}", "0".repeat(40)));
    }
    body.extend(b"0000");
    body.extend(pack);
    let (status, answer) = place.post("/git/shop.git/git-receive-pack", "application/x-git-receive-pack-request", &body, &[]);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    let (mut words, mut report) = (Vec::new(), Vec::new());
    for line in lines(&answer) {
        if line[0] == 1 { report.extend(&line[1..]) } else { words.extend(&line[1..]) }
    }
    assert_shown(&String::from_utf8(words).unwrap(), "what the pusher is told");
    let (report, mut taken) = (lines(&report), BTreeSet::new());
    assert_eq!(report[0], b"unpack ok\n", "{}", String::from_utf8_lossy(&report[0]));
    for line in &report[1..] {
        let Some(name) = line.strip_prefix(b"ok ") else { continue };
        let name = std::str::from_utf8(name).unwrap().strip_suffix('\n').unwrap();
        let text = name.strip_prefix(&format!("refs/{kind}/")).unwrap();
        // Of a text with a NUL the rest is no name: it is what the pusher's program can do.
        assert!(texts.iter().any(|sent| sent.split('\0').next() == Some(text)), "{name:?} was never sent");
        assert_shown(name, "a name that was taken");
        taken.insert(name.to_owned());
    }
    taken
}

#[test]
fn names_of_refs_and_words_of_commits() {
    let place = Place::new();
    let commits = commits(&place);
    place.git("git push -q trunkline main");
    let pack = feed(&place, &["pack-objects", "-q", "--revs", "--all", "--stdout"], b"");
    let ids: Vec<&str> = commits.iter().map(|commit| commit.id.as_str()).collect();
    let mut taken = push(&place, "heads", &ids, &pack);
    let branches = taken.len();
    // Commits whose text is no name of a branch are shown by the tags, as far as these go, and else by harmless names.
    let texts = texts();
    let is_taken = |number: &usize| taken.contains(&format!("refs/heads/{}", texts[*number]));
    let mut left = (0..ids.len()).filter(|number| !is_taken(number)).collect::<Vec<_>>().into_iter();
    let tagged: Vec<&str> =
        (0..ids.len()).map(|number| if is_taken(&number) { left.next().map_or(ids[0], |next| ids[next]) } else { ids[0] }).collect();
    let tags = push(&place, "tags", &tagged, &pack);
    assert!(branches >= 150 && tags.len() >= 150, "{branches} branches and {} tags of {} texts", tags.len(), ids.len());
    taken.extend(tags);
    let harmless: Vec<String> = left.map(|number| format!("refs/heads/own/{number}")).collect();
    place.git(&format!("git push -q trunkline {}", harmless.join(" ")));
    let runs = place.runs(taken.len() + harmless.len() + 1);
    told(&place, &runs, &taken, &commits);
    let listed = place.git("git ls-remote trunkline");
    let listed: BTreeSet<&str> = listed.lines().map(|line| line.split_once('\t').unwrap().1).collect();
    assert!(taken.iter().all(|name| listed.contains(name.as_str())), "a name came back as another one");
    seen(&place, &runs, &commits);
    place.end();
}

/// What the API and the jobs have of it.
fn told(place: &Place, runs: &[serde_json::Value], taken: &BTreeSet<String>, commits: &[Commit]) {
    let by_id: BTreeMap<&str, &Commit> = commits.iter().map(|commit| (commit.id.as_str(), commit)).collect();
    let (mut references, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for run in runs {
        let (id, reference) = (run["id"].as_str().unwrap(), run["reference"].as_str().unwrap());
        assert_eq!(run["result"], "passed", "{run}");
        references.insert(reference);
        let (branch, tag) = (reference.strip_prefix("refs/heads/").unwrap_or(""), reference.strip_prefix("refs/tags/").unwrap_or(""));
        let told = [("TRUNKLINE_REFERENCE", reference), ("BRANCH", branch), ("TAG", tag), ("BOTH", &format!("<{branch}|{tag}>"))];
        let seen = place.probes(id);
        for (name, value) in told {
            assert!(seen.contains(&format!("{name}={value}")), "{name} of {reference:?}: {seen:?}");
        }
        let Some(commit) = by_id.get(run["commit"]["revision"].as_str().unwrap()) else { continue };
        shown.insert(&commit.id);
        let author: String = commit.name.chars().take(200).collect();
        let subject = commit.message.lines().next().unwrap().chars().take(2_000).collect::<String>();
        assert_eq!(run["commit"]["author"], author, "{run}");
        assert_eq!(run["commit"]["subject"], subject, "{run}");
    }
    assert!(taken.iter().all(|name| references.contains(name.as_str())), "a name has no run");
    assert!(shown.len() >= 500, "only {} texts are titles and authors", shown.len());
}

/// What people see of it.
fn seen(place: &Place, runs: &[serde_json::Value], commits: &[Commit]) {
    for commit in commits {
        let page = place.page(&format!("/p/shop/c/{}", commit.id));
        let subject = commit.message.lines().next().unwrap().trim();
        let shown: String = escaped(subject.get(..subject.len().min(60)).unwrap_or(""));
        assert!(page.contains(&shown), "{subject:?} is not in its page");
    }
    place.page("/");
    for run in runs.iter().step_by(200) {
        let before = (run["number"].as_u64().unwrap() + 1).to_string();
        let listed = place.cli(&["runs", "list", "--limit", "200", "--before", &before], 0);
        assert!(listed.lines().count() > 1, "{listed}");
    }
    for run in runs.iter().step_by(29) {
        let (number, revision) = (run["number"].to_string(), run["commit"]["revision"].as_str().unwrap());
        place.cli(&["runs", "view", &number], 0);
        place.cli(&["where", revision], 0);
        place.cli(&["watch", &number, "--timeout", "9s"], 0);
        place.cli(&["log", &number], 0);
        let json = place.cli(&["runs", "view", &number, "--json"], 0);
        let view: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&view["reference"], &view["commit"]), (&run["reference"], &run["commit"]), "{json}");
    }
    place.cli(&["status"], 0);
    for name in fitting(500, |text| !text.contains('\0')).iter().step_by(25) {
        place.cli_to(&["start", "--ref", name, "--no-wait"]);
        place.page(&format!("/c/{}", encoded(name)));
    }
}
