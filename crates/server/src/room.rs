//! What still happens when the disk is nearly full: everything that ends, nothing that begins.

use crate::writer::Busy;
use trunkline_domain::record::Command;
use trunkline_domain::{deployment, run};
use trunkline_engine::Call;
use trunkline_store::{Change, Space};

/// The room on the disk of the data folder.
#[derive(Debug)]
pub struct Room {
    space: Space,
}

impl Room {
    /// On this disk.
    pub fn new(space: Space) -> Self {
        if space.is_low() {
            eprintln!("{}", words(space.free_bytes()));
        }
        Self { space }
    }

    /// Whether nothing new may begin.
    pub fn is_low(&self) -> bool {
        self.space.is_low()
    }

    /// The free bytes, where they are too few.
    pub fn free_if_low(&self) -> Option<u64> {
        self.is_low().then(|| self.space.free_bytes())
    }

    /// What is said to whoever wants to begin something.
    pub fn full(&self) -> Busy {
        Busy::NoRoom(self.space.free_bytes())
    }

    /// Refuses calls that would begin something while the disk is nearly full. What ends work passes, and so does what
    /// runners say of work that they hold.
    pub fn admit(&self, call: &Call) -> Result<(), Busy> {
        let begins = match call {
            // What is tried out is refused where the act would be.
            Call::Command(request) | Call::TryOut(request) => !(request.keyed.is_empty() && request.commands.iter().all(ends)),
            Call::Claim(_) | Call::Resume(_) => true,
            Call::Report(report) => report.request.claim_next,
            Call::Renew(_) => false,
        };
        if begins && self.is_low() { Err(self.full()) } else { Ok(()) }
    }

    /// The store found the disk full before a look did.
    pub fn ran_out(&self) {
        let spent = self.space.give_up_reserve();
        let reserve = if spent { "the reserve makes room for what runs" } else { "and the reserve is spent" };
        eprintln!("error[TL0522]: the disk of the data folder is full; {reserve}");
    }

    /// Looks at the disk again. Whether work may begin that had to wait.
    pub fn look(&self) -> bool {
        match self.space.look() {
            Ok(Some(Change::Low)) => eprintln!("{}", words(self.space.free_bytes())),
            Ok(Some(Change::Ample)) => eprintln!("there is room on the disk again: work begins as before"),
            Ok(None) => return false,
            // What cannot be asked now is asked at the next tick; a full disk shows when something is written.
            Err(_) => return false,
        }
        !self.is_low()
    }
}

fn words(free: u64) -> String {
    format!("error[TL0522]: {}; what runs is recorded", Busy::NoRoom(free))
}

fn ends(command: &Command) -> bool {
    matches!(
        command,
        Command::Run(_, run::Command::Cancel) | Command::Deployment(_, deployment::Command::Cancel | deployment::Command::Settle { .. })
    )
}
