//! Block map and checksum of an image: which blocks a flashing program must write, and what they hold.
//!
//! The format is bmap 2.0, which bmaptool reads and writes: ranges of 4096-byte blocks, each with its
//! SHA-256, and a sum over the map itself, taken with that field as zeros. Blocks that no range names
//! may hold anything on the disk.

use core::fmt;
use core::ops::Range;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256, digest};

/// Bytes of a block.
pub const BLOCK: u64 = 4096;

/// Read and written at once.
const CHUNK: usize = 1 << 20;

/// A run of blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of the image, a whole number of blocks but at its end.
    pub bytes: Range<u64>,
    /// SHA-256 of them, hexadecimal.
    pub sha256: String,
}

/// What a block map says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Bytes of the image.
    pub image_bytes: u64,
    /// In the order of the image, apart from each other.
    pub extents: Vec<Extent>,
}

/// Why a block map is not used.
#[derive(Debug)]
pub enum MapError {
    /// It is not XML, or not a block map.
    Malformed(String),
    /// Its sum is another.
    Damaged,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => {
                write!(f, "the block map cannot be read ({what}): get it again")
            }
            Self::Damaged => f.write_str("the block map is damaged: get it again"),
        }
    }
}

impl core::error::Error for MapError {}

impl Map {
    /// Reads what lies in `ranges` of an image and maps it. Ranges are widened to whole blocks.
    ///
    /// # Errors
    /// The image cannot be read.
    pub fn of(file: &File, image_bytes: u64, ranges: &[Range<u64>]) -> io::Result<Self> {
        let mut sorted: Vec<_> = ranges
            .iter()
            .filter(|range| !range.is_empty())
            .map(|range| {
                let end = range.end.next_multiple_of(BLOCK).min(image_bytes);
                range.start / BLOCK * BLOCK..end
            })
            .collect();
        sorted.sort_by_key(|range| range.start);
        let mut merged: Vec<Range<u64>> = Vec::new();
        for range in sorted {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        let extents = merged.into_iter().map(|bytes| {
            let sha256 = sha256_of(file, &bytes, |_| ())?;
            Ok(Extent { bytes, sha256 })
        });
        Ok(Self { image_bytes, extents: extents.collect::<io::Result<_>>()? })
    }

    /// Everything, for an image without a map. Sums are not known.
    #[must_use]
    pub fn whole(image_bytes: u64) -> Self {
        let extent = Extent { bytes: 0..image_bytes, sha256: String::new() };
        Self { image_bytes, extents: vec![extent] }
    }

    /// Bytes of all extents.
    #[must_use]
    pub fn mapped_bytes(&self) -> u64 {
        self.extents.iter().map(|extent| extent.bytes.end - extent.bytes.start).sum()
    }

    /// The map as a file.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let zeros = "0".repeat(64);
        let unsummed = self.xml(&zeros);
        let sum = HEXLOWER.encode(digest(&SHA256, unsummed.as_bytes()).as_ref());
        self.xml(&sum)
    }

    fn xml(&self, sum: &str) -> String {
        let blocks = self.image_bytes.div_ceil(BLOCK);
        let mapped = self.mapped_bytes().div_ceil(BLOCK);
        let mut text = format!(
            "<?xml version=\"1.0\" ?>\n<bmap version=\"2.0\">\n  \
             <ImageSize> {} </ImageSize>\n  <BlockSize> {BLOCK} </BlockSize>\n  \
             <BlocksCount> {blocks} </BlocksCount>\n  \
             <MappedBlocksCount> {mapped} </MappedBlocksCount>\n  \
             <ChecksumType> sha256 </ChecksumType>\n  \
             <BmapFileChecksum> {sum} </BmapFileChecksum>\n  <BlockMap>\n",
            self.image_bytes
        );
        for Extent { bytes, sha256 } in &self.extents {
            let (first, last) = (bytes.start / BLOCK, bytes.end.div_ceil(BLOCK) - 1);
            text += &format!("    <Range chksum=\"{sha256}\"> {first}-{last} </Range>\n");
        }
        text + "  </BlockMap>\n</bmap>\n"
    }

