//! Inputs of a manual start: what may be given, and what holds where nothing is.

use super::limit;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a manual start takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManualTrigger {
    /// In the order of the file.
    pub inputs: Vec<InputRule>,
}

/// One input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRule {
    /// Its name.
    pub name: String,
    /// What it may be.
    pub kind: InputKind,
    /// Whether a manual start without it is refused.
    pub required: bool,
    /// What holds where nothing is given.
    pub default: Option<String>,
    /// For people.
    pub description: Option<String>,
}

/// What an input may be. All reach scripts and expressions as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// Any text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Number,
    /// One of these.
    Choice(Vec<String>),
}

impl InputKind {
    /// Whether the text is one of this kind; otherwise what it should be.
    pub fn accepts(&self, text: &str) -> Result<(), String> {
        match self {
            InputKind::String => Ok(()),
            InputKind::Boolean if matches!(text, "true" | "false") => Ok(()),
            InputKind::Boolean => Err("true or false".to_owned()),
            InputKind::Number if text.parse::<i64>().is_ok() => Ok(()),
            InputKind::Number => Err("a whole number".to_owned()),
            InputKind::Choice(words) if words.iter().any(|word| word == text) => Ok(()),
            InputKind::Choice(words) => Err(format!("one of {}", words.join(", "))),
        }
    }
}

impl ManualTrigger {
    /// Every input with its value where nothing was given, as in a run that a push started.
    pub fn defaults(&self) -> BTreeMap<String, String> {
        self.inputs.iter().map(|input| (input.name.clone(), input.default.clone().unwrap_or_default())).collect()
    }

    /// Every input with its value. An error says what does not fit.
    pub fn take(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String> {
        if let Some(unknown) = given.keys().find(|name| self.inputs.iter().all(|input| &input.name != *name)) {
            let known: Vec<&str> = self.inputs.iter().map(|input| input.name.as_str()).collect();
            let known = if known.is_empty() { "there are none".to_owned() } else { format!("known are {}", known.join(", ")) };
            return Err(format!("there is no input '{unknown}'; {known}"));
        }
        let mut values = self.defaults();
        for input in &self.inputs {
            let name = &input.name;
            match given.get(name) {
                None if input.required && input.default.is_none() => return Err(format!("input '{name}' is required")),
                None => {}
                Some(value) if value.len() > limit::INPUT_BYTES_MAX => {
                    return Err(format!("input '{name}' has {} bytes; at most {} are allowed", value.len(), limit::INPUT_BYTES_MAX));
                }
                Some(value) if value.contains('\0') => return Err(format!("input '{name}' holds a NUL character")),
                Some(value) => {
                    input.kind.accepts(value).map_err(|wanted| format!("input '{name}' takes {wanted}, not '{value}'"))?;
                    values.insert(name.clone(), value.clone());
                }
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manual() -> ManualTrigger {
        let input = |name: &str, kind, required, default: Option<&str>| InputRule {
            name: name.to_owned(),
            kind,
            required,
            default: default.map(str::to_owned),
            description: None,
        };
        ManualTrigger {
            inputs: vec![
                input("reason", InputKind::String, true, None),
                input("dry", InputKind::Boolean, false, Some("true")),
                input("size", InputKind::Choice(vec!["small".to_owned(), "big".to_owned()]), false, None),
                input("count", InputKind::Number, false, None),
            ],
        }
    }

    fn take(given: &[(&str, &str)]) -> Result<BTreeMap<String, String>, String> {
        manual().take(&given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let taken = take(&[("reason", "tuesday")]).unwrap();
        assert_eq!(taken.values().collect::<Vec<_>>(), ["", "true", "tuesday", ""]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (given, said) in [
            (&[][..], "'reason' is required"),
            (&[("reason", "x"), ("dry", "yes")], "takes true or false, not 'yes'"),
            (&[("reason", "x"), ("size", "huge")], "one of small, big"),
            (&[("reason", "x"), ("count", "1.5")], "a whole number"),
            (&[("reason", "x\0")], "NUL"),
            (&[("raeson", "x")], "no input 'raeson'; known are reason, dry"),
        ] {
            assert!(take(given).unwrap_err().contains(said), "{given:?}");
        }
    }
}
