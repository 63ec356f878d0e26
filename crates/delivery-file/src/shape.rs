//! How the table of keys is written: shapes of mappings, keys, forms of values.

/// A mapping with fixed keys.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Its keys, in the order of the reference page.
    pub keys: &'static [Key],
    /// Keys of the design that this version does not have, with one sentence of help.
    pub later: &'static [(&'static str, &'static str)],
    /// Keys of other systems, with what to write here.
    pub habits: &'static [(&'static str, &'static str)],
}

#[derive(Debug)]
pub(crate) struct Key {
    pub name: &'static str,
    pub form: Form,
    pub need: Need,
    /// One sentence for editors and the reference page.
    pub doc: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Form {
    /// A text.
    Text,
    /// Shell text.
    Script,
    /// A text with `${{ cel }}` pieces.
    Template,
    /// A CEL expression.
    Condition,
    /// `90s`, `15m`, `2h`, `7d`.
    Duration,
    Boolean,
    Whole {
        min: i64,
        max: i64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list.
    List(&'static Form),
    /// One, or a list.
    OneOrMore(&'static Form),
    Mapping(&'static Shape),
    /// A mapping whose keys are names of the user's.
    Named(&'static Form),
    /// Any of these.
    Either(&'static [Form]),
    /// Nothing at all.
    Null,
}

impl Shape {
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

pub(crate) const fn required(name: &'static str, form: Form, doc: &'static str) -> Key {
    Key { name, form, need: Need::Required, doc }
}

pub(crate) const fn optional(name: &'static str, form: Form, doc: &'static str) -> Key {
    Key { name, form, need: Need::Optional, doc }
}
