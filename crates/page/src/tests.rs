//! The words that matter, that nothing is executed, and a way to look at the pages.
//!
//! To look at them: `TRUNKLINE_PAGES=/tmp/pages cargo test -p trunkline-server page::tests::samples`, then open the
//! files in a browser. Each page is written as it is, and once more as a dark system would show it.

use super::part::clip;
use super::sample::*;
use super::{Refresh, STYLE};
use std::collections::BTreeSet;
use trunkline_api::request::Refused;
use trunkline_api::view::*;
use trunkline_domain::deployment::{DeploymentResult, FailureCause};
use trunkline_domain::foundation::{Millis, Timestamp};
use trunkline_domain::run::RunResult;

fn board(status: &StatusView) -> String {
    super::board(status, Refresh::On)
}

fn change(view: &WhereView, now: Timestamp) -> String {
    super::change(view, Projects::One, now, Refresh::On)
}

fn unknown_change(question: &str) -> String {
    super::unknown_change(question, None, Refresh::On)
}

/// Every sample page with a name for its file.
fn pages() -> Vec<(&'static str, String)> {
    let one = |project| board(&status(vec![project]));
    let mut failing = project("shop", 3, &["test", "qa", "production"]);
    fail(failing.last_run.as_mut().unwrap());
    let mut asking_one = project("shop", 3, &["test", "qa", "production"]);
    let reason = "the part has no way to be observed: look, then say `trunkline settle`";
    asking_one.environments[2].incoming = Some(deployment("shop", 4, DeploymentStatus::Asking, Some(reason), 4 * MINUTE));
    let mut unknown = asking_one.clone();
    unknown.environments[2].incoming.as_mut().unwrap().status = DeploymentStatus::Unknown;
    let mut new = project("shop", 1, &["test"]);
    (new.last_run, new.environments) = (None, Vec::new());
    let mut hostile_board = failing.clone();
    hostile_board.last_run.as_mut().unwrap().commit = hostile().run.commit;
    let mut retired = project("shop", 3, &["test", "qa", "production"]);
    retired.environments[2].retired = true;
    let safe = SafeMode { restoration: 1, taken_at: NOW - Millis::hours(1), entries: 900, since: NOW };
    let safe_mode = StatusView { safe_mode: Some(safe), ..status(vec![project("shop", 3, &["test", "qa", "production"])]) };
    let full = StatusView { disk_full: Some(12 << 20), ..status(vec![project("shop", 3, &["test", "qa", "production"])]) };
    let queued = {
        let mut view = moving();
        view.stations[6].state = StationState::Waiting;
        view.stations[6].reason = Some("another deployment has the environment".to_owned());
        view
    };
    vec![
        ("board-eight", board(&eight())),
        ("board-quiet", one(project("shop", 3, &["test", "qa", "production"]))),
        ("board-failing", one(failing)),
        ("board-rolled-back", one(rolled_back("shop"))),
        ("board-deploying", one(deploying("shop"))),
        ("board-asking", one(asking_one)),
        ("board-unknown", one(unknown)),
        ("board-hostile", one(hostile_board)),
        ("board-retired", one(retired)),
        ("board-safe-mode", board(&safe_mode)),
        ("board-disk-full", board(&full)),
        ("board-first-push", one(new)),
        ("board-empty", board(&status(Vec::new()))),
        ("change-live", change(&live(), NOW)),
        ("change-failed-test", change(&failed_test(), NOW)),
        ("change-vetoed", change(&vetoed(), NOW)),
        ("change-put-back", change(&put_back(), NOW)),
        ("change-moving", change(&moving(), NOW)),
        ("change-queued", change(&queued, NOW)),
        ("change-asking", change(&asking(), NOW)),
        ("change-refused", change(&refused(), NOW)),
        ("change-hostile", change(&hostile(), NOW)),
        ("change-many", change(&many(), NOW)),
        ("change-long", change(&long(), NOW)),
        ("change-unknown", unknown_change("4f2a91c<script>")),
    ]
}

fn page(name: &str) -> String {
    pages().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// What follows the beginning, up to the end.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let after = text.split_once(begin).unwrap_or_else(|| panic!("no {begin} in {text}")).1;
    after.split_once(end).unwrap().0
}

fn headline(page: &str) -> &str {
    between(page, "<h1>", "</h1>")
}

