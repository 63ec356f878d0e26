//! Git's pkt-line framing: four hex digits of length, then the bytes; `0000` ends a section.

use std::io::Read;

/// Bytes of one pkt-line's payload.
pub const PAYLOAD_MAX: usize = 65_516;

/// Appends a line.
pub fn line(out: &mut Vec<u8>, payload: &[u8]) {
    debug_assert!(payload.len() <= PAYLOAD_MAX);
    out.extend_from_slice(format!("{:04x}", payload.len() + 4).as_bytes());
    out.extend_from_slice(payload);
}

/// Appends the end of a section.
pub fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Appends bytes in a band of the side band, cut as needed.
pub fn band(out: &mut Vec<u8>, band: u8, bytes: &[u8]) {
    for chunk in bytes.chunks(PAYLOAD_MAX - 1) {
        let mut payload = vec![band];
        payload.extend_from_slice(chunk);
        line(out, &payload);
    }
}

/// The next line (absent: the end of the section). An error says what is wrong.
pub fn next(from: &mut dyn Read) -> Result<Option<Vec<u8>>, String> {
    let ends = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the request ends within a line".to_owned(),
        _ => format!("the request cannot be read: {error}"),
    };
    let mut head = [0; 4];
    from.read_exact(&mut head).map_err(ends)?;
    let length = std::str::from_utf8(&head).ok().and_then(|head| usize::from_str_radix(head, 16).ok());
    match length {
        None => Err("a line has no length".to_owned()),
        Some(0) => Ok(None),
        Some(1..=3) => Err("a line has an impossible length".to_owned()),
        Some(length) => {
            let mut payload = vec![0; length - 4];
            from.read_exact(&mut payload).map_err(ends)?;
            Ok(Some(payload))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_were_written() {
        let mut bytes = Vec::new();
        line(&mut bytes, b"hello\n");
        flush(&mut bytes);
        bytes.extend_from_slice(b"PACK");
        let mut from = &bytes[..];
        assert_eq!(next(&mut from).unwrap().as_deref(), Some(&b"hello\n"[..]));
        assert_eq!((next(&mut from).unwrap(), from), (None, &b"PACK"[..]));
    }

    #[test]
    fn nonsense_is_refused() {
        for mut bytes in [&b"00"[..], b"zzzz", b"0001", b"0009abc"] {
            assert!(next(&mut bytes).is_err(), "{bytes:?}");
        }
    }
}
