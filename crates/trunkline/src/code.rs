//! The error codes of the command line, TL0200 to TL0499. Each has a page in `docs/errors`; a code is never given a
//! second meaning. Codes of the delivery file live in its crate; those of refusals come from the server.

use crate::exit::Exit;

macro_rules! codes {
    ($($text:literal $name:ident $exit:ident $doc:literal)*) => {
        /// What kind of failure the command line reports.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $doc] $name,)*
        }

        impl Code {
            /// Every code, rising.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// As it is printed.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$name => $text,)*
                }
            }

            /// How the program ends with it.
            pub fn exit(self) -> Exit {
                match self {
                    $(Code::$name => Exit::$exit,)*
                }
            }

            /// Its page, in Markdown.
            pub fn page(self) -> &'static str {
                match self {
                    $(Code::$name => include_str!(concat!("../../../docs/errors/", $text, ".md")),)*
                }
            }
        }
    };
}

codes! {
    "TL0200" Unexpected Failed "Something broke that has no code of its own."
    "TL0201" Unreachable Unreachable "The server does not answer."
    "TL0202" Senseless Unreachable "The server's answer makes no sense."
    "TL0203" Address Usage "The server's address cannot be used."
    "TL0204" NoToken NotAllowed "There is no token for this server."
    "TL0205" TokenRefused NotAllowed "The server does not take the token."
    "TL0206" WhichProject Usage "It is not clear which project is meant."
    "TL0207" Tunnel Unreachable "The way through ssh did not open."
    "TL0208" ServerFailed Unreachable "The server failed to answer."
    "TL0210" FileUnreadable Usage "A file cannot be read or written."
    "TL0211" FileExists Usage "A file is there already and is not overwritten."
    "TL0212" NoRepository Usage "This folder is not in a git repository."
    "TL0213" GitFailed Failed "A git command failed."
    "TL0214" NeedsYes Usage "An act without a terminal needs --yes."
    "TL0215" Declined Failed "You said no."
    "TL0216" NotAReference Usage "This does not name a run, release, deployment or environment."
    "TL0217" Unlisted NotFound "There is no such error code."
    "TL0218" NothingThere NotFound "There is nothing there yet."
    "TL0219" NoSuchJob NotFound "The run has no such job."
    "TL0220" NoLedger Usage "There is no ledger to read there."
    "TL0221" LedgerChanged Failed "The ledger is not what was recorded."
    "TL0222" StartInput Usage "What a run shall start with cannot be read."
    "TL0223" BadDeliveryFile Usage "The delivery file has errors."
    "TL0224" RemoteTaken Conflict "The git remote 'trunkline' leads to another project."
    "TL0230" DataFolder Failed "The data folder cannot be used."
    "TL0231" CannotListen Failed "The server cannot listen there."
    "TL0232" ClockAhead Blocked "The wall clock is far ahead of the record."
    "TL0233" Service Failed "The service cannot be installed, asked or upgraded."
    "TL0234" Backup Failed "The backup cannot be written."
    "TL0235" BackupDamaged Failed "The backup is damaged, or is none."
    "TL0236" RestoreFolder Usage "The backup cannot be restored into that folder."
    "TL0240" DemoFailed Failed "The demo did not show what it promises."
    "TL0241" DemoNeeds Usage "The demo lacks something on this machine."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_that_says_what_to_do() {
        for code in Code::ALL {
            let page = code.page();
            assert!(page.starts_with(&format!("# {}: ", code.as_str())), "{}", code.as_str());
            assert!(page.contains("## What to do"), "{}", code.as_str());
        }
    }

    #[test]
    fn codes_rise() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
    }
}
