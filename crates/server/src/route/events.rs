//! `GET /api/v1/events`: what was recorded, as it happens (server-sent events). Each event is one entry of the ledger: its
//! number is the event's id, and it carries keys, never states, so that whoever listens fetches what interests it.

use super::asked::{Ask, wait_for};
use super::document::ROOT;
use super::table::Table;
use super::told::Events;
use super::{Problem, stream};
use crate::about::About;
use crate::access::{Authorized, Look};
use crate::shared::{Failure, Shared};
use crate::view;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use trunkline_api::request::Event;
use trunkline_engine::Read;

/// Entries read at once.
const PAGE: u32 = 200;
/// Events on the way to one listener; a slow one is read for no faster than it listens.
const ON_THE_WAY: usize = 64;
/// A comment this often tells proxies and listeners that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A listener that takes nothing for this long is gone.
const STALL_MAX: Duration = Duration::from_secs(60);

pub fn routes() -> Table {
    Table::below(ROOT).get("/events", events, "What is recorded, as it happens (server-sent events), after an entry or from now on.")
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct From {
    /// Tell what comes after this entry.
    after: Option<u64>,
}

async fn events(
    _: Authorized<Look>,
    State(shared): State<Arc<Shared>>,
    Ask(from): Ask<From>,
    headers: HeaderMap,
) -> Result<Events, Problem> {
    let (sender, receiver) = mpsc::channel(ON_THE_WAY);
    let last = headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.trim().parse().ok()));
    let after = match last {
        Some(None) => return Err(Failure::Invalid(About::Other, "Last-Event-ID is no entry's number".to_owned()).into()),
        Some(seq) => seq,
        None => from.after,
    };
    if let Some(seq) = after {
        // Of a longer ledger than this one: whoever waits there would hear nothing for long, and not know it.
        wait_for(&shared, seq).await?;
    }
    // Without a place to begin at: from now on.
    let after = after.unwrap_or_else(|| *shared.writer.bell().watch().borrow());
    tokio::spawn(tell(shared, after, sender));
    Ok(Events(stream::body(receiver)))
}

/// Tells every entry after this one, until the listener goes or the server ends.
async fn tell(shared: Arc<Shared>, mut after: u64, listener: mpsc::Sender<Bytes>) {
    let mut bell = shared.writer.bell().watch();
    let ending = shared.writer.bell().clone();
    loop {
        let own = shared.clone();
        let read = tokio::task::spawn_blocking(move || page(&own, after)).await;
        let Ok(Ok(events)) = read else { return };
        let more = events.len() == PAGE as usize;
        for event in events {
            after = event.seq;
            if !send(&listener, line(&event)).await {
                return;
            }
        }
        if ending.is_ending() {
            return;
        }
        if more {
            continue;
        }
        let longer = async { drop(bell.wait_for(|seq| *seq > after || ending.is_ending()).await) };
        let rung = tokio::time::timeout(HEARTBEAT, longer).await;
        if rung.is_err() && !send(&listener, Bytes::from_static(b": alive\n\n")).await {
            return;
        }
    }
}

async fn send(listener: &mpsc::Sender<Bytes>, bytes: Bytes) -> bool {
    listener.send_timeout(bytes, STALL_MAX).await.is_ok()
}

fn page(shared: &Shared, after: u64) -> Result<Vec<Event>, Failure> {
    let entries = shared.reader.entries(after, PAGE)?;
    entries.iter().map(view::event).collect()
}

fn line(event: &Event) -> Bytes {
    // JSON holds no line ends: one line of data is always enough.
    let data = serde_json::to_string(event).expect("an event has only string keys");
    Bytes::from(format!("id: {}\nevent: entry\ndata: {data}\n\n", event.seq))
}
