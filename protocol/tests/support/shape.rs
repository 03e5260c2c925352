//! What a type looks like on the wire, found out by letting it deserialize itself from a source
//! that notes every question: names of fields and variants in their order, and their types.
//! So PROTOCOL.md is held against what serde does and not against how the source is written.

use std::collections::BTreeMap;

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    SeqAccess, VariantAccess, Visitor,
};

type Error = serde::de::value::Error;

/// A struct's fields or an enum's variants, each with its type; a unit variant's is empty.
pub type Members = Vec<(String, String)>;

/// Every named type met, by its name.
#[derive(Default, Debug)]
pub struct Shapes {
    /// Structs.
    pub structs: BTreeMap<String, Members>,
    /// Enums.
    pub enums: BTreeMap<String, Members>,
    /// Types that are another one under a new name.
    pub newtypes: BTreeMap<String, String>,
    pass: usize,
}

impl Shapes {
    /// Adds `T` and what it is made of; returns the name of its type.
    pub fn add<T: DeserializeOwned>(&mut self) -> String {
        // Each pass goes into one variant of each enum it meets: one not seen yet, or else the
        // next in turn, for what may lie behind it.
        loop {
            self.pass += 1;
            assert!(
                self.pass < 10_000,
                "a variant that cannot be reached: {:?}",
                self.enums
            );
            let mut name = String::new();
            let tracer = Tracer {
                shapes: self,
                name: &mut name,
            };
            T::deserialize(tracer).unwrap_or_else(|error| panic!("{error}"));
            if self.open() == 0 {
                return name;
            }
        }
    }

    /// Variants whose payload is not known yet.
    fn open(&self) -> usize {
        let variants = self.enums.values().flatten();
        variants.filter(|(_, payload)| payload == "?").count()
    }
}

struct Tracer<'a> {
    shapes: &'a mut Shapes,
    name: &'a mut String,
}

macro_rules! plain {
    ($($method:ident $visit:ident $value:expr, $name:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            *self.name = $name.into();
            visitor.$visit($value)
        })*
    };
}

macro_rules! unused {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom(concat!(stringify!($method), " has no place in the encoding")))
        })*
    };
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Error;

    plain! {
        deserialize_bool visit_bool false, "bool";
        deserialize_u8 visit_u8 0, "u8";
        deserialize_u16 visit_u16 0, "u16";
        deserialize_u32 visit_u32 0, "u32";
        deserialize_u64 visit_u64 0, "u64";
        // A text that is also a good session name.
        deserialize_str visit_borrowed_str "x", "string";
        deserialize_string visit_borrowed_str "x", "string";
        // Only UUIDs are bytes to serde.
        deserialize_bytes visit_borrowed_bytes &[0; 16], "uuid";
        deserialize_byte_buf visit_borrowed_bytes &[0; 16], "uuid";
    }

    unused! {
        deserialize_any deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_f32 deserialize_f64 deserialize_char deserialize_map deserialize_identifier
        deserialize_ignored_any deserialize_unit
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut inner = String::new();
        let value = visitor.visit_some(Tracer {
            shapes: self.shapes,
            name: &mut inner,
        });
        *self.name = format!("option<{inner}>");
        value
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.name = name.into();
        self.shapes.structs.insert(name.into(), Members::new());
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut inner = String::new();
        let value = visitor.visit_newtype_struct(Tracer {
            shapes: self.shapes,
            name: &mut inner,
        });
        *self.name = name.into();
        self.shapes.newtypes.insert(name.into(), inner);
        value
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut types = Vec::new();
        let value = visitor.visit_seq(Items {
            shapes: self.shapes,
            types: &mut types,
            left: 1,
        });
        *self.name = format!("list<{}>", types.concat());
        value
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut types = Vec::new();
        let value = visitor.visit_seq(Items {
            shapes: self.shapes,
            types: &mut types,
            left,
        });
        *self.name = format!("({})", types.join(", "));
        value
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut types = Vec::new();
        let left = fields.len();
        let value = visitor.visit_seq(Items {
            shapes: self.shapes,
            types: &mut types,
            left,
        });
        *self.name = name.into();
        let members = fields.iter().map(ToString::to_string).zip(types).collect();
        self.shapes.structs.insert(name.into(), members);
        value
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.name = name.into();
        let unknown = || {
            variants
                .iter()
                .map(|v| (v.to_string(), "?".to_string()))
                .collect()
        };
        let members = self.shapes.enums.entry(name.into()).or_insert_with(unknown);
        let index = members
            .iter()
            .position(|(_, payload)| payload == "?")
            .unwrap_or(self.shapes.pass % variants.len());
        let mut payload = String::new();
        let chosen = Chosen {
            shapes: self.shapes,
            index,
            payload: &mut payload,
        };
        let value = visitor.visit_enum(chosen)?;
        if let Some(members) = self.shapes.enums.get_mut(name) {
            members[index].1 = payload;
        }
        Ok(value)
    }
}

struct Items<'a> {
    shapes: &'a mut Shapes,
    types: &'a mut Vec<String>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut name = String::new();
        let value = seed.deserialize(Tracer {
            shapes: self.shapes,
            name: &mut name,
        });
        self.types.push(name);
        value.map(Some)
    }
}

struct Chosen<'a> {
    shapes: &'a mut Shapes,
    index: usize,
    payload: &'a mut String,
}

impl<'de> EnumAccess<'de> for Chosen<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        let index = u32::try_from(self.index).map_err(Error::custom)?;
        let index: U32Deserializer<Error> = index.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for Chosen<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Tracer {
            shapes: self.shapes,
            name: self.payload,
        })
    }

    fn tuple_variant<V: Visitor<'de>>(self, left: usize, visitor: V) -> Result<V::Value, Error> {
        Tracer {
            shapes: self.shapes,
            name: self.payload,
        }
        .deserialize_tuple(left, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        // A payload with named fields would need a notation of its own; there is none so far.
        self.tuple_variant(fields.len(), visitor)
    }
}
