//! Targets that compare fences and keep a journal of every apply that they accept.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Applies a release to `$1`, slowly enough to be killed in the middle. Accepted under `flock`, a stale fence refused.
const APPLY: &str = r#"set -eu
cd "$1"
exec 9> lock
flock 9
held=$(cat fence 2>/dev/null || echo 0)
if [ "$TRUNKLINE_FENCE" -lt "$held" ]; then
    echo "stale $TRUNKLINE_DEPLOYMENT $TRUNKLINE_FENCE" >> journal
    exit 3
fi
echo "$TRUNKLINE_FENCE" > fence
echo "start $TRUNKLINE_DEPLOYMENT $TRUNKLINE_FENCE" >> journal
sleep 0.15
printf 'release=%s\nfence=%s\n' "$TRUNKLINE_RELEASE_DIGEST" "$TRUNKLINE_FENCE" > live.new
mv live.new live
echo "end $TRUNKLINE_DEPLOYMENT $TRUNKLINE_FENCE" >> journal
"#;

/// What one environment's target saw.
pub struct Journal(pub Vec<(String, String, u64)>);

/// Four environments, three behind each other and one beside, each with the lines of its own in the delivery file. One of
/// them deploys every release, the others the newest of those that wait.
const ENVIRONMENTS: [(&str, &str); 4] = [
    ("test", ""),
    ("qa", "    after: test\n    queue: newest\n"),
    ("production", "    after: qa\n    queue: newest\n"),
    ("demo", "    after: test\n    queue: newest\n"),
];

/// The targets of all environments.
pub struct Targets(Vec<(&'static str, Target)>);

impl Targets {
    /// Fresh ones, each in a folder of its own below this one.
    pub fn new(folder: &Path) -> Result<Self> {
        ENVIRONMENTS.iter().map(|(name, _)| Ok((*name, Target::new(&folder.join(name))?))).collect::<Result<_>>().map(Self)
    }

    /// The environments in a delivery file.
    pub fn environments(&self) -> String {
        let all: String = self.0.iter().zip(ENVIRONMENTS).map(|((name, target), (_, own))| target.environment(name, own)).collect();
        format!("environments:\n{all}")
    }

    /// What each of them saw.
    pub fn journals(&self) -> Result<Vec<(&'static str, Journal)>> {
        self.0.iter().map(|(name, target)| Ok((*name, target.journal()?))).collect()
    }
}

/// The target's folder.
struct Target(PathBuf);

impl Target {
    /// A fresh one.
    fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// The environment's text in a delivery file. Its check has no sandbox, in which the target's folder may not be seen.
    fn environment(&self, name: &str, own: &str) -> String {
        let place = self.0.display();
        format!(
            "  {name}:\n{own}    deploy:\n      kind: run\n      apply: sh apply.sh {place}\n      observe: cat {place}/live 2>/dev/null || echo release=none\n      idempotent: true\n    verify: [{{ sandbox: host, run: \"grep -q release={} {place}/live\" }}]\n",
            "$TRUNKLINE_RELEASE_DIGEST"
        )
    }

    /// Every line that it wrote.
    fn journal(&self) -> Result<Journal> {
        let text = fs::read_to_string(self.0.join("journal")).unwrap_or_default();
        let entry = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            let (word, deployment, fence) = (words.next()?, words.next()?, words.next()?.parse().ok()?);
            Some((word, deployment, fence))
        };
        text.lines().map(|line| entry(line).with_context(|| format!("the journal says '{line}'"))).collect::<Result<_>>().map(Journal)
    }
}

/// The script beside the delivery file.
pub fn script() -> &'static str {
    APPLY
}
