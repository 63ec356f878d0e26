//! Icons, words and colours. A state is always an icon and a word; colour only repeats them.

/// Where something stands, as every renderer shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Done and good.
    Passed,
    /// Ended badly.
    Failed,
    /// At work.
    Running,
    /// It waits.
    Waiting,
    /// Nobody knows.
    Unknown,
    /// Not done, on purpose.
    Skipped,
    /// A newer one took its place.
    Superseded,
    /// Somebody ended it.
    Cancelled,
    /// Not yet.
    Ahead,
}

/// How a text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As everything else.
    Plain,
    /// What the eye should find first.
    Strong,
    /// What it may pass over.
    Muted,
    /// Good.
    Green,
    /// Bad.
    Red,
    /// At work.
    Blue,
    /// It waits.
    Yellow,
    /// Unknown.
    Purple,
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    /// Whether colours may be used.
    pub colour: bool,
    /// Whether only ASCII may be used.
    pub ascii: bool,
}

impl Mark {
    /// Its colour.
    pub fn style(self) -> Style {
        match self {
            Mark::Passed => Style::Green,
            Mark::Failed => Style::Red,
            Mark::Running => Style::Blue,
            Mark::Waiting => Style::Yellow,
            Mark::Unknown => Style::Purple,
            Mark::Skipped | Mark::Superseded | Mark::Cancelled | Mark::Ahead => Style::Muted,
        }
    }
}

impl Paint {
    /// Neither colour nor signs beyond ASCII.
    #[cfg(test)]
    pub const PLAIN: Paint = Paint { colour: false, ascii: true };

    /// The mark's icon, one column wide.
    pub fn icon(self, mark: Mark) -> &'static str {
        let (unicode, ascii) = match mark {
            Mark::Passed => ("✓", "V"),
            Mark::Failed => ("✗", "X"),
            Mark::Running => ("◔", ">"),
            Mark::Waiting => ("⧖", "H"),
            Mark::Unknown => ("?", "?"),
            Mark::Skipped => ("–", "-"),
            Mark::Superseded => ("»", "="),
            Mark::Cancelled => ("■", "#"),
            Mark::Ahead => ("·", "."),
        };
        if self.ascii { ascii } else { unicode }
    }

    /// The arrow of "from this to that".
    pub fn to(self) -> &'static str {
        if self.ascii { ">" } else { "›" }
    }

    /// The arrow of "came from".
    pub fn from(self) -> &'static str {
        if self.ascii { "<-" } else { "←" }
    }

    /// Between facts in a line.
    pub fn dot(self) -> &'static str {
        if self.ascii { "-" } else { "·" }
    }

    /// A text in a style.
    pub fn text(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => "",
            Style::Strong => "1",
            Style::Muted => "2",
            Style::Green => "32",
            Style::Red => "31",
            Style::Blue => "34",
            Style::Yellow => "33",
            Style::Purple => "35",
        };
        if self.colour && !code.is_empty() && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Icon and word in the mark's colour.
    pub fn mark(self, mark: Mark, word: &str) -> String {
        self.text(mark.style(), format!("{} {word}", self.icon(mark)).trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_only_repeats_the_words() {
        let colour = Paint { colour: true, ascii: false };
        assert_eq!(colour.mark(Mark::Failed, "failed"), "\x1b[31m✗ failed\x1b[0m");
        assert_eq!(Paint::PLAIN.mark(Mark::Failed, "failed"), "X failed");
        assert_eq!(Paint { colour: false, ascii: false }.mark(Mark::Passed, ""), "✓");
    }
}
