//! How much is read of what strangers send, and what is said of more.

use std::io::{self, Read};

/// There is more than may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {0} bytes")]
pub struct TooLong(pub u64);

impl TooLong {
    /// What an error of reading says, if it says this.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// A reader that fails where more comes than may. An end there instead would look as if the sender had stopped.
pub struct Within<R> {
    from: R,
    left: u64,
    most: u64,
    over: bool,
}

impl<R> Within<R> {
    /// So many bytes of it.
    pub fn new(from: R, most: u64) -> Self {
        Self { from, left: most, most, over: false }
    }

    /// What was exceeded, if it was. Whoever took the reader may have made another error of it.
    pub fn exceeded(&self) -> Option<TooLong> {
        self.over.then_some(TooLong(self.most))
    }
}

impl<R: Read> Read for Within<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !buffer.is_empty() {
            self.over |= self.from.read(&mut [0])? > 0;
            return if self.over { Err(io::Error::other(TooLong(self.most))) } else { Ok(0) };
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.from.read(&mut buffer[..room])?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_read_and_more_is_an_error_that_says_the_limit() {
        let mut read = Vec::new();
        let mut fits = Within::new(&b"12345678"[..], 8);
        assert_eq!(fits.read_to_end(&mut read).unwrap(), 8);
        assert_eq!(fits.exceeded(), None);
        let mut over = Within::new(&b"123456789"[..], 8);
        let error = over.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!((TooLong::of(&error), over.exceeded()), (Some(TooLong(8)), Some(TooLong(8))));
        assert_eq!(TooLong::of(&io::Error::other("something else")), None);
    }
}
