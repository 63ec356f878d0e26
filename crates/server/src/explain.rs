//! The pages of the server's error codes, TL0500 to TL0599.

macro_rules! pages {
    ($($code:literal)*) => {
        /// Every code that the server gives out, with its page.
        pub const PAGES: &[(&str, &str)] = &[$(($code, include_str!(concat!("../../../docs/errors/", $code, ".md"))),)*];
    };
}

pages! { "TL0501" "TL0502" "TL0503" "TL0504" "TL0505" "TL0506" "TL0510" "TL0511" "TL0520" "TL0521" "TL0522" "TL0523" "TL0524" }

/// The page of a code.
pub fn explain(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(own, _)| own.eq_ignore_ascii_case(code)).map(|(_, page)| *page)
}

#[cfg(test)]
mod tests {
    use super::PAGES;

    /// Every `"TL05xx"` in the routes' source has a page, and no page is without use.
    #[test]
    fn every_code_has_its_page() {
        let sources = [
            include_str!("access.rs"),
            include_str!("serve.rs"),
            include_str!("room.rs"),
            include_str!("room.rs"),
            include_str!("serve.rs"),
            include_str!("route/asked/mod.rs"),
            include_str!("route/mod.rs"),
            include_str!("route/api.rs"),
            include_str!("route/git.rs"),
            include_str!("route/head.rs"),
            include_str!("route/page.rs"),
            include_str!("route/problem.rs"),
            include_str!("route/runner.rs"),
        ]
        .concat();
        for (index, _) in sources.match_indices("TL05") {
            let code = &sources[index..index + 6];
            assert!(PAGES.iter().any(|(own, _)| *own == code), "{code} has no page");
        }
        for (code, page) in PAGES {
            assert!(sources.contains(code), "{code} is not used");
            assert!(page.starts_with(&format!("# {code}: ")) && page.contains("## What to do"), "{code}");
        }
    }
}
