//! What a browser sees that may not come in.

use super::layout::{Frame, Place, Refresh, page};
use super::part::command;
use maud::html;
use trunkline_api::request::Refused;

/// Between two tries of the browser: the link is opened by a person, so there is no haste.
const REFRESH_S: u32 = 3_600;

/// How to come in.
pub fn refused(refused: &Refused) -> String {
    let content = html! {
        div.head { div { h1 { "Open the pages with a link" } } }
        div.panel.empty {
            p { "This server shows its pages to browsers that came by a link: " (refused.message) ". On the server's machine, this prints one:" }
            (command("trunkline open"))
            p.muted { (refused.code) }
        }
    };
    page(
        &Frame { title: "Not open", refresh_s: REFRESH_S, refresh: Refresh::On, place: Place::Elsewhere, at: None, entries: None },
        &content,
    )
}