#[test]
fn the_headline_of_the_board_answers() {
    let expected = [
        ("board-eight", "Three are failing, two wait for you, two are moving"),
        ("board-quiet", "All is quiet: shop runs 2026.11.3 in production"),
        ("board-retired", "All is quiet: shop runs 2026.11.3 in qa"),
        ("board-failing", "shop is failing: run 3 did not pass"),
        ("board-rolled-back", "shop 2026.11.4 was rolled back in qa"),
        ("board-deploying", "shop 2026.11.4 is on its way into qa"),
        ("board-asking", "shop asks you what runs in production"),
        ("board-unknown", "Nobody knows yet what shop runs in production"),
        ("board-safe-mode", "Nothing is deployed until you confirm the restored record"),
        ("board-first-push", "shop waits for its first push"),
        ("board-empty", "No projects yet"),
    ];
    for (name, words) in expected {
        assert_eq!(headline(&page(name)), words, "{name}");
    }
    let mut shop = project("shop", 3, &["test"]);
    let failed = Some("git ls-remote: could not read <from> shop.git".to_owned());
    shop.source = Some(SourceView { address: "https://example.com/shop.git".to_owned(), seen_at: None, failed, redirected: None });
    let unfollowed = board(&status(vec![shop]));
    assert_eq!(headline(&unfollowed), "shop cannot follow its repository");
    assert!(unfollowed.contains("could not read &lt;from&gt; shop.git") && unfollowed.contains("trunkline sync shop"));
    let mut shop = project("shop", 3, &["test"]);
    shop.repository_gone = true;
    let gone = board(&status(vec![shop]));
    assert_eq!(headline(&gone), "The repository of shop is gone from the server");
    assert!(gone.contains("trunkline explain TL0524"), "{gone}");
    let three = status(["a", "b", "c"].iter().map(|name| project(name, 1, &["test", "production"])).collect());
    assert_eq!(headline(&board(&three)), "All is quiet: three projects run in production");
}

#[test]
fn what_wants_a_person_comes_with_its_command() {
    let eight = page("board-eight");
    for command in [
        "trunkline settle deployment/81 --live -p infra",
        "trunkline environments accept production-us -p accounts",
        "trunkline rollback qa -p billing",
    ] {
        assert!(eight.contains(command), "{command}");
    }
    // In a server with one project, a command needs no project.
    assert!(page("board-asking").contains("trunkline settle deployment/44 --live<"));
    assert!(page("board-safe-mode").contains("trunkline resume"));
    assert!(page("board-empty").contains("trunkline project add NAME"));
    assert!(page("board-first-push").contains("git push trunkline BRANCH"));
    // Nobody pushes here what lives elsewhere.
    let mut followed = project("shop", 3, &[]);
    followed.last_run = None;
    followed.source =
        Some(SourceView { address: "https://example.com/shop.git".to_owned(), seen_at: None, failed: None, redirected: None });
    let unknown = super::unknown_change("4f2a91c", Some(&followed.name), Refresh::On);
    for page in [board(&status(vec![followed])), unknown] {
        assert!(page.contains("trunkline sync shop") && !page.contains("git push"), "{page}");
    }
    assert!(!page("board-quiet").contains("class=\"attn\""));
}

#[test]
fn what_failed_and_was_not_undone_says_what_runs_on() {
    let mut status = eight();
    assert!(board(&status).contains("It runs on, unverified. "));
    let failed = |status: &mut StatusView, not_in_place| {
        let failed = status.projects[1].environments[1].last_failed.as_mut().unwrap();
        failed.status = DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Health));
        failed.not_in_place = not_in_place;
        board(status)
    };
    assert!(failed(&mut status.clone(), false).contains("It may be in place, or a part of it"));
    assert!(failed(&mut status.clone(), true).contains("It was not put in place"));
    status.projects[1].environments[1].back_to.clear();
    assert!(board(&status).contains("It runs on, unverified; there is nothing to go back to."));
}

#[test]
fn what_is_too_long_is_cut_behind_a_sentence_or_a_word() {
    let said = "could not read from remote repository. Please make sure you have the correct access rights.";
    assert_eq!(clip(said, 50), "could not read from remote repository. …");
    assert_eq!(clip(said, 30), "could not read from remote…");
    assert_eq!(clip(said, 200), said);
    assert_eq!(clip("v1. The rest of it is what counts", 28), "v1. The rest of it is what…");
    assert_eq!(clip("0123456789abcdef", 10), "0123456789…", "there is no word to cut behind");
}

