use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

/// More than any value of these tests takes.
const PLENTY: usize = 1 << 20;

fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ColumnsError> {
    super::from_bytes(bytes, PLENTY)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    One(i32),
    Two(u16, String),
    Named { wide: i64, bytes: Vec<u8>, flag: bool },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    narrow: (u8, i8),
    number: u64,
    text: Option<String>,
    letter: char,
    shapes: Vec<Shape>,
    map: BTreeMap<u16, Option<i16>>,
    ratio: f64,
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Nothing),
        any::<i32>().prop_map(Shape::One),
        (any::<u16>(), ".{0,8}").prop_map(|(number, text)| Shape::Two(number, text)),
        (any::<i64>(), any::<Vec<u8>>(), any::<bool>())
            .prop_map(|(wide, bytes, flag)| Shape::Named { wide, bytes, flag }),
    ]
}

prop_compose! {
    fn record()(
        narrow in any::<(u8, i8)>(),
        number in any::<u64>(),
        text in any::<Option<String>>(),
        letter in any::<char>(),
        shapes in prop::collection::vec(shape(), 0..4),
        map in any::<BTreeMap<u16, Option<i16>>>(),
        ratio in -1e9..1e9f64,
    ) -> Record {
        Record { narrow, number, text, letter, shapes, map, ratio }
    }
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(records in prop::collection::vec(record(), 0..8)) {
        let bytes = to_vec(&records).expect("columns");
        prop_assert_eq!(from_bytes::<Vec<Record>>(&bytes), Ok(records));
    }

    #[test]
    fn damaged_columns_are_refused_or_read(
        records in prop::collection::vec(record(), 1..4),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = to_vec(&records).expect("columns");
        let end = cut.index(bytes.len());
        _ = from_bytes::<Vec<Record>>(&bytes[..end]);
        let at = at.index(bytes.len());
        bytes[at] = with;
        _ = from_bytes::<Vec<Record>>(&bytes);
    }
}

#[test]
fn columns_are_written_in_pre_order() {
    let value = vec![(1u8, "a"), (2, "bc")];
    // The sequence, its element, the numbers, the texts.
    assert_eq!(
        to_vec(&value),
        Ok(b"\x01\x01\x02\x02\x00\x00\x02\x01\x02\x00\x05\x01a\x02bc".into())
    );
}

/// As [`Newer`] was before a field was appended to it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Older {
    number: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Newer {
    number: u32,
    #[serde(default)]
    appended: Vec<u16>,
}

#[test]
fn a_field_appended_to_a_record_is_passed_over_by_an_older_reader() {
    let newer =
        vec![Newer { number: 1, appended: vec![7, 8] }, Newer { number: 2, appended: vec![] }];
    let bytes = to_vec(&newer).expect("columns");
    assert_eq!(from_bytes(&bytes), Ok(vec![Older { number: 1 }, Older { number: 2 }]));
}

#[test]
fn a_field_that_an_older_writer_did_not_have_is_as_by_default() {
    let bytes = to_vec(&vec![Older { number: 1 }, Older { number: 2 }]).expect("columns");
    let newer = |number| Newer { number, appended: vec![] };
    assert_eq!(from_bytes(&bytes), Ok(vec![newer(1), newer(2)]));
}

#[test]
fn an_element_that_takes_no_byte_is_refused() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Empty {
        #[serde(default)]
        number: u32,
    }
    // A sequence of 2^63 elements, whose column has none below it.
    let claim = [1, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0];
    assert_eq!(from_bytes::<Vec<Empty>>(&claim), Err(ColumnsError::TooShort));
}

#[test]
fn a_value_that_takes_more_memory_than_it_may_is_refused() {
    let memory = |texts: &[&str]| {
        size_of::<String>() * texts.len() + texts.iter().map(|text| text.len()).sum::<usize>()
    };
    let texts = ["a", "", "bcd"];
    let bytes = to_vec(&texts[..]).expect("columns");
    let read = |memory| super::from_bytes::<Vec<String>>(&bytes, memory);
    assert_eq!(read(memory(&texts)), Ok(texts.map(str::to_owned).to_vec()));
    assert_eq!(read(memory(&texts) - 1), Err(ColumnsError::TooLarge));

    let boxed = Box::new(Older { number: 1 });
    let bytes = to_vec(&boxed).expect("columns");
    let read = |memory| super::from_bytes::<Box<Older>>(&bytes, memory);
    assert_eq!(read(size_of::<Older>()), Ok(boxed));
    assert_eq!(read(size_of::<Older>() - 1), Err(ColumnsError::TooLarge));
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    assert_eq!(
        from_bytes::<u16>(&to_vec(&65_536u32).expect("columns")),
        Err(ColumnsError::Invalid)
    );
    assert_eq!(from_bytes::<i16>(&to_vec(&-32_769).expect("columns")), Err(ColumnsError::Invalid));
    let eleven = [0, 11, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
    assert_eq!(from_bytes::<u64>(&eleven), Err(ColumnsError::Invalid));
    let over = [0, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert_eq!(from_bytes::<u64>(&over), Err(ColumnsError::Invalid));
    assert_eq!(from_bytes::<bool>(&[0, 1, 2]), Err(ColumnsError::Invalid));
    assert_eq!(from_bytes::<Option<u8>>(&[0, 1, 2]), Err(ColumnsError::Invalid));
}

#[test]
fn columns_are_bounded_in_number_and_depth() {
    let mut flat = vec![0xff, 0xff, 0x7f, 0];
    flat.extend([0, 0].repeat(MAX_COLUMNS));
    assert_eq!(from_bytes::<u8>(&flat), Err(ColumnsError::TooMany));
    let deep = [1, 0].repeat(MAX_DEPTH + 1);
    assert_eq!(from_bytes::<u8>(&deep), Err(ColumnsError::TooMany));
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nest(u8, Vec<Self>);
    // Two levels a nest, the sequence and its elements, and three for the innermost.
    let nested = |depth| (0..depth).fold(Nest(0, vec![]), |nest, _| Nest(0, vec![nest]));
    let deepest = nested(MAX_DEPTH / 2 - 2);
    let bytes = to_vec(&deepest).expect("columns");
    assert_eq!(from_bytes::<Nest>(&bytes), Ok(deepest));
    assert_eq!(to_vec(&nested(MAX_DEPTH / 2 - 1)), Err(ColumnsError::TooMany));
}

#[test]
fn what_does_not_describe_itself_is_unsupported() {
    assert_eq!(to_vec(&1u128), Err(ColumnsError::Invalid));
    assert_eq!(from_bytes::<serde_json::Value>(&[0, 1, 0]), Err(ColumnsError::Unsupported));
}
