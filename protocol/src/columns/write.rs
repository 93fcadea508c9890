//! Values into columns.

use serde::ser::{self, Serialize};

use super::{ColumnsError, MAX_COLUMNS, MAX_DEPTH};

type Done = Result<(), ColumnsError>;

pub(super) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, ColumnsError> {
    let mut root = Column::default();
    value.serialize(Writer(&mut root))?;
    let mut bytes = Vec::new();
    let mut left = MAX_COLUMNS;
    root.write(&mut bytes, MAX_DEPTH, &mut left)?;
    Ok(bytes)
}

/// One column and those below it.
#[derive(Default)]
struct Column {
    bytes: Vec<u8>,
    below: Vec<Self>,
}

impl Column {
    fn below(&mut self, index: usize) -> Result<&mut Self, ColumnsError> {
        if index >= MAX_COLUMNS {
            return Err(ColumnsError::TooMany);
        }
        if index >= self.below.len() {
            self.below.resize_with(index + 1, Self::default);
        }
        Ok(&mut self.below[index])
    }

    fn put(&mut self, value: u64) {
        put(&mut self.bytes, value);
    }

    fn write(&self, out: &mut Vec<u8>, depth: usize, left: &mut usize) -> Done {
        *left = left.checked_sub(1).ok_or(ColumnsError::TooMany)?;
        let depth = depth.checked_sub(1).ok_or(ColumnsError::TooMany)?;
        put(out, self.below.len() as u64);
        put(out, self.bytes.len() as u64);
        out.extend_from_slice(&self.bytes);
        self.below.iter().try_for_each(|column| column.write(out, depth, left))
    }
}

/// Appends `value` in LEB128.
fn put(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Small magnitudes become small numbers, whatever their sign.
const fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

struct Writer<'a>(&'a mut Column);

impl<'a> Writer<'a> {
    fn number(self, value: u64) -> Done {
        self.0.put(value);
        Ok(())
    }

    /// Notes the variant, and answers its column.
    fn variant(self, variant: u32) -> Result<&'a mut Column, ColumnsError> {
        self.0.put(u64::from(variant));
        self.0.below(variant as usize)
    }
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = ColumnsError;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Fields<'a>;
    type SerializeTupleStruct = Fields<'a>;
    type SerializeTupleVariant = Fields<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Done {
        self.number(u64::from(value))
    }

    fn serialize_u8(self, value: u8) -> Done {
        self.0.bytes.push(value);
        Ok(())
    }

    fn serialize_u16(self, value: u16) -> Done {
        self.number(u64::from(value))
    }

    fn serialize_u32(self, value: u32) -> Done {
        self.number(u64::from(value))
    }

    fn serialize_u64(self, value: u64) -> Done {
        self.number(value)
    }

    fn serialize_i8(self, value: i8) -> Done {
        self.0.bytes.push(value.cast_unsigned());
        Ok(())
    }

    fn serialize_i16(self, value: i16) -> Done {
        self.number(zigzag(i64::from(value)))
    }

    fn serialize_i32(self, value: i32) -> Done {
        self.number(zigzag(i64::from(value)))
    }

    fn serialize_i64(self, value: i64) -> Done {
        self.number(zigzag(value))
    }

    fn serialize_f32(self, value: f32) -> Done {
        self.0.bytes.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Done {
        self.0.bytes.extend_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Done {
        self.number(u64::from(u32::from(value)))
    }

    fn serialize_str(self, value: &str) -> Done {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Done {
        self.0.put(value.len() as u64);
        self.0.bytes.extend_from_slice(value);
        Ok(())
    }

    fn serialize_none(self) -> Done {
        self.number(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.0.put(1);
        value.serialize(Writer(self.0.below(0)?))
    }

    fn serialize_unit(self) -> Done {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, variant: u32, _: &'static str) -> Done {
        self.number(u64::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        value: &T,
    ) -> Done {
        value.serialize(Writer(self.variant(variant)?))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Elements<'a>, ColumnsError> {
        self.0.put(length.ok_or(ColumnsError::Unsupported)? as u64);
        Ok(Elements(self.0.below(0)?))
    }

    fn serialize_tuple(self, _: usize) -> Result<Fields<'a>, ColumnsError> {
        Ok(Fields { of: self.0, next: 0 })
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Fields<'a>, ColumnsError> {
        self.serialize_tuple(length)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        variant: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Fields<'a>, ColumnsError> {
        Ok(Fields { of: self.variant(variant)?, next: 0 })
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries<'a>, ColumnsError> {
        self.0.put(length.ok_or(ColumnsError::Unsupported)? as u64);
        Ok(Entries(self.0))
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Fields<'a>, ColumnsError> {
        self.serialize_tuple(length)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        variant: u32,
        variant_name: &'static str,
        length: usize,
    ) -> Result<Fields<'a>, ColumnsError> {
        self.serialize_tuple_variant(name, variant, variant_name, length)
    }
}

/// A sequence's elements: all in one column.
struct Elements<'a>(&'a mut Column);

impl ser::SerializeSeq for Elements<'_> {
    type Ok = ();
    type Error = ColumnsError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(Writer(self.0))
    }

    fn end(self) -> Done {
        Ok(())
    }
}

/// A map's keys and values.
struct Entries<'a>(&'a mut Column);

impl ser::SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = ColumnsError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        key.serialize(Writer(self.0.below(0)?))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(Writer(self.0.below(1)?))
    }

    fn end(self) -> Done {
        Ok(())
    }
}

/// Fields of a struct, elements of a tuple: a column each.
struct Fields<'a> {
    of: &'a mut Column,
    next: usize,
}

impl Fields<'_> {
    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let column = self.of.below(self.next)?;
        self.next += 1;
        value.serialize(Writer(column))
    }
}

macro_rules! fields {
    ($($part:ident :: $put:ident($($name:ty)?)),+ $(,)?) => {
        $(impl ser::$part for Fields<'_> {
            type Ok = ();
            type Error = ColumnsError;

            fn $put<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Done {
                self.put(value)
            }

            fn end(self) -> Done {
                Ok(())
            }
        })+
    };
}

fields! {
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(&'static str),
    SerializeStructVariant::serialize_field(&'static str),
}
