//! A change: a commit that we saw, and the pull request behind it as git alone can tell.

use crate::foundation::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// What facts say of a commit. People's words (subject, author) are kept beside it by their salted digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangeNote {
    /// When it was committed, as the commit says.
    pub committed_at: Timestamp,
    /// The pull request that brought it.
    pub pull_request: Option<PullRequest>,
    /// `sha256(salt ‖ text)` of the words kept beside the record.
    pub text: Digest,
}

/// A pull or merge request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PullRequest {
    /// Its number in the forge.
    pub number: u32,
    /// How it was found.
    pub evidence: PullRequestEvidence,
}

/// How a pull request was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullRequestEvidence {
    /// The message of a merge commit.
    MergeMessage,
    /// The message of a squashed commit.
    SquashMessage,
    /// `refs/pull/N/head` or `refs/merge-requests/N/head` is the commit or the merged parent.
    Reference,
}

impl PullRequestEvidence {
    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::MergeMessage => "from git: merge message",
            Self::SquashMessage => "from git: squash message",
            Self::Reference => "from git: ref of the request",
        }
    }
}

/// Finds the pull request behind a commit.
///
/// `heads` are the (number, commit) pairs of `refs/pull/*/head` and `refs/merge-requests/*/head`; `parents` the
/// commit's parents. A ref is better evidence than a message, since anyone can write a message.
pub fn pull_request_of(message: &str, commit: &str, parents: &[&str], heads: &[(u32, &str)]) -> Option<PullRequest> {
    let merged = parents.get(1).copied().unwrap_or(commit);
    if let Some((number, _)) = heads.iter().find(|(_, head)| *head == merged || *head == commit) {
        return Some(PullRequest { number: *number, evidence: PullRequestEvidence::Reference });
    }
    let subject = message.lines().next().unwrap_or("");
    let found = if parents.len() > 1 {
        number_after(subject, "Merge pull request #")
            .or_else(|| number_after(subject, "Merged in pull request #"))
            .or_else(|| message.lines().find(|line| line.starts_with("See merge request ")).and_then(|line| number_after(line, "!")))
            .map(|number| (number, PullRequestEvidence::MergeMessage))
    } else {
        number_at_end(subject).map(|number| (number, PullRequestEvidence::SquashMessage))
    };
    found.map(|(number, evidence)| PullRequest { number, evidence })
}

fn number_after(text: &str, marker: &str) -> Option<u32> {
    let rest = &text[text.find(marker)? + marker.len()..];
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// `Add coupon field (#482)` as GitHub writes it, `(!482)` as GitLab does.
fn number_at_end(subject: &str) -> Option<u32> {
    let inner = subject.trim_end().strip_suffix(')')?;
    let number = &inner[inner.rfind('(')? + 1..];
    number.strip_prefix(['#', '!'])?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{PullRequestEvidence as E, pull_request_of};

    #[test]
    fn the_request_is_found_in_messages_and_refs() {
        let one = &["a"][..];
        let two = &["a", "b"][..];
        for (message, parents, heads, expected) in [
            ("Merge pull request #12 from ana/coupon\n\nAdd coupon", two, &[][..], Some((12, E::MergeMessage))),
            ("Merge branch 'x' into 'main'\n\nAdd x\n\nSee merge request shop/web!7", two, &[][..], Some((7, E::MergeMessage))),
            ("Add coupon field (#482)", one, &[][..], Some((482, E::SquashMessage))),
            ("Add coupon field (!48)", one, &[][..], Some((48, E::SquashMessage))),
            ("Fix #12", one, &[][..], None),
            ("Merge pull request #12 from ana/coupon", one, &[][..], None),
            ("Merge branch 'x'", two, &[(9, "b")][..], Some((9, E::Reference))),
            ("Add y", one, &[(9, "c")][..], Some((9, E::Reference))),
            ("(#99999999999)", one, &[][..], None),
        ] {
            let found = pull_request_of(message, "c", parents, heads).map(|found| (found.number, found.evidence));
            assert_eq!(found, expected, "{message}");
        }
    }
}
