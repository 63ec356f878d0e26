//! Bytes that pass only while their work is wanted: a copy of hours must end with the time or the lease of its job.

use crate::failure::Failure;
use crate::lease::{Hold, Standing};
use crate::slot::stop_reason;
use std::io::{self, Read, Write};
use std::time::Instant;

/// Until when work is wanted.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The right to it.
    pub hold: &'a Hold,
    /// When its time is over, where it has one.
    pub deadline: Option<Instant>,
}

impl<'a> Wanted<'a> {
    /// For as long as its lease is held.
    pub fn held(hold: &'a Hold) -> Self {
        Self { hold, deadline: None }
    }

    /// Fails once it is wanted no more, and says why.
    pub fn check(&self) -> Result<(), Failure> {
        match self.hold.standing() {
            Standing::Held if !self.is_late() => Ok(()),
            standing => Err(Failure(stop_reason(standing).to_owned())),
        }
    }

    /// Whether its time is over.
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// A reader or writer that fails once the work is wanted no more. It looks at each call, so no call should be large.
    pub fn pass<T>(self, inner: T) -> Passing<'a, T> {
        Passing { inner, wanted: self }
    }
}

/// What [`Wanted::pass`] makes.
pub struct Passing<'a, T> {
    inner: T,
    wanted: Wanted<'a>,
}

impl<T: Read> Read for Passing<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wanted.check().map_err(io::Error::other)?;
        self.inner.read(buffer)
    }
}

impl<T: Write> Write for Passing<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wanted.check().map_err(io::Error::other)?;
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