    /// Reads a map, ours or bmaptool's.
    ///
    /// # Errors
    /// Every [`MapError`].
    pub fn parse(text: &str) -> Result<Self, MapError> {
        let other = |what: &str| MapError::Malformed(what.to_owned());
        let document =
            roxmltree::Document::parse(text).map_err(|error| other(&error.to_string()))?;
        let field = |name: &'static str| {
            let mut nodes = document.descendants();
            let node = nodes.find(|node| node.has_tag_name(name));
            node.and_then(|node| node.text()).map(str::trim).ok_or_else(|| other(name))
        };
        let sum = field("BmapFileChecksum")?;
        let unsummed = text.replacen(sum, &"0".repeat(64), 1);
        if HEXLOWER.encode(digest(&SHA256, unsummed.as_bytes()).as_ref()) != sum {
            return Err(MapError::Damaged);
        }
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| other("a number"));
        let image_bytes = number(field("ImageSize")?)?;
        if number(field("BlockSize")?)? != BLOCK {
            return Err(other("its blocks are not of 4096 bytes"));
        }
        let mut extents: Vec<Extent> = Vec::new();
        for node in document.descendants().filter(|node| node.has_tag_name("Range")) {
            let range = node.text().unwrap_or_default().trim();
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let end = number(last)?.saturating_add(1).saturating_mul(BLOCK).min(image_bytes);
            let bytes = number(first)?.saturating_mul(BLOCK)..end;
            let before = extents.last().map_or(0, |extent| extent.bytes.end);
            if bytes.is_empty() || bytes.start < before {
                return Err(other("its ranges are not in order"));
            }
            let sha256 = node.attribute("chksum").ok_or_else(|| other("chksum"))?.to_owned();
            extents.push(Extent { bytes, sha256 });
        }
        Ok(Self { image_bytes, extents })
    }
}

/// The block map that lies beside an image, as `IMAGE.bmap`.
///
/// # Errors
/// It is there and cannot be read.
pub fn beside(image: &Path) -> io::Result<Option<String>> {
    let mut name = image.as_os_str().to_owned();
    name.push(".bmap");
    match std::fs::read(PathBuf::from(name)) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// SHA-256 of a part of a file, hexadecimal; `saw` is told of each chunk's length.
///
/// # Errors
/// The file cannot be read, or ends before.
pub fn sha256_of(file: &File, bytes: &Range<u64>, mut saw: impl FnMut(u64)) -> io::Result<String> {
    let mut context = Context::new(&SHA256);
    for_chunks(file, bytes, |_, chunk| {
        context.update(chunk);
        saw(chunk.len() as u64);
        Ok(())
    })?;
    Ok(HEXLOWER.encode(context.finish().as_ref()))
}

/// Calls `with` for each chunk of a part of a file and its place.
///
/// # Errors
/// The file cannot be read or ends before, or `with` fails.
pub fn for_chunks(
    file: &File,
    bytes: &Range<u64>,
    mut with: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut at = bytes.start;
    while at < bytes.end {
        let left = usize::try_from(bytes.end - at).unwrap_or(CHUNK);
        let chunk = &mut buffer[..left.min(CHUNK)];
        file.read_exact_at(chunk, at)?;
        with(at, chunk)?;
        at += chunk.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn map() -> Map {
        let scratch = Scratch::new();
        let bytes: Vec<u8> = (0..10 * BLOCK + 512).map(|at| (at / 256).to_le_bytes()[0]).collect();
        let file = File::open(scratch.file("image", &bytes)).expect("it opens");
        let ranges = [9 * BLOCK..10 * BLOCK + 512, 0..100, 5000..5001, 8192..8192];
        Map::of(&file, bytes.len() as u64, &ranges).expect("read")
    }

    #[test]
    fn ranges_are_widened_to_blocks_and_joined() {
        let places: Vec<_> = map().extents.into_iter().map(|extent| extent.bytes).collect();
        assert_eq!(places, [0..2 * BLOCK, 9 * BLOCK..10 * BLOCK + 512]);
    }

    #[test]
    fn a_map_is_read_as_it_was_written() {
        let text = map().to_xml();
        assert_eq!(Map::parse(&text).expect("whole"), map());
        assert!(text.contains("<MappedBlocksCount> 4 </MappedBlocksCount>"), "{text}");
        assert!(text.contains("\"> 9-10 </Range>"), "{text}");
    }

    #[test]
    fn a_map_that_was_changed_or_cut_is_refused() {
        let text = map().to_xml();
        let changed = text.replace("> 9-10 <", "> 8-10 <");
        assert!(matches!(Map::parse(&changed), Err(MapError::Damaged)));
        for cut in 0..text.len() - 1 {
            assert!(Map::parse(&text[..cut]).is_err(), "cut at {cut}");
        }
    }
}
