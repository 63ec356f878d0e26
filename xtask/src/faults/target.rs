//! A target that compares fences and keeps a journal of every apply that it accepts.

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

/// The target's folder.
pub struct Target(PathBuf);

impl Target {
    /// A fresh one.
    pub fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self(folder.to_owned()))
    }

    /// The environment's text in a delivery file.
    pub fn environment(&self, name: &str, after: &str) -> String {
        let place = self.0.display();
        format!(
            "  {name}:\n{after}    deploy:\n      kind: run\n      apply: sh apply.sh {place}\n      observe: cat {place}/live 2>/dev/null || echo release=none\n      idempotent: true\n    verify: [{{ run: \"grep -q release={} {place}/live\" }}]\n",
            "$TRUNKLINE_RELEASE_DIGEST"
        )
    }

    /// Every line that it wrote.
    pub fn journal(&self) -> Result<Journal> {
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