#[test]
fn columns_follow_each_projects_order() {
    let docs = project("docs", 1, &["stage", "production"]);
    let shop = project("shop", 1, &["test", "qa", "stage", "production", "canary"]);
    assert_eq!(status(vec![docs, shop]).columns(), ["test", "qa", "stage", "production", "canary"]);
    let accounts = project("accounts", 1, &["test", "production"]);
    assert_eq!(status(vec![accounts, project("shop", 1, &["test", "qa"])]).columns(), ["test", "qa", "production"]);
    // The first two say nothing of the order between them; the third does.
    let names = [&["qa", "eu"][..], &["us"], &["us", "test", "eu"]];
    let projects = ["a", "b", "c"].iter().zip(names).map(|(name, names)| project(name, 1, names)).collect();
    assert_eq!(status(projects).columns(), ["qa", "us", "test", "eu"]);
    let contradicting = status(vec![project("a", 1, &["x", "y"]), project("b", 1, &["y", "x"])]);
    assert_eq!(contradicting.columns(), ["x", "y"]);
    let mut retired = project("a", 1, &["production", "test"]);
    retired.environments[1].retired = true;
    assert_eq!(status(vec![retired, project("b", 1, &["test", "production"])]).columns(), ["test", "production"]);
}

#[test]
fn cells_keep_old_and_new_side_by_side_and_link_to_the_change() {
    let page = page("board-deploying");
    let cell = between(&page, "data-env=\"qa\"", "</td>");
    assert!(cell.contains("2026.11.3") && cell.contains("2026.11.4") && cell.contains("deploying"), "{cell}");
    let href = format!("href=\"/p/shop/c/{}\"", commit("shop 4").revision);
    assert!(cell.contains(&href), "{cell}");
    // What is newer beside it says enough; alone, a cell says how far it is behind.
    assert!(!cell.contains("+1"));
    let mut behind = project("shop", 3, &["qa", "production"]);
    behind.environments[0] = environment("shop", "qa", "", 5, 60);
    assert!(between(&board(&status(vec![behind])), "data-env=\"production\"", "</td>").contains("+2<span class=\"vh\"> releases behind"));
}

#[test]
fn what_nobody_knows_is_not_green() {
    for name in ["board-unknown", "board-asking"] {
        let page = page(name);
        let cell = between(&page, "data-env=\"production\"", "</td>");
        assert!(cell.contains("last known") && !cell.contains("s-pass"), "{cell}");
    }
}

#[test]
fn the_answer_of_a_change() {
    let expected = [
        ("change-live", "Live in production", "15"),
        ("change-failed-test", "Failed in unit: 1 of 1,206 tests", "15"),
        ("change-vetoed", "Failed in qa", "15"),
        ("change-put-back", "Rolled back in production", "15"),
        ("change-moving", "On its way into qa", "2"),
        ("change-queued", "Waits before qa", "2"),
        ("change-asking", "Asks you: what runs in production?", "10"),
        ("change-refused", "Refused: the delivery file has errors", "15"),
    ];
    for (name, words, refresh) in expected {
        let page = page(name);
        assert_eq!(between(&page, "<p class=\"big\">", "</p>"), words, "{name}");
        assert_eq!(between(&page, "http-equiv=\"refresh\" content=\"", "\""), refresh, "{name}");
    }
}

#[test]
fn reasons_and_proofs_are_said() {
    let failed = page("change-failed-test");
    for words in
        ["cart::coupon_expired", "src/cart.rs:88", "expired coupon still gives a discount", "trunkline log 4 unit", "No release is cut"]
    {
        assert!(failed.contains(words), "{words}");
    }
    let live = page("change-live");
    for words in
        ["#482", "from git: merge message", "1,203 passed", "seen: http: 200, runs 2026.11.4", "sha256:", "2026.11.4", "trunkline where "]
    {
        assert!(live.contains(words), "{words}");
    }
    assert!(page("change-vetoed").contains("Vetoed from <b>qa</b> onwards"));
    let put_back = page("change-put-back");
    assert!(put_back.contains("ana put 2026.11.3 back there by deployment/45") && !put_back.contains("s-fail"), "{put_back}");
    assert!(page("change-asking").contains("trunkline settle deployment/44 --old"));
    let by_file = page("change-refused");
    assert!(by_file.contains("<code>TL0142 trunkline.yaml:3:1</code>: Unknown key") && by_file.contains("trunkline explain TL0142"));
    assert!(by_file.contains("trunkline check"));
    let mut view = refused();
    (view.run.refused, view.run.refused_beyond_file) = (vec!["there is no trunkline.yaml at this commit".to_owned()], true);
    let beyond = change(&view, NOW);
    assert!(beyond.contains("Refused: this commit cannot be run"), "{beyond}");
    assert!(beyond.contains("<dt>Refused</dt><dd>there is no trunkline.yaml") && !beyond.contains("trunkline check"), "{beyond}");
    assert_eq!(headline(&page("change-unknown")), "Commit 4f2a91c&lt;script&gt; was not seen here");
}

