//! The frame of every page: head, skip link, bar, footer. Nothing here links to what does not exist.

use super::look::SPRITE;
use super::time;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use trunkline_domain::foundation::{Timestamp, is_obeyed};

/// What the frame says around a page's content.
pub struct Frame<'a> {
    /// Title of the window, without the product's name.
    pub title: &'a str,
    /// Seconds until the browser asks again.
    pub refresh_s: u32,
    /// Whether it does.
    pub refresh: Refresh,
    /// Whether this is the board.
    pub place: Place,
    /// When the content was read.
    pub at: Option<Timestamp>,
    /// Entries of the record that the content knows.
    pub entries: Option<u64>,
}

/// Which place of the navigation a page is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The board.
    Board,
    /// Below it.
    Elsewhere,
}

/// Whether a page asks for itself again. People who need more time to read can pause that (WCAG 2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// It does.
    On,
    /// Its reader paused it, by the link in the footer.
    Paused,
    /// Asking again would change nothing.
    Never,
}

/// A page, asked for again by the browser every few seconds: that is all the liveness that needs no script.
pub fn page(frame: &Frame<'_>, content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if frame.refresh == Refresh::On { meta http-equiv="refresh" content=(frame.refresh_s); }
                title { (frame.title) " · Trunkline" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/trunkline.css";
            }
            body {
                a.skip href="#main" { "Skip to content" }
                (PreEscaped(SPRITE))
                (bar(frame))
                main #main tabindex="-1" { (content) }
                (footer(frame))
            }
        }
    };
    shown(&page.into_string())
}

/// What others wrote cannot turn the reading order of a page, nor hide in it. Escaping alone lets such characters pass.
fn shown(page: &str) -> String {
    page.chars().map(|c| if is_obeyed(c) && !matches!(c, '\n' | '\t' | '\r') { '\u{fffd}' } else { c }).collect()
}

fn bar(frame: &Frame<'_>) -> Markup {
    let current = (frame.place == Place::Board).then_some("page");
    html! {
        header.bar {
            a.brand href="/" {
                svg viewBox="0 0 22 22" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" {
                    path d="M2 15.5h13.2" {}
                    path d="M3.5 6.5H6c5 0 4.4 9 9.2 9" {}
                    circle cx="18" cy="15.5" r="2.6" {}
                }
                "Trunkline"
            }
            nav.nav aria-label="Main" { ul { li { a href="/" aria-current=[current] { "Board" } } } }
            @if let Some(at) = frame.at {
                div.tools {
                    span.live {
                        span { "as of " time datetime=(at.iso()) { (time::second(at)) } " UTC"
                            @match frame.refresh {
                                Refresh::On => span.every { ", every " (frame.refresh_s) " s" },
                                Refresh::Paused => ", paused",
                                Refresh::Never => {}
                            }
                        }
                    }
                }
            }
        }
    }
}

fn footer(frame: &Frame<'_>) -> Markup {
    html! {
        footer.foot {
            span { "Times are UTC" }
            // The rest of the address stays: a link of a query alone changes nothing else.
            @match frame.refresh {
                Refresh::On => span { "This page refreshes itself: " a href="?refresh=off" { "pause" } },
                Refresh::Paused => span { "This page does not refresh itself: " a href="?refresh=on" { "resume" } },
                Refresh::Never => {}
            }
            @if let Some(entries) = frame.entries {
                span { "record: " (super::look::grouped(entries)) (if entries == 1 { " entry" } else { " entries" }) }
            }
            span.push { "Trunkline " (env!("CARGO_PKG_VERSION")) }
        }
    }
}
