//! From a place inside a value to its place in the file.

use crate::tree::{Content, Node};
use std::ops::Range;

/// Where these bytes of the node's text stand in the file; the whole value where YAML's escapes or folding moved them.
pub(crate) fn inside(source: &str, node: &Node, piece: Range<usize>) -> Range<usize> {
    let Content::Text(text) = &node.content else { return node.at.clone() };
    let Some(raw) = source.get(node.at.clone()) else { return node.at.clone() };
    let whole = node.at.start..node.at.start + raw.trim_end().len();
    let unquoted = raw.strip_prefix(['"', '\'']).filter(|_| !text.plain);
    let (shift, body) = match unquoted {
        Some(body) => (1, body),
        None => (0, raw),
    };
    if body.starts_with(text.value.as_str()) || body.trim_end() == text.value.trim_end() {
        return node.at.start + shift + piece.start..node.at.start + shift + piece.end;
    }
    // Same words, other spaces or escapes: the place of the piece is known where it stands there once.
    let Some(wanted) = text.value.get(piece).filter(|wanted| !wanted.is_empty()) else { return whole };
    let mut places = raw.match_indices(wanted);
    match (places.next(), places.next()) {
        (Some((at, _)), None) => node.at.start + at..node.at.start + at + wanted.len(),
        _ => whole,
    }
}
