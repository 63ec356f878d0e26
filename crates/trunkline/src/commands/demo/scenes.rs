//! The scenes, in order. Each brings something about, waits for it, and checks it.

use super::board::Board;
use super::record::Record;
use super::visitor::{Visitor, ask};
use super::world::World;
use super::{forge, interrupted, shop};
use crate::render::paint::Mark;
use anyhow::Context as _;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use trunkline_api::view::{DeploymentStatus, DeploymentView, EnvironmentView, ReleaseView, RunView, TraceView};
use trunkline_domain::deployment::DeploymentResult;
use trunkline_domain::foundation::Millis;
use trunkline_domain::run::RunResult;

/// What runs through all scenes.
struct Show<'a> {
    world: &'a mut World,
    board: &'a mut Board,
    record: &'a mut Record,
    visitor: Option<Visitor>,
    told: HashSet<String>,
    times: Vec<u64>,
}

/// Shows everything. Returns what was told, so that it is not told again.
pub fn show(world: &mut World, board: &mut Board, record: &mut Record) -> anyhow::Result<HashSet<String>> {
    let mut show = Show { world, board, record, visitor: None, told: HashSet::new(), times: Vec::new() };
    show.live_twice()?;
    show.stopped_by_a_unit_test()?;
    show.rolled_back_in_qa()?;
    show.server_killed()?;
    show.forged_copies()?;
    show.trace()?;
    let mut visitor = show.visitor.take().context("a visitor")?;
    let seen = visitor.end();
    let (times, told, elapsed) = (std::mem::take(&mut show.times), std::mem::take(&mut show.told), show.board.elapsed());
    record.check("visitors noticed nothing", seen.wrong == 0 && seen.requests > 0, || format!("{seen:?}"));
    record.check("3 changes went live, 2 were stopped", (record.live, record.stopped) == (3, 2), String::new);
    record.visitor = seen;
    record.times(times);
    record.seconds = elapsed.as_secs_f64();
    Ok(told)
}

