//! Columns into values.

use core::cell::Cell;

use serde::de::value::U32Deserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use super::{ColumnsError, MAX_COLUMNS, MAX_DEPTH};

type Read<T> = Result<T, ColumnsError>;

pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8], memory: usize) -> Read<T> {
    let mut rest = bytes;
    let mut left = MAX_COLUMNS;
    let mut root = Column::read(&mut rest, MAX_DEPTH, &mut left)?;
    let tally = Tally { taken: Cell::new(0), memory: Cell::new(memory) };
    T::deserialize(Reader { column: &mut root, tally: &tally })
}

/// What is left of one column, and those below it.
struct Column<'a> {
    bytes: &'a [u8],
    below: Vec<Self>,
}

impl<'a> Column<'a> {
    fn read(rest: &mut &'a [u8], depth: usize, left: &mut usize) -> Read<Self> {
        *left = left.checked_sub(1).ok_or(ColumnsError::TooMany)?;
        let depth = depth.checked_sub(1).ok_or(ColumnsError::TooMany)?;
        let below = get(rest)?;
        let length = get(rest)?;
        let bytes = split(rest, length)?;
        let below = (0..below).map(|_| Self::read(rest, depth, left)).collect::<Read<_>>()?;
        Ok(Self { bytes, below })
    }
}

/// Takes a LEB128 number from the front.
fn get(bytes: &mut &[u8]) -> Read<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(ColumnsError::TooShort)?;
        *bytes = rest;
        let low = u64::from(byte & 0x7f);
        value |= low << shift;
        if value >> shift != low {
            return Err(ColumnsError::Invalid);
        }
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ColumnsError::Invalid)
}

/// Takes `length` bytes from the front.
fn split<'a>(bytes: &mut &'a [u8], length: u64) -> Read<&'a [u8]> {
    let length = usize::try_from(length).map_err(|_| ColumnsError::TooShort)?;
    let (taken, rest) = bytes.split_at_checked(length).ok_or(ColumnsError::TooShort)?;
    *bytes = rest;
    Ok(taken)
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// What reading has cost so far.
struct Tally {
    /// Bytes taken from all columns.
    taken: Cell<usize>,
    /// Bytes of memory that are left.
    memory: Cell<usize>,
}

impl Tally {
    /// Notes memory that is about to be used.
    fn spend(&self, bytes: usize) -> Read<()> {
        let left = self.memory.get().checked_sub(bytes).ok_or(ColumnsError::TooLarge)?;
        self.memory.set(left);
        Ok(())
    }
}

struct Reader<'r, 'a> {
    column: &'r mut Column<'a>,
    tally: &'r Tally,
}

impl<'r, 'a> Reader<'r, 'a> {
    /// Takes something from the front of this column.
    fn take<T>(&mut self, take: impl FnOnce(&mut &'a [u8]) -> Read<T>) -> Read<T> {
        let before = self.column.bytes.len();
        let value = take(&mut self.column.bytes)?;
        let taken = &self.tally.taken;
        taken.set(taken.get() + before - self.column.bytes.len());
        Ok(value)
    }

    fn number<T: TryFrom<u64>>(&mut self) -> Read<T> {
        self.take(get)?.try_into().map_err(|_| ColumnsError::Invalid)
    }

    fn signed<T: TryFrom<i64>>(&mut self) -> Read<T> {
        unzigzag(self.take(get)?).try_into().map_err(|_| ColumnsError::Invalid)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let bytes = self.take(|bytes| split(bytes, N as u64))?;
        bytes.try_into().map_err(|_| ColumnsError::TooShort)
    }

    fn text(&mut self) -> Read<&'a [u8]> {
        let text = self.take(|bytes| {
            let length = get(bytes)?;
            split(bytes, length)
        })?;
        self.tally.spend(text.len())?;
        Ok(text)
    }

    fn utf8(&mut self) -> Read<&'a str> {
        core::str::from_utf8(self.text()?).map_err(|_| ColumnsError::Invalid)
    }

    fn below(self, index: usize) -> Read<Self> {
        let column = self.column.below.get_mut(index).ok_or(ColumnsError::TooShort)?;
        Ok(Self { column, tally: self.tally })
    }

    /// This place again, for one of its parts.
    const fn again(&mut self) -> Reader<'_, 'a> {
        Reader { column: self.column, tally: self.tally }
    }
}

macro_rules! leaves {
    ($($read:ident => $visit:ident, $take:ident);+ $(;)?) => {
        $(fn $read<V: Visitor<'a>>(mut self, visitor: V) -> Read<V::Value> {
            visitor.$visit(self.$take()?)
        })+
    };
}

impl<'a> de::Deserializer<'a> for Reader<'_, 'a> {
    type Error = ColumnsError;

    leaves! {
        deserialize_u16 => visit_u16, number;
        deserialize_u32 => visit_u32, number;
        deserialize_u64 => visit_u64, number;
        deserialize_i16 => visit_i16, signed;
        deserialize_i32 => visit_i32, signed;
        deserialize_i64 => visit_i64, signed;
        deserialize_str => visit_borrowed_str, utf8;
        deserialize_string => visit_borrowed_str, utf8;
        deserialize_bytes => visit_borrowed_bytes, text;
        deserialize_byte_buf => visit_borrowed_bytes, text;
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'a>>(self, _: V) -> Read<V::Value> {
        Err(ColumnsError::Unsupported)
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, _: V) -> Read<V::Value> {
        Err(ColumnsError::Unsupported)
    }

