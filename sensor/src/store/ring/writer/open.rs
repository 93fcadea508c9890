//! What an earlier start has left: segments, the index, pins; and the segment that is written on.

use std::collections::HashMap;
use std::fs::File;
use std::io;

use super::{Current, INDEX_FOLDER, Writer};
use crate::store::atomic;
use crate::store::ring::chunk::Kind;
use crate::store::ring::index::{Index, Place, Places};
use crate::store::ring::segment::{self, Segment};
use crate::store::ring::{BUFFER_BYTES, WRITE_BYTES};

impl Writer {
    pub(super) fn try_open(&mut self) -> bool {
        match self.open() {
            Ok(()) => {
                self.is_open = true;
                self.figures(|figures| figures.refusing = false);
                self.publish_segments();
                self.remove_aged();
                true
            }
            Err(error) => {
                self.refuse(&error);
                false
            }
        }
    }

    fn open(&mut self) -> io::Result<()> {
        let directory = self.settings.directory.clone();
        atomic::make_directory(&directory)?;
        let index_folder = directory.join(INDEX_FOLDER);
        if self.index.is_none() {
            self.index = match Index::open(&index_folder) {
                Ok(index) => Some(index),
                Err(error) => {
                    log::warn!("the store's index is made again: {error}");
                    std::fs::remove_dir_all(&index_folder)?;
                    Index::open(&index_folder).map_err(|error| log::error!("{error}")).ok()
                }
            };
        }
        let mut segments = segment::list(&directory)?;
        self.full.clear();
        while segments.len() > self.settings.max_segments() {
            let oldest = segments.remove(0);
            std::fs::remove_file(&oldest.path)?;
            self.with_index(|index| index.remove_segment(oldest.serial));
        }
        self.next_serial =
            segments.last().map_or(1, |newest| newest.serial + 1).max(self.next_serial);
        let closed = self.closed_of(&segments);
        if let Some(Ok(pinned)) = self.index.as_ref().map(Index::pinned) {
            self.pinned.extend(pinned);
        }
        let newest = segments.last().map(|newest| newest.serial);
        for segment in &segments {
            match closed.get(&segment.serial) {
                Some(&latest_at) => {
                    self.now = self.now.max(latest_at);
                    self.full.insert(segment.serial, (segment.path.clone(), latest_at));
                }
                None => self.read_through(segment, newest == Some(segment.serial))?,
            }
        }
        Ok(())
    }

    /// Segments that the index knows whole; those that are gone leave it.
    fn closed_of(&mut self, segments: &[Segment]) -> HashMap<u64, u64> {
        let Some(index) = &self.index else { return HashMap::new() };
        let closed = match index.closed() {
            Ok(closed) => closed,
            Err(error) => {
                log::warn!("the store's index is not used: {error}");
                self.index = None;
                return HashMap::new();
            }
        };
        for &serial in closed.keys() {
            if !segments.iter().any(|segment| segment.serial == serial) {
                self.with_index(|index| index.remove_segment(serial));
            }
        }
        closed
    }

    /// Reads a segment that the index does not know. The newest is written on.
    fn read_through(&mut self, segment: &Segment, is_newest: bool) -> io::Result<()> {
        let mut places = Places::new();
        let mut latest_at = 0;
        let pinned = &mut self.pinned;
        let scan = segment::scan(segment, &mut |at, head, _| {
            latest_at = latest_at.max(head.at);
            places.entry(head.call).or_default().push(Place { at, len: head.len });
            match head.kind {
                Kind::Pinned => {
                    pinned.insert(head.call);
                }
                Kind::Unpinned => {
                    pinned.remove(&head.call);
                }
                Kind::Packets | Kind::Facts | Kind::Key => {}
            }
        })?;
        if scan.damaged > 0 {
            log::warn!("{}: {} damaged places", segment.path.display(), scan.damaged);
        }
        self.now = self.now.max(latest_at);
        if is_newest && scan.end < self.settings.segment_bytes() {
            let file = File::options().read(true).write(true).open(&segment.path)?;
            self.current = Some(Current {
                file,
                path: segment.path.clone(),
                serial: segment.serial,
                written: scan.end,
                staged: Vec::with_capacity(WRITE_BYTES + BUFFER_BYTES),
                places,
                latest_at,
            });
            return Ok(());
        }
        self.full.insert(segment.serial, (segment.path.clone(), latest_at));
        self.with_index(|index| index.close_segment(segment.serial, latest_at, &places));
        Ok(())
    }
}
