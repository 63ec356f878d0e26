use super::{Coverage, Plant, run_seed};

#[test]
fn a_hundred_seeds_hold_and_see_nearly_everything() {
    let mut coverage = Coverage::default();
    for seed in 0..100 {
        let report = run_seed(seed, Plant::Nothing);
        assert_eq!(report.violation, None, "seed {seed}");
        coverage.add(&report.coverage);
    }
    assert!(coverage.percent() >= 95, "never seen: {:?}", coverage.unseen());
}

#[test]
fn a_seed_gives_the_same_world_again() {
    let (first, second) = (run_seed(7, Plant::Nothing), run_seed(7, Plant::Nothing));
    assert_eq!(first.entries, second.entries);
    assert_eq!(format!("{:?}", first.coverage), format!("{:?}", second.coverage));
}

#[test]
fn planted_bugs_are_found() {
    for (plant, invariants) in [
        (Plant::ForgetfulStore, &["F1", "I1", "I12"][..]),
        (Plant::FencelessTarget, &["I6", "I7"]),
        (Plant::UnmarkedRestore, &["I3", "I7", "S19"]),
    ] {
        let found = (0..200).filter_map(|seed| run_seed(seed, plant).violation).next();
        let violation = found.unwrap_or_else(|| panic!("{plant:?} was not found in 200 seeds"));
        assert!(invariants.contains(&violation.invariant), "{plant:?}: {violation}");
    }
}