    fn deserialize_identifier<V: Visitor<'a>>(self, _: V) -> Read<V::Value> {
        Err(ColumnsError::Unsupported)
    }

    fn deserialize_bool<V: Visitor<'a>>(mut self, visitor: V) -> Read<V::Value> {
        match self.number()? {
            0u8 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(ColumnsError::Invalid),
        }
    }

    fn deserialize_u8<V: Visitor<'a>>(mut self, visitor: V) -> Read<V::Value> {
        visitor.visit_u8(u8::from_le_bytes(self.array()?))
    }

    fn deserialize_i8<V: Visitor<'a>>(mut self, visitor: V) -> Read<V::Value> {
        visitor.visit_i8(i8::from_le_bytes(self.array()?))
    }

    fn deserialize_f32<V: Visitor<'a>>(mut self, visitor: V) -> Read<V::Value> {
        visitor.visit_f32(f32::from_le_bytes(self.array()?))
    }

    fn deserialize_f64<V: Visitor<'a>>(mut self, visitor: V) -> Read<V::Value> {
        visitor.visit_f64(f64::from_le_bytes(self.array()?))
    }

    fn deserialize_char<V: Visitor<'a>>(mut self, visitor: V) -> Read<V::Value> {
        visitor.visit_char(char::from_u32(self.number()?).ok_or(ColumnsError::Invalid)?)
    }

    fn deserialize_option<V: Visitor<'a>>(mut self, visitor: V) -> Read<V::Value> {
        match self.number()? {
            0u8 => visitor.visit_none(),
            1 => visitor.visit_some(self.below(0)?),
            _ => Err(ColumnsError::Invalid),
        }
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Read<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(mut self, visitor: V) -> Read<V::Value> {
        let left = self.number()?;
        visitor.visit_seq(Elements { of: self, left })
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, length: usize, visitor: V) -> Read<V::Value> {
        visitor.visit_seq(Fields { of: self, next: 0, length })
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Read<V::Value> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(mut self, visitor: V) -> Read<V::Value> {
        let left = self.number()?;
        visitor.visit_map(Elements { of: self, left })
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        // A box says nothing of what it holds, but what it holds comes by here.
        self.tally.spend(size_of::<V::Value>())?;
        self.deserialize_tuple(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        visitor.visit_enum(Variant(self))
    }
}

/// What is left of a sequence or a map.
struct Elements<'r, 'a> {
    of: Reader<'r, 'a>,
    left: u64,
}

impl<'a> Elements<'_, 'a> {
    /// Reads the next one with `read`. One that takes nothing could be claimed without end.
    fn next<T>(&mut self, read: impl FnOnce(Reader<'_, 'a>) -> Read<T>) -> Read<Option<T>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.of.tally.spend(size_of::<T>())?;
        let before = self.of.tally.taken.get();
        let value = read(self.of.again())?;
        if self.of.tally.taken.get() == before {
            return Err(ColumnsError::TooShort);
        }
        Ok(Some(value))
    }
}

impl<'a> de::SeqAccess<'a> for Elements<'_, 'a> {
    type Error = ColumnsError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        self.next(|reader| seed.deserialize(reader.below(0)?))
    }
}

impl<'a> de::MapAccess<'a> for Elements<'_, 'a> {
    type Error = ColumnsError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Read<Option<K::Value>> {
        self.next(|reader| seed.deserialize(reader.below(0)?))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Read<V::Value> {
        self.of.tally.spend(size_of::<V::Value>())?;
        seed.deserialize(self.of.again().below(1)?)
    }
}

/// What is left of a struct or a tuple.
struct Fields<'r, 'a> {
    of: Reader<'r, 'a>,
    next: usize,
    length: usize,
}

impl<'a> de::SeqAccess<'a> for Fields<'_, 'a> {
    type Error = ColumnsError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Read<Option<T::Value>> {
        let index = self.next;
        if index == self.length || index >= self.of.column.below.len() {
            return Ok(None);
        }
        self.next += 1;
        seed.deserialize(self.of.again().below(index)?).map(Some)
    }
}

struct Variant<'r, 'a>(Reader<'r, 'a>);

impl<'r, 'a> de::EnumAccess<'a> for Variant<'r, 'a> {
    type Error = ColumnsError;
    type Variant = Content<'r, 'a>;

    fn variant_seed<V: DeserializeSeed<'a>>(
        mut self,
        seed: V,
    ) -> Read<(V::Value, Content<'r, 'a>)> {
        let variant: u32 = self.0.number()?;
        let number: U32Deserializer<ColumnsError> = variant.into_deserializer();
        Ok((seed.deserialize(number)?, Content { of: self.0, variant: variant as usize }))
    }
}

/// What a variant carries.
struct Content<'r, 'a> {
    of: Reader<'r, 'a>,
    variant: usize,
}

impl<'a> de::VariantAccess<'a> for Content<'_, 'a> {
    type Error = ColumnsError;

    fn unit_variant(self) -> Read<()> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Read<T::Value> {
        seed.deserialize(self.of.below(self.variant)?)
    }

    fn tuple_variant<V: Visitor<'a>>(self, length: usize, visitor: V) -> Read<V::Value> {
        visitor.visit_seq(Fields { of: self.of.below(self.variant)?, next: 0, length })
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Read<V::Value> {
        self.tuple_variant(fields.len(), visitor)
    }
}