impl Show<'_> {
    fn live_twice(&mut self) -> anyhow::Result<()> {
        self.board.scene("1  A merged pull request goes live: test, qa, production");
        self.deliver("shop", "Open the shop", None)?;
        self.board.scene("2  A second one");
        shop::edit(&self.world.repository(), "shop/page.html", "<h1>", "<h1 class=\"open\">")?;
        self.deliver("headline", "Give the headline a class", None)
    }

    /// Merges what was edited, pushes it and waits until production is seen running it.
    fn deliver(&mut self, branch: &str, title: &str, during: Option<fn(&mut Self) -> anyhow::Result<()>>) -> anyhow::Result<()> {
        let committed = Instant::now();
        let (number, revision) = self.merge(branch, title)?;
        if let Some(during) = during {
            during(self)?;
        }
        let trace: TraceView = self.until("projects/shop/trace/production", move |trace: &TraceView| {
            (trace.run.commit.revision.as_str() == revision).then(|| trace.clone())
        })?;
        let took = committed.elapsed();
        let version = &trace.release.release.version;
        let answer = ask(self.world.ports[2]);
        self.board
            .fact(Mark::Passed, &format!("production runs {version}, asked at /version · {:.1} s after the commit", took.as_secs_f64()));
        self.record.check(
            &format!("pull request #{number} is live: production itself says {version}"),
            answer.as_ref() == Ok(version),
            || format!("{answer:?}"),
        );
        let proved = trace.run.commit.pull_request.as_ref().is_some_and(|pull| pull.number == number);
        self.record.check(&format!("its trace ends at pull request #{number}"), proved, || format!("{:?}", trace.run.commit.pull_request));
        self.record.live += 1;
        self.times.push(took.as_millis() as u64);
        if self.visitor.is_none() {
            self.visitor = Some(Visitor::start(self.world.ports[2]));
            self.board.fact(Mark::Running, "a visitor comes: fifty requests a second to production, until the end");
        }
        Ok(())
    }

    fn merge(&mut self, branch: &str, title: &str) -> anyhow::Result<(u32, String)> {
        let (number, revision) = self.world.merge_pull_request(branch, title)?;
        self.board.fact(Mark::Passed, &format!("merged #{number} \"{title}\", git push trunkline main"));
        for line in self.world.push()? {
            self.board.fact(Mark::Running, &line);
        }
        Ok((number, revision))
    }

    /// Waits for an answer, while the board and the facts go on.
    fn until<A: serde::de::DeserializeOwned, T>(&mut self, path: &str, wanted: impl Fn(&A) -> Option<T>) -> anyhow::Result<T> {
        let (board, told, visitor) = (&*self.board, &mut self.told, self.visitor.as_ref());
        let mut watch = |world: &World| tell(world, board, told, visitor);
        let found = self.world.until(path, &mut watch, wanted)?;
        watch(self.world);
        Ok(found)
    }

    fn stopped_by_a_unit_test(&mut self) -> anyhow::Result<()> {
        self.board.scene("3  A change whose unit test fails stops before any environment");
        let before = self.deployments()?.len();
        shop::edit(&self.world.repository(), "shop/price.py", "DISCOUNT_FROM = 10", "DISCOUNT_FROM = 11")?;
        let (number, revision) = self.merge("discount", "Give the discount later")?;
        let run = self.run_of(&revision)?;
        let failure = run.tests.as_ref().and_then(|tests| tests.failures.first().cloned());
        let named = failure.as_ref().is_some_and(|failure| failure.file.is_some() && failure.line.is_some());
        if let Some(failure) = &failure {
            let place = format!("{}:{}", failure.file.as_deref().unwrap_or("?"), failure.line.unwrap_or(0));
            self.board.fact(Mark::Failed, &format!("run shop/{} failed: {} at {place}", run.number, failure.name));
        }
        let after = self.deployments()?.len();
        let held = run.result == Some(RunResult::Failed) && run.release.is_none() && before == after;
        self.record
            .check(&format!("#{number} was stopped before any environment"), held, || format!("{:?}, {after} deployments", run.result));
        self.record.check("the failed test is named with file and line", named, || format!("{failure:?}"));
        self.record.stopped += 1;
        // The developer takes it back; the next change brings that along.
        shop::edit(&self.world.repository(), "shop/price.py", "DISCOUNT_FROM = 11", "DISCOUNT_FROM = 10")
    }

    /// The run of a commit, once it has ended.
    fn run_of(&mut self, revision: &str) -> anyhow::Result<RunView> {
        let wanted = revision.to_owned();
        self.until("projects/shop/runs?limit=5", move |runs: &Vec<RunView>| {
            runs.iter().find(|run| run.commit.revision.as_str() == wanted && run.result.is_some()).cloned()
        })
    }

    fn deployments(&self) -> anyhow::Result<Vec<DeploymentView>> {
        Ok(self.world.client.get("projects/shop/deployments?limit=100")?)
    }

    fn rolled_back_in_qa(&mut self) -> anyhow::Result<()> {
        self.board.scene("4  A change whose verification fails in qa: qa goes back by itself, production never sees it");
        shop::edit(&self.world.repository(), "shop/price.py", "CURRENCY = \"EUR\"", "CURRENCY = \"USD\"")?;
        let (number, revision) = self.merge("currency", "Sell in dollars")?;
        let run = self.run_of(&revision)?;
        let release = run.release.context("the run made a release")?;
        let back = self.until("projects/shop/deployments?limit=20", |deployments: &Vec<DeploymentView>| {
            let done = |one: &&DeploymentView| one.rollback && one.status == DeploymentStatus::Ended(DeploymentResult::Succeeded);
            deployments.iter().find(done).cloned()
        })?;
        self.board.fact(Mark::Passed, &format!("qa runs {} again: {}", back.release.version, back.cause));
        let release: ReleaseView = self.world.client.get(&format!("projects/shop/releases/{}", release.number))?;
        let veto = release.release.vetoed_from.first().map(|from| from.to_string());
        self.board
            .fact(Mark::Passed, &format!("{} is vetoed from {} onwards", release.release.version, veto.as_deref().unwrap_or("nowhere")));
        let all = self.deployments()?;
        let reached = all.iter().any(|one| one.release.id == release.release.id && one.environment.as_str() == "production");
        let qa = ask(self.world.ports[1]);
        self.record.check(
            "qa went back by itself to the last verified release",
            back.environment.as_str() == "qa" && qa.as_ref() == Ok(&back.release.version),
            || format!("{back:?}, qa says {qa:?}"),
        );
        self.record.check("the release is vetoed from qa onwards", veto.as_deref() == Some("qa"), || format!("{veto:?}"));
        self.record.check(&format!("production never saw #{number}"), !reached, || "it was deployed there".to_owned());
        self.record.stopped += 1;
        shop::edit(&self.world.repository(), "shop/price.py", "CURRENCY = \"USD\"", "CURRENCY = \"EUR\"")
    }

    fn server_killed(&mut self) -> anyhow::Result<()> {
        self.board.scene("5  The server is killed in the middle of a deployment to production");
        shop::edit(&self.world.repository(), "shop/page.html", "</h1>", " </h1>")?;
        self.deliver("space", "Sell in euros again, with more space", Some(Self::kill_during_production))?;
        let applies = self.world.applies()?;
        let once = applies.values().all(|count| *count == 1);
        self.record.check("every deployment was started once", once && !applies.is_empty(), || format!("{applies:?}"));
        self.record.applies = applies.into_iter().collect();
        Ok(())
    }

    fn kill_during_production(&mut self) -> anyhow::Result<()> {
        let number = self.until("projects/shop/environments/production", |production: &EnvironmentView| {
            production.incoming.as_ref().filter(|incoming| incoming.status == DeploymentStatus::Deploying).map(|incoming| incoming.number)
        })?;
        let killed_at = self.world.position()?.at;
        self.world.kill_server()?;
        self.board.fact(Mark::Failed, "kill -9: the server is gone, production goes on");
        std::thread::sleep(Duration::from_millis(400));
        self.world.restart_server()?;
        self.board.fact(Mark::Running, "the server is up again; it asks production what runs there");
        let path = format!("projects/shop/deployments/{number}");
        let settled: DeploymentView =
            self.until(&path, |one: &DeploymentView| matches!(one.status, DeploymentStatus::Ended(_)).then(|| one.clone()))?;
        // It was down for longer than that, so the deployment ended under the next server.
        let after = settled.ended_at.map(|ended| ended.since(killed_at));
        let in_the_middle = after.is_some_and(|after| after >= Millis(300));
        self.record.check("the server was killed while production was being deployed", in_the_middle, || {
            format!("it ended {after:?} after the kill")
        });
        let found = settled.parts.iter().any(|part| part.found);
        let how = if found { "it found the new release in place and went on" } else { "it found the old release and deployed once" };
        self.board.fact(Mark::Passed, &format!("deployment {number}: {how}"));
        let succeeded = settled.status == DeploymentStatus::Ended(DeploymentResult::Succeeded);
        self.record
            .check("the restarted server finished that deployment", succeeded, || format!("{:?} {:?}", settled.status, settled.reason));
        Ok(())
    }

    fn forged_copies(&mut self) -> anyhow::Result<()> {
        self.board.scene("6  A forged copy of the record is refused");
        let position = self.world.position()?;
        let database = self.world.data().join("trunkline.db");
        let copy = forge::copy(&database, &self.world.file("copy.db"))?;
        let honest = self.verify(&copy, &[])?;
        self.record.check("an honest copy is verified", honest.0, || honest.1.clone());
        let seq = forge::change_an_entry(&copy)?;
        let changed = self.verify(&copy, &[])?;
        let named = !changed.0 && changed.1.contains(&format!("entry {seq} "));
        self.board.fact(Mark::Failed, &format!("refused: {}", first_line(&changed.1)));
        self.record.check("a copy with one changed entry is refused, and the entry is named", named, || changed.1.clone());
        forge::rehash(&copy)?;
        let (root, size) = (position.root.to_string(), position.seq.to_string());
        let rehashed = self.verify(&copy, &["--root", &root, "--at-size", &size])?;
        self.board.fact(Mark::Failed, &format!("rehashed throughout, and refused: {}", first_line(&rehashed.1)));
        self.record.check("a copy rehashed throughout is refused by the root that was kept", !rehashed.0, || rehashed.1.clone());
        let true_copy = forge::copy(&database, &self.world.file("true.db"))?;
        let kept = self.verify(&true_copy, &["--root", &root, "--at-size", &size])?;
        self.record.check("a true copy has that root", kept.0, || kept.1.clone());
        Ok(())
    }

    fn verify(&self, copy: &std::path::Path, more: &[&str]) -> anyhow::Result<(bool, String)> {
        let output = self.world.trunkline().args(["ledger", "verify", "--db"]).arg(copy).args(more).output()?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok((output.status.success(), said))
    }

    fn trace(&mut self) -> anyhow::Result<()> {
        self.board.scene("trunkline trace production");
        let view: TraceView = self.world.client.get("projects/shop/trace/production")?;
        for line in self.board.trace(&view).lines() {
            self.board.line(&format!("  {line}"));
        }
        Ok(())
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Tells what has happened since the last call, and draws the board.
fn tell(world: &World, board: &Board, told: &mut HashSet<String>, visitor: Option<&Visitor>) {
    let Ok(environments) = world.client.get::<Vec<EnvironmentView>>("projects/shop/environments") else { return };
    board.draw(&environments, visitor.map(Visitor::seen).as_ref());
    let Ok(deployments) = world.client.get::<Vec<DeploymentView>>("projects/shop/deployments?limit=6") else { return };
    for deployment in deployments.iter().rev() {
        let (mark, words) = match deployment.status {
            DeploymentStatus::Ended(DeploymentResult::Succeeded) => {
                let seen = deployment.checks.iter().rev().find_map(|check| check.evidence.clone()).unwrap_or_default();
                (Mark::Passed, format!("verified: {seen}"))
            }
            DeploymentStatus::Ended(_) => (Mark::Failed, deployment.reason.clone().unwrap_or_default()),
            DeploymentStatus::Unknown => (Mark::Waiting, "unknown: it is being observed".to_owned()),
            _ => continue,
        };
        if told.insert(format!("{} {words}", deployment.number)) {
            board.fact(mark, &format!("{:<10} {} {words}", deployment.environment.as_str(), deployment.release.version));
        }
    }
}

/// Stays until Ctrl-C, so that the visitor of the demo can try it.
pub fn your_turn(world: &mut World, board: &mut Board, mut told: HashSet<String>) -> anyhow::Result<()> {
    let folder = world.repository();
    let link: trunkline_api::request::Link = world.client.post("links", &trunkline_api::request::Act {})?;
    let program = std::env::current_exe()?;
    board.scene("Your turn");
    for line in [
        format!("  pages      {}{}", world.address(), link.path),
        format!("  shop       http://127.0.0.1:{}/", world.ports[2]),
        "  a change   in another terminal, about five seconds to production:".to_owned(),
        format!("             cd {} && export TRUNKLINE_DATA={}", folder.display(), world.data().display()),
        "             sed -i 's/Shop/Your shop/' shop/page.html && git commit -qam 'Rename the shop' && git push trunkline main".to_owned(),
        format!("  back       {} rollback production --yes", program.display()),
        format!("  yours      in your own repository: {} init", program.display()),
        String::new(),
        "  Ctrl-C ends the demo and everything that it started.".to_owned(),
    ] {
        board.line(&line);
    }
    let visitor = Visitor::start(world.ports[2]);
    while !interrupted() {
        tell(world, board, &mut told, Some(&visitor));
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
