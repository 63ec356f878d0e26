//! Bytes in zstd frames of a few MiB each. A frame's checksum is compared at its end, so a damaged place is found within
//! one frame of where it is, and not only at the end of everything.

use std::io::{Read, Result, Write};
use zstd::stream::write::Encoder;

/// Raw bytes of a frame.
pub const FRAME_BYTES: usize = 4 << 20;
/// Blobs and packs are packed already; more would cost time for little.
const LEVEL: i32 = 1;

/// Packs what is written to it.
pub struct Frames<W: Write> {
    encoder: Option<Encoder<'static, W>>,
    raw: usize,
}

fn encoder<W: Write>(into: W) -> Result<Encoder<'static, W>> {
    let mut encoder = Encoder::new(into, LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

impl<W: Write> Frames<W> {
    pub fn new(into: W) -> Result<Self> {
        Ok(Self { encoder: Some(encoder(into)?), raw: 0 })
    }

    /// Ends the last frame.
    pub fn finish(mut self) -> Result<W> {
        self.encoder.take().ok_or_else(gone)?.finish()
    }
}

/// A frame could not be ended before: nothing more can be written.
fn gone() -> std::io::Error {
    std::io::Error::other("an earlier write failed")
}

impl<W: Write> Write for Frames<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.raw == FRAME_BYTES {
            let into = self.encoder.take().ok_or_else(gone)?.finish()?;
            (self.encoder, self.raw) = (Some(encoder(into)?), 0);
        }
        let part = &bytes[..bytes.len().min(FRAME_BYTES - self.raw)];
        let written = self.encoder.as_mut().ok_or_else(gone)?.write(part)?;
        self.raw += written;
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.encoder.as_mut().ok_or_else(gone)?.flush()
    }
}

/// Counts what passes.
pub struct Counted<T> {
    pub inner: T,
    pub bytes: u64,
}

impl<T> Counted<T> {
    pub fn new(inner: T) -> Self {
        Self { inner, bytes: 0 }
    }
}

impl<T: Read> Read for Counted<T> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

impl<T: Write> Write for Counted<T> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.flush()
    }
}
