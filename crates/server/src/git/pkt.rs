//! Git's pkt-line framing: four hex digits of length, then the bytes; `0000` ends a section.

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

/// The next line (absent: the end of the section) and what comes after it. An error says what is wrong.
pub fn next(bytes: &[u8]) -> Result<(Option<&[u8]>, &[u8]), &'static str> {
    let head = bytes.get(..4).ok_or("the request ends within a line")?;
    let length = std::str::from_utf8(head).ok().and_then(|head| usize::from_str_radix(head, 16).ok()).ok_or("a line has no length")?;
    match length {
        0 => Ok((None, &bytes[4..])),
        1..=3 => Err("a line has an impossible length"),
        _ => {
            let payload = bytes.get(4..length).ok_or("the request ends within a line")?;
            Ok((Some(payload), &bytes[length..]))
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
        let (first, rest) = next(&bytes).unwrap();
        assert_eq!(first, Some(&b"hello\n"[..]));
        assert_eq!(next(rest).unwrap(), (None, &b"PACK"[..]));
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [&b"00"[..], b"zzzz", b"0001", b"0009abc"] {
            assert!(next(bytes).is_err(), "{bytes:?}");
        }
    }
}