/// A page cannot know in which folder its reader types.
#[test]
fn commands_name_the_project_where_there_are_several() {
    let mut new = asking();
    for station in &mut new.stations {
        if station.state == StationState::Waiting {
            (station.deployment, station.status) = (None, None);
        }
    }
    let mut more = failed_test();
    let tests = more.run.jobs.iter_mut().find_map(|job| job.tests.as_mut().filter(|tests| tests.failed > 0)).unwrap();
    tests.failed = 12;
    let cases = [
        (failed_test(), vec!["trunkline log 4 unit", "trunkline log 4", "trunkline where "]),
        (more, vec!["trunkline tests 4 --failed"]),
        (vetoed(), vec!["trunkline log deployment/44"]),
        (put_back(), vec!["trunkline promote 4 production"]),
        (asking(), vec!["trunkline settle deployment/44 --live", "trunkline settle deployment/44 --old"]),
        (new, vec!["trunkline environments accept production"]),
        (refused(), vec!["trunkline where "]),
    ];
    for (view, wanted) in cases {
        for (projects, end) in [(Projects::One, "<"), (Projects::Several, " -p shop<")] {
            let page = super::change(&view, projects, NOW, Refresh::On);
            for command in &wanted {
                let place = page.match_indices(command).any(|(at, _)| {
                    let rest = &page[at + command.len()..];
                    rest.starts_with(end)
                        || (command.ends_with(' ') && rest.split_once('<').unwrap().0.contains(" -p shop") == (end != "<"))
                });
                assert!(place, "{command} with {projects:?}: {page}");
            }
            assert!(!page.contains("trunkline check -p") && !page.contains("explain TL0142 -p"), "they are of no project");
        }
    }
}

#[test]
fn live_is_not_said_without_proof() {
    let mut view = live();
    view.stations[7].seen = false;
    let page = change(&view, NOW);
    assert!(page.contains("In place in production") && !page.contains("Live in production"));
}

#[test]
fn a_job_that_may_fail_is_no_answer() {
    let mut view = live();
    view.stations[3].state = StationState::Failed;
    assert!(change(&view, NOW).contains("Live in production"));
    view.run.result = Some(RunResult::Failed);
    assert!(change(&view, NOW).contains("Failed in lint"));
}

#[test]
fn erased_words_and_commits_of_digits() {
    let mut view = live();
    (view.run.commit.subject, view.run.commit.author) = (None, None);
    view.revision = format!("1234567890a{}", "0".repeat(29)).parse().unwrap();
    let page = change(&view, NOW);
    assert_eq!(headline(&page), "(message erased)");
    assert!(page.contains("author erased") && page.contains("1234567</code> went with it"));
    // Seven digits alone would be the number of a run.
    assert!(page.contains("trunkline where 1234567890a<"));
}

#[test]
fn a_reader_can_pause_the_refresh() {
    let status = eight();
    let paused = [
        super::board(&status, Refresh::Paused),
        super::change(&live(), Projects::One, NOW, Refresh::Paused),
        super::unknown_change("4f2a91c", None, Refresh::Paused),
    ];
    for page in paused {
        assert!(!page.contains("http-equiv=\"refresh\"") && page.contains("<a href=\"?refresh=on\">resume</a>"), "{page}");
    }
    for (name, page) in pages() {
        assert!(page.contains("http-equiv=\"refresh\"") && page.contains("<a href=\"?refresh=off\">pause</a>"), "{name}");
    }
}

