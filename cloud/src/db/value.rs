//! What goes into a statement and comes out of a row, whichever engine runs it.

use super::{DbError, Result};

/// A value of a column or a parameter. Every number is 64 bits wide, and truth is 0 or 1, in both
/// engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// INTEGER or BIGINT.
    Integer(i64),
    /// TEXT.
    Text(&'a str),
    /// BLOB or BYTEA; also a text of SQLite's that is no UTF-8, which nobody writes.
    Blob(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The text, if it is one.
    ///
    /// # Errors
    /// [`DbError::Damaged`].
    pub const fn as_str(self) -> Result<&'a str> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(DbError::Damaged("a column of text")),
        }
    }

    /// The bytes, if it is a blob.
    ///
    /// # Errors
    /// [`DbError::Damaged`].
    pub const fn as_blob(self) -> Result<&'a [u8]> {
        match self {
            Self::Blob(bytes) => Ok(bytes),
            _ => Err(DbError::Damaged("a column of bytes")),
        }
    }

    /// The bytes of a text or a blob.
    ///
    /// # Errors
    /// [`DbError::Damaged`].
    pub const fn as_bytes(self) -> Result<&'a [u8]> {
        match self {
            Self::Text(text) => Ok(text.as_bytes()),
            Self::Blob(bytes) => Ok(bytes),
            _ => Err(DbError::Damaged("a column of bytes")),
        }
    }
}

/// What can be a parameter.
pub trait ToValue {
    /// As the engines take it.
    fn to_value(&self) -> Value<'_>;
}

macro_rules! integer_to_value {
    ($($integer:ty),*) => {$(
        impl ToValue for $integer {
            fn to_value(&self) -> Value<'_> {
                Value::Integer(i64::from(*self))
            }
        }
    )*};
}

integer_to_value!(i64, i32, u32, u16, u8, bool);

/// A number that no column can hold becomes the largest that one can.
impl ToValue for u64 {
    fn to_value(&self) -> Value<'_> {
        Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

/// As `u64`.
impl ToValue for usize {
    fn to_value(&self) -> Value<'_> {
        Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        Value::Text(self)
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        T::to_value(self)
    }
}

impl ToValue for Value<'_> {
    fn to_value(&self) -> Value<'_> {
        *self
    }
}

/// The parameters of a statement: [`params!`](crate::db::params), or an array of one kind.
pub trait Params {
    /// All of them, `?1` first.
    fn values(&self) -> Vec<Value<'_>>;
}

impl Params for &[&dyn ToValue] {
    fn values(&self) -> Vec<Value<'_>> {
        self.iter().map(|value| value.to_value()).collect()
    }
}

/// Of no parameters, so that `[]` means that.
impl Params for [&dyn ToValue; 0] {
    fn values(&self) -> Vec<Value<'_>> {
        Vec::new()
    }
}

macro_rules! params_of_one_kind {
    ($($count:literal),*) => {$(
        impl<T: ToValue> Params for [T; $count] {
            fn values(&self) -> Vec<Value<'_>> {
                self.iter().map(ToValue::to_value).collect()
            }
        }
    )*};
}

params_of_one_kind!(1, 2, 3, 4);

impl Params for &[Value<'_>] {
    fn values(&self) -> Vec<Value<'_>> {
        self.to_vec()
    }
}

/// Parameters of several kinds, `?1` first.
#[macro_export]
macro_rules! params {
    ($($param:expr),+ $(,)?) => {
        &[$(&$param as &dyn $crate::db::ToValue),+] as &[&dyn $crate::db::ToValue]
    };
}

/// What a column can be read as.
pub trait FromValue: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// [`DbError::Damaged`].
    fn from_value(value: Value<'_>) -> Result<Self>;
}

impl FromValue for i64 {
    fn from_value(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Integer(number) => Ok(number),
            _ => Err(DbError::Damaged("a column of numbers")),
        }
    }
}

macro_rules! integer_from_value {
    ($($integer:ty),*) => {$(
        impl FromValue for $integer {
            fn from_value(value: Value<'_>) -> Result<Self> {
                let number = i64::from_value(value)?;
                number.try_into().map_err(|_| DbError::Damaged("a number"))
            }
        }
    )*};
}

integer_from_value!(u64, usize, u32, u16, u8);

impl FromValue for bool {
    fn from_value(value: Value<'_>) -> Result<Self> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl FromValue for String {
    fn from_value(value: Value<'_>) -> Result<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value<'_>) -> Result<Self> {
        value.as_blob().map(<[u8]>::to_vec)
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: Value<'_>) -> Result<Self> {
        value.as_blob()?.try_into().map_err(|_| DbError::Damaged("a column of bytes"))
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}
