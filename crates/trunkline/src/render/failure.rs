//! The form of a failure: what, where, why, help.

use super::paint::{Paint, Style};
use super::text::clean;
use crate::failure::Failure;

/// A failure in a few lines.
pub fn failure(failure: &Failure, paint: Paint) -> String {
    let code = clean(&failure.code);
    let mut out = format!("{}: {}\n", paint.text(Style::Red, &format!("error[{code}]")), clean(&failure.what));
    if let Some(place) = &failure.place {
        out += &format!("  {} {}\n", paint.text(Style::Muted, "-->"), clean(place));
    }
    for why in failure.why.iter().filter(|why| !why.trim().is_empty()) {
        out += &format!("  caused by: {}\n", clean(why));
    }
    if let Some(help) = &failure.help {
        out += &format!("{}: {}\n", paint.text(Style::Green, "help"), clean(help));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;

    fn sample() -> Failure {
        Failure::new(Code::Unreachable, "the server does not answer")
            .place("http://127.0.0.1:7420")
            .why("Connection refused")
            .help("start it with trunkline serve")
    }

    #[test]
    fn four_parts() {
        let plain = failure(&sample(), Paint::PLAIN);
        assert_eq!(
            plain,
            "error[TL0201]: the server does not answer\n  --> http://127.0.0.1:7420\n  caused by: Connection refused\nhelp: start it with trunkline serve\n"
        );
        let coloured = failure(&sample(), Paint { colour: true, ascii: false });
        assert!(coloured.starts_with("\x1b[31merror[TL0201]\x1b[0m: the server"));
    }

    #[test]
    fn what_a_server_says_cannot_reach_the_terminal() {
        let said = Failure::new(Code::Senseless, "x").why("\x1b[2Jgone");
        assert!(!failure(&said, Paint::PLAIN).contains('\x1b'));
    }
}
