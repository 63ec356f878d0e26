//! The error codes of the delivery file. Each has a page in `docs/errors`; a code is never given a second meaning.

use std::fmt;

macro_rules! codes {
    ($($text:literal $name:ident $doc:literal)*) => {
        /// What kind of problem a diagnostic reports. Prints as `TL0142`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $doc] $name,)*
        }

        impl Code {
            /// Every code, rising.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The code as it is printed.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$name => $text,)*
                }
            }

            pub(crate) fn page(self) -> &'static str {
                match self {
                    $(Code::$name => include_str!(concat!("../../../docs/errors/", $text, ".md")),)*
                }
            }
        }
    };
}

codes! {
    "TL0100" FileTooLarge "The file is larger than a delivery file may be."
    "TL0101" NotUtf8 "The file is not UTF-8 text."
    "TL0102" Syntax "The text is not YAML."
    "TL0103" NotAMapping "The file is empty or not a mapping of keys."
    "TL0104" SecondDocument "The file holds more than one YAML document."
    "TL0105" TooDeep "Mappings and lists are nested too deep."
    "TL0106" Anchor "A YAML anchor."
    "TL0107" Alias "A YAML alias."
    "TL0108" Tag "A YAML tag."
    "TL0109" MergeKey "A YAML merge key."
    "TL0110" DuplicateKey "A key that was given before."
    "TL0111" KeyNotText "A key that is not a plain text."
    "TL0112" Tab "A tab where YAML wants spaces."
    "TL0113" UnquotedColon "An unquoted value with a colon in it."
    "TL0114" UnquotedTemplate "An unquoted `${{ … }}` between braces or brackets."
    "TL0120" NotYet "Something that this version does not have yet."
    "TL0121" MissingKey "A key that has to be given."
    "TL0122" WrongType "A value of the wrong type."
    "TL0123" NotADuration "A value that is not a duration."
    "TL0124" NotAChoice "A value that is none of the known words."
    "TL0125" OutOfRange "A number that is too small or too large."
    "TL0126" NotABoolean "A value that is neither true nor false."
    "TL0127" BadName "A text that cannot be a name."
    "TL0128" Empty "An empty value where something is needed."
    "TL0129" Conflict "Keys that exclude each other."
    "TL0130" TooMany "More of something than is allowed."
    "TL0131" BadPath "A path that leads out of the folder."
    "TL0139" MoreProblems "More problems than are shown."
    "TL0140" Habit "A key of another system."
    "TL0141" WrappedCondition "A condition inside `${{ … }}`."
    "TL0142" UnknownKey "A key that does not exist."
    "TL0143" UnquotedNot "A condition that starts with an unquoted `!`."
    "TL0145" TemplateInScript "A `${{ … }}` in a script."
    "TL0146" UnquotedStar "A value that starts with an unquoted `*`."
    "TL0150" ExpressionSyntax "An expression that is not CEL."
    "TL0151" UnknownName "A name that expressions do not know."
    "TL0152" TypeClash "Types that do not fit in an expression."
    "TL0153" NameNotHere "A name that is not visible at this place."
    "TL0154" ExpressionTooLong "An expression that is too long or too deep."
    "TL0155" TemplateNotHere "A `${{ … }}` where only plain text is allowed."
    "TL0156" TemplateOpen "A `${{` without its `}}`."
    "TL0160" UnknownJob "A job that does not exist."
    "TL0161" JobCycle "Jobs that wait for each other."
    "TL0162" UnknownEnvironment "An environment that does not exist."
    "TL0163" EnvironmentCycle "Environments that wait for each other."
    "TL0164" UnknownArtifact "An artifact that no job makes or the release leaves out."
    "TL0165" DuplicateName "A name that was given before."
    "TL0166" InstancesWithoutListen "Several instances without an address to share."
    "TL0167" BadListen "An address that cannot be listened on."
    "TL0168" ListenTwice "An address that two parts listen on."
    "TL0169" BadAddress "An address that cannot be asked."
    "TL0170" ScriptNotInRelease "A script that the release does not hold."
    "TL0171" NoRelease "Environments without a release."
    "TL0173" NothingVerified "An environment without checks."
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
