//! Exit codes: a documented interface for scripts. A code is never given a second meaning.

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done and good.
    Good,
    /// The thing failed.
    Failed,
    /// The command line or a file is wrong.
    Usage,
    /// It waits for a person or for something else to happen.
    Blocked,
    /// Not allowed.
    NotAllowed,
    /// No such thing.
    NotFound,
    /// It does not fit what is there now.
    Conflict,
    /// The server does not answer.
    Unreachable,
    /// `--timeout` ran out.
    TimedOut,
    /// Ctrl-C.
    Interrupted,
}

/// Every code with its meaning, in the words of `trunkline help exit-codes`.
pub const TABLE: [(Exit, &str); 10] = [
    (Exit::Good, "done and good"),
    (Exit::Failed, "the thing failed: a red job, a deployment that was rolled back, a ledger that was changed"),
    (Exit::Usage, "wrong usage, or errors in a file"),
    (Exit::Blocked, "blocked: it waits for a person or for its turn"),
    (Exit::NotAllowed, "not allowed, or the token is missing"),
    (Exit::NotFound, "no such thing"),
    (Exit::Conflict, "conflict: it does not fit what is there now"),
    (Exit::Unreachable, "the server does not answer"),
    (Exit::TimedOut, "--timeout ran out; the work goes on"),
    (Exit::Interrupted, "Ctrl-C; the work goes on"),
];

impl Exit {
    /// The number that the shell sees.
    pub fn number(self) -> u8 {
        match self {
            Exit::Good => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Blocked => 3,
            Exit::NotAllowed => 4,
            Exit::NotFound => 5,
            Exit::Conflict => 6,
            Exit::Unreachable => 7,
            Exit::TimedOut => 124,
            Exit::Interrupted => 130,
        }
    }

    /// What a refusal with this HTTP status means for a caller.
    pub fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Exit::NotAllowed,
            404 | 410 => Exit::NotFound,
            409 | 412 => Exit::Conflict,
            423 | 425 | 428 => Exit::Blocked,
            500.. => Exit::Unreachable,
            _ => Exit::Usage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_documented_ones() {
        let numbers: Vec<u8> = TABLE.iter().map(|(exit, _)| exit.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 124, 130]);
    }

    #[test]
    fn statuses_become_codes() {
        let table = [(400, 2), (401, 4), (403, 4), (404, 5), (409, 6), (412, 6), (422, 2), (423, 3), (500, 7), (503, 7)];
        for (status, number) in table {
            assert_eq!(Exit::of_status(status).number(), number, "{status}");
        }
    }
}
