//! F2: the power goes at any moment. One life of the real program is written down call by call; a model of a disk replays
//! it to a moment, drops or tears what was not synced by then, and the program goes on from what is left.

mod disk;
mod image;
mod life;
mod syscall;

use super::Ground;
use super::tracer;
use anyhow::{Context, Result, ensure};
use disk::{Disk, Image, Loss};
use life::Life;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use syscall::{Act, Event};
use trunkline_sim::Random;

/// How many disks for each that was asked for.
const IMAGES_EACH: usize = 20;
/// The program itself is started on one in so many; the others are opened by its store and verified.
const PROGRAM_EACH: usize = 20;

/// Lives once, then loses the power so often.
pub fn run(ground: &Ground) -> Result<Value> {
    if let Err(error) = tracer::is_allowed() {
        return Ok(json!({ "not_tried": format!("{error:#}") }));
    }
    let life = Life::live(ground)?;
    let events = syscall::read(&life.trace, &life.data, is_ignored)?;
    replay_is_true(&life, &events)?;
    let mut random = Random::new(ground.seed);
    let images = ground.count as usize * IMAGES_EACH;
    let syncs: Vec<usize> = (0..events.len()).filter(|place| matches!(events[*place].act, Act::Sync(_))).collect();
    let moments = moments(&events, &syncs, images, &mut random);
    let mut experiment = Experiment { ground, life: &life, made: 0, started: 0, acknowledged: 0 };
    let mut disk = Disk::new();
    let mut next = moments.iter().peekable();
    for (place, event) in events.iter().enumerate() {
        while next.next_if(|moment| **moment == place).is_some() {
            experiment.lose_power(&disk, &mut random).with_context(|| format!("the power went before call {place} of {}", events.len()))?;
        }
        disk.see(event)?;
        if let Act::Mark(number) = event.act {
            experiment.acknowledged = number + 1;
        }
    }
    ensure!(experiment.acknowledged == life.acknowledged.len(), "{} of {} marks", experiment.acknowledged, life.acknowledged.len());
    let tried: BTreeSet<&usize> = moments.iter().filter(|moment| syncs.binary_search(moment).is_ok()).collect();
    Ok(json!({
        "seed": ground.seed, "count": ground.count, "calls": events.len(), "sync_points": syncs.len(), "sync_points_tried": tried.len(),
        "disks": experiment.made, "program_started": experiment.started, "acknowledged": life.acknowledged.len(), "lost": 0,
    }))
}

/// When the power goes: at the sync points, where most is on its way, and anywhere.
fn moments(events: &[Event], syncs: &[usize], images: usize, random: &mut Random) -> Vec<usize> {
    let all_syncs = images >= 2 * syncs.len();
    let mut moments: Vec<usize> = (0..images)
        .map(|number| match number {
            number if all_syncs && number < syncs.len() => syncs[number],
            number if !all_syncs && number % 2 == 0 => syncs[random.below(syncs.len() as u64) as usize],
            _ => random.below(events.len() as u64) as usize,
        })
        .collect();
    moments.sort_unstable();
    moments
}

/// A model that forgets nothing must be what really lies on the disk; otherwise it would prove nothing.
fn replay_is_true(life: &Life, events: &[Event]) -> Result<()> {
    let mut disk = Disk::new();
    for (place, event) in events.iter().enumerate() {
        disk.see(event).with_context(|| format!("call {place}"))?;
    }
    disk::same(&disk.now(), &life.data, &is_ignored).context("the trace does not explain the data folder")
}

/// What whoever opens it makes anew, whatever is there: the index of the write-ahead log (written through a mapping), the reserve, the runner's workspaces.
fn is_ignored(path: &Path) -> bool {
    ["trunkline.db-shm", "reserve", "runner"].iter().any(|name| path.starts_with(name))
}

struct Experiment<'a> {
    ground: &'a Ground,
    life: &'a Life,
    made: usize,
    started: usize,
    /// How many promises were made by now.
    acknowledged: usize,
}

impl Experiment<'_> {
    fn lose_power(&mut self, disk: &Disk, random: &mut Random) -> Result<()> {
        let loss = match random.below(8) {
            0 => Loss::All,
            1 => Loss::Nothing,
            2..=4 => Loss::After(random.below(disk.time().max(1) as u64) as usize),
            _ => Loss::Some,
        };
        let image: Image = disk.image(&loss, random);
        let acknowledged = &self.life.acknowledged[..self.acknowledged];
        let folder = self.ground.folder.join("image");
        self.made += 1;
        if self.made.is_multiple_of(PROGRAM_EACH) {
            self.started += 1;
            return image::program(self.ground, &image, &folder, acknowledged);
        }
        image::database(&image, &folder, acknowledged)
    }
}