/// Refusals as a browser sees them: with a caller's own words, and the two that are asked for again.
fn refusals() -> Vec<(&'static str, String)> {
    let refused = |message: &str| Refused { code: "TL0504".to_owned(), message: message.to_owned(), help: Some("look again".to_owned()) };
    vec![
        ("refused-hostile", super::refused(404, &refused("there is no project '<script>alert(1)</script>\u{202e}'"), Refresh::On)),
        ("refused-stranger", super::refused(401, &refused("the request carries no valid token"), Refresh::On)),
        ("refused-busy", super::refused(503, &refused("the server is ending"), Refresh::On)),
    ]
}

#[test]
fn a_refused_page_says_what_why_and_what_to_do() {
    let [(_, hostile), (_, stranger), (_, busy)] = refusals().try_into().unwrap();
    assert_eq!(headline(&hostile), "There is no such thing");
    for words in
        ["There is no project '&lt;script&gt;", "<p>Look again.</p>", "trunkline explain TL0504", "<a href=\"/\">Go to the board</a>"]
    {
        assert!(hostile.contains(words), "{words}: {hostile}");
    }
    assert!(!hostile.contains("refreshes itself") && !hostile.contains("http-equiv=\"refresh\"") && !hostile.contains('\u{202e}'));
    // A board on a wall comes back with the server; one whose session ended, once there is another.
    assert!(stranger.contains("content=\"3600\"") && busy.contains("content=\"10\""));
}

#[test]
fn nothing_is_executed_or_styled_inline() {
    for (name, page) in pages().into_iter().chain(refusals()) {
        let lower = page.to_lowercase();
        for wrong in ["<script", " style=", "<img", " onerror=\"", "javascript:", "<b>eve"] {
            assert!(!lower.contains(wrong), "{wrong} in {name}");
        }
    }
    assert!(page("change-hostile").contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page("board-hostile").contains("&lt;script&gt;alert(1)"));
}

#[test]
fn nothing_turns_the_reading_order() {
    for (name, page) in pages() {
        assert!(!page.contains(['\u{202e}', '\x1b']), "{name}");
    }
    assert!(page("change-hostile").contains("\u{fffd}terces\u{fffd}[2J</h1>"));
}

#[test]
fn every_class_has_a_rule_and_every_icon_a_shape() {
    for (name, page) in pages() {
        let classes: BTreeSet<&str> =
            page.split(" class=\"").skip(1).flat_map(|rest| rest.split('"').next().unwrap().split_whitespace()).collect();
        for class in classes {
            let at = |end| STYLE.contains(&format!(".{class}{end}"));
            assert!([' ', ',', ':', '.', '{', '[', ')', '>'].into_iter().any(at), "no rule for .{class}, used in {name}");
        }
        for icon in page.split("href=\"#i-").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(page.contains(&format!("id=\"i-{icon}\"")), "{icon} in {name}");
        }
    }
}

#[test]
fn every_page_has_one_headline_landmarks_and_living_links() {
    for (name, page) in pages() {
        for (part, times) in [
            ("<h1", 1),
            ("<main id=\"main\"", 1),
            ("<nav class=\"nav\"", 1),
            ("<footer", 1),
            ("class=\"skip\"", 1),
            ("http-equiv=\"refresh\"", 1),
        ] {
            assert_eq!(page.matches(part).count(), times, "{part} in {name}");
        }
        for href in page.split("<a ").skip(1).map(|rest| between(rest, "href=\"", "\"")) {
            assert!(matches!(href, "/" | "#main" | "?refresh=off") || href.starts_with("/p/"), "{href} in {name}");
        }
        assert!(!page.contains("<th>") && !page.contains("<td>"), "a header without its scope in {name}");
    }
    assert!(page("board-quiet").contains("record: 1,214 entries"));
    assert!(page("board-quiet").contains("<a href=\"/\" aria-current=\"page\">Board</a>"));
    assert!(page("change-live").contains("datetime=\"2026-11-25T"));
}

#[test]
fn samples() {
    let Some(folder) = std::env::var_os("TRUNKLINE_PAGES").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("trunkline.css"), STYLE).unwrap();
    for (name, page) in pages() {
        let page = page.replace("\"/trunkline.css\"", "\"trunkline.css\"").replace("http-equiv=\"refresh\"", "name=\"refresh\"");
        std::fs::write(folder.join(format!("{name}.html")), &page).unwrap();
        std::fs::write(
            folder.join(format!("{name}-dark.html")),
            page.replace("<html lang=\"en\"", "<html lang=\"en\" data-theme=\"dark\""),
        )
        .unwrap();
    }
}
