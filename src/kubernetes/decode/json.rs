//! A lenient reader of JSON objects, field by field.
//!
//! A [`Record`] names the fields it wants; [`Field`] reads one of them into place. A value of
//! another type than wanted is skipped, leaves the default and counts as a fault; null and missing
//! are how Kubernetes says "default" and are none. Unwanted values are skipped without allocation.
//! Only broken JSON stops a record, and what was read before it stays.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Something with named fields.
pub(super) trait Record {
    /// Reads or skips the value of one field; exactly one of [`Field`]'s methods is called.
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Field<'_, A>,
    ) -> Result<(), A::Error>;
}

/// What was wrong in a record, by place, never by value.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) count: u32,
    pub(super) first: Option<String>,
    /// Where the reader stands: `.spec.containers[2]`.
    path: String,
}

impl Faults {
    fn note(&mut self, name: &str) {
        self.count = self.count.saturating_add(1);
        if self.first.is_none() {
            self.first = Some(joined(&self.path, name));
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if name.is_empty() {
        path.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Reads a whole text. `Err` is the path at which its JSON breaks.
pub(super) fn read(bytes: &[u8], record: &mut impl Record) -> Result<Faults, String> {
    let mut faults = Faults::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let expect = Expect {
        shape: Object(record),
        name: "",
        faults: &mut faults,
    };
    let outcome = expect.deserialize(&mut json).and_then(|()| json.end());
    match outcome {
        Ok(()) => Ok(faults),
        // The library's text quotes what it read.
        Err(_) => Err(faults.path),
    }
}

/// The value of one field, not read yet.
pub(super) struct Field<'a, A> {
    name: &'a str,
    map: &'a mut A,
    faults: &'a mut Faults,
}

impl<'a, 'de, A: MapAccess<'de>> Field<'a, A> {
    /// Not wanted.
    pub(super) fn skip(self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(drop)
    }

    /// Text; what is empty stays empty.
    pub(super) fn text(self, into: &mut String) -> Result<(), A::Error> {
        self.text_with(|text| {
            text.clone_into(into);
            true
        })
    }

    /// Text that is absent when empty.
    pub(super) fn some_text(self, into: &mut Option<String>) -> Result<(), A::Error> {
        self.text_with(|text| {
            *into = (!text.is_empty()).then(|| text.to_owned());
            true
        })
    }

    /// Text of which at most so many bytes are kept, cut between characters.
    pub(super) fn cut_text(self, most: usize, into: &mut String) -> Result<(), A::Error> {
        self.text_with(|text| {
            text[..text.floor_char_boundary(most)].clone_into(into);
            true
        })
    }

    /// An RFC 3339 instant.
    pub(super) fn time(self, into: &mut Option<DateTime<Utc>>) -> Result<(), A::Error> {
        self.text_with(|text| {
            *into = DateTime::parse_from_rfc3339(text)
                .ok()
                .map(|time| time.to_utc());
            into.is_some()
        })
    }

    /// Text that `take` reads; `false` says that it makes no sense.
    pub(super) fn text_with(self, take: impl FnOnce(&str) -> bool) -> Result<(), A::Error> {
        self.read(Text(take))
    }

    /// A boolean.
    pub(super) fn flag(self, into: &mut bool) -> Result<(), A::Error> {
        self.read(Flag(into))
    }

    /// A number from 0 up.
    pub(super) fn number(self, into: &mut u32) -> Result<(), A::Error> {
        self.read(Number(into))
    }

    /// Whether an object stands here.
    pub(super) fn found_object(self, into: &mut bool) -> Result<(), A::Error> {
        *into = false;
        self.read(Presence(into))
    }

    /// An object.
    pub(super) fn record(self, into: &mut impl Record) -> Result<(), A::Error> {
        self.read(Object(into))
    }

    /// A list of objects.
    pub(super) fn records<R: Record + Default>(self, each: impl FnMut(R)) -> Result<(), A::Error> {
        self.read(List(each, PhantomData))
    }

    /// A list of anything, of which texts are kept; the rest is empty text.
    pub(super) fn texts(self, into: &mut Vec<String>) -> Result<(), A::Error> {
        into.clear();
        self.read(Texts(into))
    }

    fn read<S: Shape>(self, shape: S) -> Result<(), A::Error> {
        self.map.next_value_seed(Expect {
            shape,
            name: self.name,
            faults: self.faults,
        })
    }
}

/// What a value should be. Each answer says whether the value made sense.
trait Shape: Sized {
    fn text(self, _: &str) -> bool {
        false
    }
    fn flag(self, _: bool) -> bool {
        false
    }
    fn number(self, _: u64) -> bool {
        false
    }
    fn list<'de, A: SeqAccess<'de>>(self, mut list: A, _: &mut Faults) -> Result<bool, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }
    fn object<'de, A: MapAccess<'de>>(self, mut map: A, _: &mut Faults) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

struct Text<F>(F);
struct Flag<'a>(&'a mut bool);
struct Number<'a>(&'a mut u32);
struct Presence<'a>(&'a mut bool);
struct Object<'a, R>(&'a mut R);
struct List<R, F>(F, PhantomData<fn(R)>);
struct Element<'a, R>(&'a mut Option<R>);
struct Texts<'a>(&'a mut Vec<String>);

