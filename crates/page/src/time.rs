//! Moments and spans for people. All clock times are UTC, as the footer says.

use maud::{Markup, html};
use trunkline_domain::foundation::{Millis, Timestamp};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment, told in some words; the exact time is in the element and under the pointer.
pub fn moment(at: Timestamp, words: &str) -> Markup {
    let iso = at.iso();
    html! { time datetime=(iso) title=(iso) { (words) } }
}

/// How long ago, as `12 min`.
pub fn age(now: Timestamp, at: Timestamp) -> Markup {
    moment(at, &rough(now.since(at)).unwrap_or_else(|| "now".to_owned()))
}

/// How long ago, as `12 min ago`.
pub fn ago(now: Timestamp, at: Timestamp) -> Markup {
    moment(at, &rough(now.since(at)).map_or_else(|| "just now".to_owned(), |span| format!("{span} ago")))
}

/// When, as `14:32`, on another day `24 Nov 14:32`.
pub fn clock(now: Timestamp, at: Timestamp) -> Markup {
    let (year, month, day) = at.date();
    let minute = minute(at);
    let words = if at.date() == now.date() {
        minute
    } else {
        let month = MONTHS.get(usize::from(month.unsigned_abs()).saturating_sub(1)).copied().unwrap_or_default();
        if year == now.date().0 { format!("{day} {month} {minute}") } else { format!("{day} {month} {year}") }
    };
    moment(at, &words)
}

/// `14:32:07`.
pub fn second(at: Timestamp) -> String {
    at.iso().get(11..19).unwrap_or_default().to_owned()
}

/// How long something took or has waited, as exact as people read it: `4.2 s`, `48 s`, `2 min 10 s`, `22 min`, `2 h 10 min`.
pub fn took(span: Millis) -> String {
    let words = match span.0 {
        0..10_000 | 60_000..600_000 | 3_600_000.. => span.to_string(),
        10_000..60_000 => format!("{} s", span.0 / 1_000),
        600_000..3_600_000 => format!("{} min", span.0 / 60_000),
    };
    let whole = [" 00 s", " 00 min", " 0 h"].iter().find_map(|nothing| words.strip_suffix(nothing));
    whole.map_or(words.clone(), str::to_owned)
}

/// How long something has lasted: as [`took`], but in whole seconds, since it goes on.
pub fn lasts(span: Millis) -> String {
    if span.0 < 60_000 { format!("{} s", span.0 / 1_000) } else { took(span) }
}

fn minute(at: Timestamp) -> String {
    at.iso().get(11..16).unwrap_or_default().to_owned()
}

/// A span in one unit, as the command line tells it. None where it is too short to tell.
fn rough(span: Millis) -> Option<String> {
    let seconds = span.0 / 1_000;
    match seconds {
        0..2 => None,
        2..60 => Some(format!("{seconds} s")),
        60..3_600 => Some(format!("{} min", seconds / 60)),
        3_600..172_800 => Some(format!("{} h", seconds / 3_600)),
        _ => Some(format!("{} d", seconds / 86_400)),
    }
}
