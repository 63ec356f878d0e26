//! Small parts that every page shares: icons, badges, links, commands to copy.

use super::look::{Icon, Look};
use maud::{Markup, html};
use trunkline_api::view::{CommitView, ProjectView, ReleaseRef, RunView};
use trunkline_domain::foundation::{ProjectKey, Revision};

/// An icon that says nothing by itself: a word stands beside it, on screen or for screen readers.
pub fn icon(icon: Icon) -> Markup {
    let turns = icon == Icon::Run;
    html! { svg.i.spin[turns] viewBox="0 0 16 16" aria-hidden="true" { use href=(icon.href()) {} } }
}

/// A state in a pill.
pub fn badge(look: Look) -> Markup {
    html! { span.badge.(look.tone.class()) { (icon(look.icon)) (look.word) } }
}

/// A state as icon and words in its colour.
pub fn state(look: Look, words: &str) -> Markup {
    html! { span.state.(look.tone.class()) { (icon(look.icon)) (words) } }
}

/// A command. One click selects the whole of it: without a script nothing can copy by itself.
pub fn command(text: &str) -> Markup {
    html! { code.cmd title="One click selects the command" { span.pick { (text) } } }
}

/// A short text that people copy; one click selects it.
pub fn pick(text: &str) -> Markup {
    html! { code.pick title="One click selects it" { (text) } }
}

/// An error of a delivery file: its code and place, and what the code means.
pub fn refused_for(refused: &str) -> Markup {
    html! {
        @match refused.split_once(": ") {
            Some((place, title)) => { code { (place) } ": " (title) },
            None => code { (refused) },
        }
    }
}

/// The address of a change.
pub fn change_href(project: &ProjectKey, revision: &Revision) -> String {
    format!("/p/{project}/c/{revision}")
}

/// The commit of a release, as far as the project's view tells it: what runs somewhere, or what the last run made.
pub fn revision_of<'a>(project: &'a ProjectView, release: &ReleaseRef) -> Option<&'a Revision> {
    let running = project.environments.iter().filter_map(|environment| environment.runs.as_ref());
    let ran = running.filter(|runs| runs.release.id == release.id).map(|runs| &runs.revision).next();
    let made = project.last_run.as_ref().filter(|run| run.release.as_ref().is_some_and(|own| own.id == release.id));
    ran.or_else(|| made.map(|run| &run.commit.revision))
}

/// Digits of a commit that a command takes for a commit: digits alone would be the number of a run.
pub fn digits(revision: &Revision) -> &str {
    let letter = revision.as_str().find(|digit: char| digit.is_ascii_alphabetic()).map_or(revision.as_str().len(), |at| at + 1);
    &revision.as_str()[..letter.max(revision.short().len())]
}

/// `main` for `refs/heads/main`, and any other ref in full.
pub fn branch(run: &RunView) -> &str {
    run.reference.strip_prefix("refs/heads/").unwrap_or(&run.reference)
}

/// The first line of a commit's message, or what stands for it where it was erased.
pub fn subject(commit: &CommitView) -> &str {
    commit.subject.as_deref().map(str::trim).filter(|subject| !subject.is_empty()).unwrap_or("(message erased)")
}

/// At most so many characters, with an ellipsis where some are missing: whole sentences where one fits, else whole words.
pub fn clip(text: &str, characters_max: usize) -> String {
    let Some((at, next)) = text.char_indices().nth(characters_max) else { return text.to_owned() };
    let kept = &text[..at];
    let sentence = kept.rfind(". ").map(|stop| &kept[..=stop]).or(Some(kept).filter(|kept| kept.ends_with('.') && next == ' '));
    // "v1. " begins a text rather than being one.
    if let Some(sentence) = sentence.filter(|sentence| sentence.len() * 4 >= at) {
        return format!("{sentence} …");
    }
    let word = if next.is_whitespace() { Some(kept) } else { kept.rfind(char::is_whitespace).map(|space| &kept[..space]) };
    format!("{}…", word.unwrap_or(kept).trim_end())
}

/// A reason as a sentence of its own: a full stop last, and upper case first unless it begins with a name.
pub fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let word = text.split_whitespace().next().unwrap_or_default();
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    match word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        _ if text.is_empty() => String::new(),
        true => format!("{}{rest}.", first.to_uppercase()),
        false => format!("{text}."),
    }
}