impl<F: FnOnce(&str) -> bool> Shape for Text<F> {
    fn text(self, text: &str) -> bool {
        (self.0)(text)
    }
}

impl Shape for Flag<'_> {
    fn flag(self, flag: bool) -> bool {
        *self.0 = flag;
        true
    }
}

impl Shape for Number<'_> {
    fn number(self, number: u64) -> bool {
        u32::try_from(number).map(|number| *self.0 = number).is_ok()
    }
}

impl Shape for Presence<'_> {
    fn object<'de, A: MapAccess<'de>>(self, mut map: A, _: &mut Faults) -> Result<bool, A::Error> {
        *self.0 = true;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(true)
    }
}

impl<R: Record> Shape for Object<'_, R> {
    fn object<'de, A: MapAccess<'de>>(
        self,
        mut map: A,
        faults: &mut Faults,
    ) -> Result<bool, A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            let value = Field {
                name: &name,
                map: &mut map,
                faults,
            };
            self.0.field(&name, value)?;
        }
        Ok(true)
    }
}

impl<R: Record + Default, F: FnMut(R)> Shape for List<R, F> {
    fn list<'de, A: SeqAccess<'de>>(
        mut self,
        mut list: A,
        faults: &mut Faults,
    ) -> Result<bool, A::Error> {
        for index in 0_usize.. {
            let depth = faults.path.len();
            // Writing to a String cannot fail.
            let _ = write!(faults.path, "[{index}]");
            let mut record = None;
            let element = Expect {
                shape: Element(&mut record),
                name: "",
                faults,
            };
            let read = list.next_element_seed(element)?;
            faults.path.truncate(depth);
            if read.is_none() {
                break;
            }
            if let Some(record) = record {
                (self.0)(record);
            }
        }
        Ok(true)
    }
}

impl<R: Record + Default> Shape for Element<'_, R> {
    fn object<'de, A: MapAccess<'de>>(self, map: A, faults: &mut Faults) -> Result<bool, A::Error> {
        Object(self.0.get_or_insert_with(R::default)).object(map, faults)
    }
}

impl Shape for Texts<'_> {
    fn list<'de, A: SeqAccess<'de>>(self, mut list: A, _: &mut Faults) -> Result<bool, A::Error> {
        let mut ignored = Faults::default();
        let mut cell = String::new();
        while list
            .next_element_seed(Expect {
                shape: Text(|text: &str| {
                    text.clone_into(&mut cell);
                    true
                }),
                name: "",
                faults: &mut ignored,
            })?
            .is_some()
        {
            self.0.push(std::mem::take(&mut cell));
        }
        Ok(true)
    }
}

/// Reads one value into a shape, whatever the value is.
struct Expect<'a, S> {
    shape: S,
    name: &'a str,
    faults: &'a mut Faults,
}

impl<S> Expect<'_, S> {
    fn judge(name: &str, faults: &mut Faults, makes_sense: bool) {
        if !makes_sense {
            faults.note(name);
        }
    }

    fn enter(name: &str, faults: &mut Faults) -> usize {
        let depth = faults.path.len();
        if !name.is_empty() {
            faults.path.push('.');
            faults.path.push_str(name);
        }
        depth
    }
}

impl<'de, S: Shape> DeserializeSeed<'de> for Expect<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape> Visitor<'de> for Expect<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        let makes_sense = self.shape.flag(flag);
        Self::judge(self.name, self.faults, makes_sense);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        let makes_sense = self.shape.number(number);
        Self::judge(self.name, self.faults, makes_sense);
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        // serde_json gives numbers from 0 up as u64; none of ours is negative.
        self.faults.note(self.name);
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.faults.note(self.name);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let makes_sense = self.shape.text(text);
        Self::judge(self.name, self.faults, makes_sense);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let depth = Self::enter(self.name, self.faults);
        let makes_sense = self.shape.list(list, self.faults)?;
        self.faults.path.truncate(depth);
        Self::judge(self.name, self.faults, makes_sense);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let depth = Self::enter(self.name, self.faults);
        let makes_sense = self.shape.object(map, self.faults)?;
        self.faults.path.truncate(depth);
        Self::judge(self.name, self.faults, makes_sense);
        Ok(())
    }
}

/// A field's name, borrowed from the text unless it has escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}
