//! Pages: views become HTML. Functions are components; text is escaped by default; there is no script.

mod answer;
mod attention;
mod board;
mod cell;
mod change;
mod evidence;
mod layout;
mod line;
mod look;
mod matrix;
mod part;
mod refused;
mod time;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use board::board;
pub use change::{change, unknown_change};
pub use layout::Refresh;
pub use refused::refused;

/// The one stylesheet.
pub const STYLE: &str = include_str!("trunkline.css");
/// The icon.
pub const ICON: &str = include_str!("icon.svg");
