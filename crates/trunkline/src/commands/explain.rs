//! `trunkline explain`: the page of an error code.

use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::globals::Globals;

/// Which code.
#[derive(clap::Args)]
pub struct Arguments {
    /// Such as TL0142
    code: String,
}

/// Prints its page.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let screen = globals.screen();
    let code = whole(&arguments.code);
    let Some(page) = page(&code) else {
        return Err(Failure::new(Code::Unlisted, format!("there is no error code '{}' in this version", arguments.code))
            .help("codes look like TL0142 and stand in brackets behind the word error")
            .into());
    };
    if screen.json() {
        screen.print_json(&serde_json::json!({ "code": code, "page": page }))?;
    } else {
        screen.print(page)?;
    }
    Ok(Exit::Good)
}

/// A code as it is printed: people also write `tl0142`, `[TL0142]` and `142`.
fn whole(text: &str) -> String {
    let code = text.trim_matches(['[', ']']).to_ascii_uppercase();
    match code.parse::<u16>() {
        Ok(number) => format!("TL{number:04}"),
        Err(_) => code,
    }
}

/// The page of a code, whoever gave it out.
fn page(code: &str) -> Option<&'static str> {
    let own = || Code::ALL.iter().find(|own| own.as_str().eq_ignore_ascii_case(code)).map(|own| own.page());
    trunkline_delivery_file::explain(code).or_else(own).or_else(|| trunkline_server::explain(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_may_be_written_short() {
        for text in ["TL0142", "tl0142", "[TL0142]", "0142", "142"] {
            assert_eq!(whole(text), "TL0142", "{text}");
        }
        assert_eq!(whole("nonsense"), "NONSENSE");
    }

    #[test]
    fn pages_of_all_kinds_are_found() {
        assert!(page("tl0100").is_some_and(|page| page.starts_with("# TL0100")));
        assert!(page("TL0201").is_some_and(|page| page.starts_with("# TL0201")));
        assert!(page("TL0504").is_some_and(|page| page.starts_with("# TL0504")));
        assert!(page("TL9999").is_none());
    }
}
