//! How a command that people read names its project.

use trunkline_domain::foundation::ProjectKey;

/// How many projects the server has. With several, a command that people read has to name its own: nobody knows in which
/// folder they type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projects {
    /// At most one.
    One,
    /// More.
    Several,
}

impl Projects {
    /// So many of them.
    pub fn of(count: usize) -> Self {
        if count > 1 { Projects::Several } else { Projects::One }
    }

    /// The command as it means this project wherever it is typed.
    pub fn said(self, command: &str, project: &ProjectKey) -> String {
        match self {
            Projects::One => command.to_owned(),
            Projects::Several => format!("{command} -p {project}"),
        }
    }
}
