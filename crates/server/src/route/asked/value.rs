//! What a caller wrote, whether in a body, behind the question mark or in the path: a tree, of which types are then read.
//! One reader for all three, so that what is wrong is told in the same words everywhere.

use super::wrong::{Step, Wrong, echo};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use std::fmt;

/// What a caller wrote.
#[derive(Debug)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without a sign.
    Whole(u64),
    /// A whole number below 0.
    Negative(i64),
    /// Any other number.
    Fraction(f64),
    /// A text of JSON.
    Text(String),
    /// A text of an address, which may stand for a number too.
    Word(String),
    /// A list.
    List(Vec<Value>),
    /// An object, or what is asked behind the question mark. No name is there twice.
    Fields(Vec<(String, Value)>),
    /// The names of a path, in order.
    Path(Vec<(String, Value)>),
}

impl Value {
    /// What is asked behind the question mark.
    pub fn of_question(pairs: Vec<(String, String)>) -> Result<Self, Wrong> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        for (name, word) in pairs {
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(Wrong::custom("given twice").within(Step::Name(name)));
            }
            fields.push((name, Value::Word(word)));
        }
        Ok(Value::Fields(fields))
    }

    /// The names of a path.
    pub fn of_path(pairs: Vec<(String, String)>) -> Self {
        Value::Path(pairs.into_iter().map(|(name, word)| (name, Value::Word(word))).collect())
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Whole(number) => Unexpected::Unsigned(*number),
            Value::Negative(number) => Unexpected::Signed(*number),
            Value::Fraction(number) => Unexpected::Float(*number),
            Value::Text(text) | Value::Word(text) => Unexpected::Str(text),
            Value::List(_) | Value::Path(_) => Unexpected::Seq,
            Value::Fields(_) => Unexpected::Map,
        }
    }

    fn is_no(&self, expected: &dyn Expected) -> Wrong {
        Wrong::invalid_type(self.unexpected(), expected)
    }

    /// A word that is a number in digits becomes one.
    fn counted(self) -> Self {
        match self {
            // Not "+7", which `parse` takes.
            Value::Word(word) if word.bytes().all(|byte| byte.is_ascii_digit()) => word.parse().map_or(Value::Word(word), Value::Whole),
            Value::Word(word) if word.starts_with('-') => word.parse().map_or(Value::Word(word), Value::Negative),
            other => other,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Whatever)
    }
}

struct Whatever;

impl<'de> Visitor<'de> for Whatever {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(u64::try_from(number).map_or(Value::Negative(number), Value::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Fraction(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        let mut known = std::collections::HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            // Readers differ in which of two they take, so neither is.
            if !known.insert(name.clone()) {
                return Err(A::Error::custom(format!("the field '{}' is given twice", echo(&name))));
            }
            fields.push((name, map.next_value()?));
        }
        Ok(Value::Fields(fields))
    }
}

macro_rules! numbers {
    ($($read:ident)*) => {
        $(
            fn $read<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
                self.counted().deserialize_any(visitor)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for Value {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Whole(number) => visitor.visit_u64(number),
            Value::Negative(number) => visitor.visit_i64(number),
            Value::Fraction(number) => visitor.visit_f64(number),
            Value::Text(text) | Value::Word(text) => visitor.visit_string(text),
            Value::List(items) => Pieces::of(items.into_iter().enumerate().map(|(at, item)| (Step::Item(at), item))).list(visitor),
            Value::Path(names) => Pieces::of(names.into_iter().map(|(name, word)| (Step::Name(name), word))).list(visitor),
            Value::Fields(fields) => visitor.visit_map(Pieces::of(fields.into_iter().map(|(name, value)| (Step::Name(name), value)))),
        }
    }

    numbers!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Value::Null => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    /// Not a list of the fields' values, which serde would take too: nobody should come to rely on that.
    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Value::Fields(_) => self.deserialize_any(visitor),
            other => Err(other.is_no(&"a JSON object")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(self, name: &'static str, kinds: &'static [&'static str], visitor: V) -> Result<V::Value, Wrong> {
        match self {
            Value::Text(word) | Value::Word(word) => StringDeserializer::new(word).deserialize_enum(name, kinds, visitor),
            Value::Fields(fields) if fields.len() == 1 => {
                let one = Pieces::of(fields.into_iter().map(|(name, value)| (Step::Name(name), value)));
                MapAccessDeserializer::new(one).deserialize_enum(name, kinds, visitor)
            }
            other => Err(other.is_no(&super::wrong::one_of(kinds).as_str())),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl IntoDeserializer<'_, Wrong> for Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// What is in a list, an object or a path, piece by piece: what is wrong with one is told with its place.
struct Pieces<I> {
    pieces: I,
    /// The value whose name was just read.
    next: Option<(Step, Value)>,
}

impl<I: ExactSizeIterator<Item = (Step, Value)>> Pieces<I> {
    fn of(pieces: I) -> Self {
        Self { pieces, next: None }
    }

    fn list<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Wrong> {
        let length = self.pieces.len();
        let read = visitor.visit_seq(&mut self)?;
        match self.pieces.len() {
            0 => Ok(read),
            more => Err(Wrong::invalid_length(length, &format!("{} items", length - more).as_str())),
        }
    }
}

impl<'de, I: ExactSizeIterator<Item = (Step, Value)>> SeqAccess<'de> for &mut Pieces<I> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let Some((step, value)) = self.pieces.next() else { return Ok(None) };
        seed.deserialize(value).map(Some).map_err(|wrong| wrong.within(step))
    }
}

impl<'de, I: ExactSizeIterator<Item = (Step, Value)>> MapAccess<'de> for Pieces<I> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let Some((step, value)) = self.pieces.next() else { return Ok(None) };
        let name = step.to_string();
        self.next = Some((step, value));
        seed.deserialize(StringDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Wrong> {
        let (step, value) = self.next.take().expect("a value is read after its name");
        seed.deserialize(value).map_err(|wrong| wrong.within(step))
    }
}
