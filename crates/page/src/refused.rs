//! What a browser sees that is refused: what, why, what to do, and the way back.

use super::layout::{Frame, Place, Refresh, page};
use super::part::{command, sentence};
use maud::{Markup, html};
use trunkline_api::request::Refused;

/// Between two tries of the browser to come in: the link is opened by a person, so there is no haste.
const REFRESH_STRANGER_S: u32 = 3_600;
/// Between two tries of a board that hangs on a wall: it comes back by itself with the server.
const REFRESH_FAILED_S: u32 = 10;

const STRANGER: u16 = 401;

/// A refusal. `wish` is what the browser's question says of refreshing.
pub fn refused(status: u16, refused: &Refused, wish: Refresh) -> String {
    let (refresh_s, refresh) = match status {
        STRANGER => (REFRESH_STRANGER_S, wish),
        500.. => (REFRESH_FAILED_S, wish),
        // The same question gets the same answer.
        _ => (0, Refresh::Never),
    };
    let title = title(status);
    let content = if status == STRANGER { way_in(title, refused) } else { way_back(title, refused) };
    page(&Frame { title, refresh_s, refresh, place: Place::Elsewhere, at: None, entries: None }, &content)
}

fn title(status: u16) -> &'static str {
    match status {
        STRANGER => "Open the pages with a link",
        403 => "Only the operator may do that",
        404 => "There is no such thing",
        405 => "This address does not take that",
        409 => "It does not fit what is there now",
        412 => "It has not come yet",
        503 => "The server is busy or is ending",
        507 => "The server's disk is full",
        500.. => "The server failed",
        _ => "The question makes no sense",
    }
}

fn way_in(title: &str, refused: &Refused) -> Markup {
    html! {
        div.head { div { h1 { (title) } } }
        div.panel.empty {
            p { "This server shows its pages to browsers that came by a link: " (refused.message) ". On the server's machine, this prints one:" }
            (command("trunkline open"))
            p.muted { (refused.code) }
        }
    }
}

fn way_back(title: &str, refused: &Refused) -> Markup {
    html! {
        div.head { div {
            nav.crumbs aria-label="Breadcrumb" { a href="/" { "Board" } span aria-hidden="true" { "/" } span aria-current="page" { (refused.code) } }
            h1 { (title) }
        } }
        div.panel.empty {
            p { (sentence(&refused.message)) }
            @if let Some(help) = &refused.help { p { (sentence(help)) } }
            (command(&format!("trunkline explain {}", refused.code)))
            p { a href="/" { "Go to the board" } }
        }
    }
}
