//! A plain write-ahead log in preallocated, reused segments: the floor that the log engine is measured against.
//!
//! Owns: nothing of the product; only the benchmark opens it. It keeps the promises of [`LogDisk`] (a batch is whole or
//! not there, a torn tail is cut off) and leaves out what an engine is for: it never moves live entries out of an old
//! segment, and it keeps an index entry in memory for every log entry.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::log_store::disk::{Change, DiskBatch, LogDisk, Mark};
use crate::log_store::failure::{LogError, OpenError};
use crate::log_store::{ByteReader, DecodeError, put_uvarint, record};
use crate::types::Entry;

/// `checksum of all that follows (8) | batch number (8) | length of the body (8)`
const HEADER_BYTES: usize = 24;

/// Freed segments kept for reuse: overwriting spares the journal a change of size.
const SPARE_SEGMENTS_MAX: usize = 4;

/// Where an entry is.
#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u64,
    offset: u64,
    length: usize,
}

struct Segment {
    number: u64,
    path: PathBuf,
    file: File,
    live_entries: usize,
}

#[derive(Default)]
struct Group {
    entries: BTreeMap<u64, Place>,
    marks: HashMap<Vec<u8>, Vec<u8>>,
}

struct State {
    segments: VecDeque<Segment>,
    spare: Vec<PathBuf>,
    groups: BTreeMap<u64, Group>,
    /// Where the next record goes in the last segment.
    end: u64,
    batch_no: u64,
}

/// See the module's head.
pub(super) struct PlainWal {
    dir: PathBuf,
    segment_bytes: u64,
    /// Guards everything; the committer is the only writer.
    state: Mutex<State>,
}

impl PlainWal {
    /// Opens or creates the log in `dir`.
    pub(super) fn open(dir: &Path, segment_bytes: u64) -> Result<Self, OpenError> {
        let io = |action| OpenError::io(action, dir);
        let mut found: BTreeMap<u64, PathBuf> = BTreeMap::new();
        for file in fs::read_dir(dir).map_err(io("list"))? {
            let path = file.map_err(io("list"))?.path();
            let number = path
                .file_stem()
                .and_then(|name| name.to_str()?.parse().ok());
            if let Some(number) = number {
                found.insert(number, path);
            }
        }
        let wal = Self {
            dir: dir.to_owned(),
            segment_bytes,
            state: Mutex::new(State {
                segments: VecDeque::new(),
                spare: Vec::new(),
                groups: BTreeMap::new(),
                end: 0,
                batch_no: 0,
            }),
        };
        let mut state = wal.lock();
        for (number, path) in found {
            wal.replay(&mut state, number, path)
                .map_err(io("read a segment in"))?;
        }
        if state.segments.is_empty() {
            wal.add_segment(&mut state)
                .map_err(io("create a segment in"))?;
        }
        drop(state);
        Ok(wal)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a segment up to the first record that is torn or older than the one before it: a reused segment still
    /// holds its old records behind the new ones.
    fn replay(&self, state: &mut State, number: u64, path: PathBuf) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(&path)?;
        let bytes = Bytes::from(fs::read(&path)?);
        state.segments.push_back(Segment {
            number,
            path,
            file,
            live_entries: 0,
        });
        let mut at = 0;
        while let Some((batch_no, body)) =
            record_at(&bytes, at).filter(|(no, _)| *no > state.batch_no)
        {
            state.take(number, (at + HEADER_BYTES) as u64, &body)?;
            state.batch_no = batch_no;
            at += HEADER_BYTES + body.len();
        }
        state.end = at as u64;
        Ok(())
    }

    fn add_segment(&self, state: &mut State) -> io::Result<()> {
        let number = state.segments.back().map_or(1, |last| last.number + 1);
        let path = self.dir.join(format!("{number:016}.wal"));
        if let Some(spare) = state.spare.pop() {
            fs::rename(spare, &path)?;
        } else {
            let zeros = vec![0; usize::try_from(self.segment_bytes).unwrap_or(0)];
            fs::write(&path, zeros)?;
        }
        let file = File::options().read(true).write(true).open(&path)?;
        file.sync_all()?;
        File::open(&self.dir)?.sync_all()?;
        state.segments.push_back(Segment {
            number,
            path,
            file,
            live_entries: 0,
        });
        state.end = 0;
        Ok(())
    }

    /// Appends one record and takes it into the index.
    fn append(&self, state: &mut State, body: Vec<u8>, sync: bool) -> io::Result<usize> {
        if state.end > 0 && state.end + (HEADER_BYTES + body.len()) as u64 > self.segment_bytes {
            self.add_segment(state)?;
        }
        let mut bytes = vec![0; 8];
        bytes.extend_from_slice(&(state.batch_no + 1).to_be_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&body);
        let checksum = xxh3_64(&bytes[8..]).to_be_bytes();
        bytes[..8].copy_from_slice(&checksum);
        let at = state.end;
        let Some(segment) = state.segments.back() else {
            return Err(io::Error::other("no segment is open"));
        };
        segment.file.write_all_at(&bytes, at)?;
        if sync {
            segment.file.sync_data()?;
        }
        let number = segment.number;
        state.take(number, at + HEADER_BYTES as u64, &Bytes::from(body))?;
        state.batch_no += 1;
        state.end = at + bytes.len() as u64;
        Ok(bytes.len())
    }

    /// Frees the oldest segments that hold nothing alive, after their marks were written again.
    fn free(&self, state: &mut State) -> io::Result<Vec<u64>> {
        let mut dead = 0;
        while dead + 1 < state.segments.len() && state.segments[dead].live_entries == 0 {
            dead += 1;
        }
        if dead > 0 {
            let marks = state.all_marks();
            self.append(state, marks, true)?;
        }
        for segment in state.segments.drain(..dead).collect::<Vec<_>>() {
            if state.spare.len() < SPARE_SEGMENTS_MAX {
                let spare = segment.path.with_extension("spare");
                fs::rename(&segment.path, &spare)?;
                state.spare.push(spare);
            } else {
                fs::remove_file(&segment.path)?;
            }
        }
        let oldest = state.segments.front().map_or(0, |first| first.number);
        let last = state.segments.back().map_or(0, |last| last.number);
        let pins = |group: &Group| {
            let first = group.entries.first_key_value();
            first.is_some_and(|(_, place)| place.segment == oldest && oldest < last)
        };
        let pinning = state.groups.iter().filter(|(_, group)| pins(group));
        Ok(pinning.map(|(group, _)| *group).collect())
    }
}

impl State {
    /// Applies a record whose body is at `offset` of segment `number`.
    fn take(&mut self, number: u64, offset: u64, body: &Bytes) -> io::Result<()> {
        let broken = |error: DecodeError| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut reader = ByteReader::new(body);
        while !reader.rest().is_empty() {
            let (group, change) = read_change(&mut reader).map_err(broken)?;
            let done = (body.len() - reader.rest().len()) as u64;
            match change {
                Read::Entry(bytes) => {
                    let place = Place {
                        segment: number,
                        offset: offset + done - bytes.len() as u64,
                        length: bytes.len(),
                    };
                    let index = record::encoded_index(bytes);
                    let cut = self.group(group).entries.split_off(&index);
                    self.forget(&cut);
                    self.group(group).entries.insert(index, place);
                    self.count(number, 1);
                }
                Read::Mark(key, value) => {
                    let marks = &mut self.group(group).marks;
                    marks.insert(key.to_vec(), value.to_vec());
                }
                Read::PurgeTo(index) => {
                    let entries = &mut self.group(group).entries;
                    let kept = entries.split_off(&(index + 1));
                    let purged = std::mem::replace(entries, kept);
                    self.forget(&purged);
                }
                Read::Forget => {
                    if let Some(gone) = self.groups.remove(&group) {
                        self.forget(&gone.entries);
                    }
                }
            }
        }
        Ok(())
    }

    fn group(&mut self, group: u64) -> &mut Group {
        self.groups.entry(group).or_default()
    }

    fn forget(&mut self, gone: &BTreeMap<u64, Place>) {
        for place in gone.values() {
            self.count(place.segment, -1);
        }
    }

    fn count(&mut self, segment: u64, change: isize) {
        let first = self.segments.front().map_or(0, |first| first.number);
        let at = segment.checked_sub(first).map(usize::try_from);
        if let Some(Ok(at)) = at
            && let Some(segment) = self.segments.get_mut(at)
        {
            segment.live_entries = segment.live_entries.saturating_add_signed(change);
        }
    }

    fn all_marks(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (group, kept) in &self.groups {
            for (key, value) in &kept.marks {
                put_change(&mut out, *group, 1, &[key.as_slice(), value.as_slice()]);
            }
        }
        out
    }
}

impl LogDisk for PlainWal {
    fn write(&self, batch: DiskBatch, sync: bool) -> Result<usize, LogError> {
        let mut body = Vec::new();
        for (group, change) in batch.into_changes() {
            match change {
                Change::Entries(entries) => {
                    for entry in entries {
                        put_change(&mut body, group, 0, &[&entry.into_bytes()]);
                    }
                }
                Change::Mark(mark, value) => put_change(&mut body, group, 1, &[mark.key(), &value]),
                Change::PurgeTo(index) => put_change(&mut body, group, 2, &[&index.to_be_bytes()]),
                Change::Forget => put_change(&mut body, group, 3, &[]),
            }
        }
        self.append(&mut self.lock(), body, sync).map_err(failed)
    }

    fn read(
        &self,
        group: u64,
        from: u64,
        to: u64,
        bytes_max: Option<usize>,
    ) -> Result<Vec<Entry>, LogError> {
        let state = self.lock();
        let Some(kept) = state.groups.get(&group) else {
            return Ok(Vec::new());
        };
        let mut room = bytes_max.unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        for place in kept.entries.range(from..to).map(|(_, place)| place) {
            if place.length > room && !entries.is_empty() {
                break;
            }
            room = room.saturating_sub(place.length);
            let holds = |segment: &&Segment| segment.number == place.segment;
            let Some(segment) = state.segments.iter().find(holds) else {
                break;
            };
            let mut bytes = vec![0; place.length];
            segment
                .file
                .read_exact_at(&mut bytes, place.offset)
                .map_err(failed)?;
            let entry = record::decode_entry(&Bytes::from(bytes))
                .map_err(|source| LogError::Undecodable { group, source })?;
            entries.push(entry);
        }
        Ok(entries)
    }

    fn span(&self, group: u64) -> Option<(u64, u64)> {
        let state = self.lock();
        let entries = &state.groups.get(&group)?.entries;
        Some((*entries.first_key_value()?.0, *entries.last_key_value()?.0))
    }

    fn mark(&self, group: u64, mark: Mark) -> Option<Vec<u8>> {
        self.lock()
            .groups
            .get(&group)?
            .marks
            .get(mark.key())
            .cloned()
    }

    fn groups(&self) -> Vec<u64> {
        self.lock().groups.keys().copied().collect()
    }

    fn free_old_files(&self) -> Result<Vec<u64>, LogError> {
        self.free(&mut self.lock()).map_err(failed)
    }

    fn used_bytes(&self) -> u64 {
        self.lock().segments.len() as u64 * self.segment_bytes
    }
}

enum Read<'a> {
    Entry(&'a [u8]),
    Mark(&'a [u8], &'a [u8]),
    PurgeTo(u64),
    Forget,
}

fn put_change(out: &mut Vec<u8>, group: u64, kind: u8, fields: &[&[u8]]) {
    put_uvarint(out, group);
    out.push(kind);
    for field in fields {
        put_uvarint(out, field.len() as u64);
        out.extend_from_slice(field);
    }
}

fn read_change<'a>(reader: &mut ByteReader<'a>) -> Result<(u64, Read<'a>), DecodeError> {
    let group = reader.uvarint("group")?;
    let change = match reader.u8("kind")? {
        0 => Read::Entry(read_field(reader)?),
        1 => Read::Mark(read_field(reader)?, read_field(reader)?),
        2 => Read::PurgeTo(record::encoded_index(read_field(reader)?)),
        _ => Read::Forget,
    };
    Ok((group, change))
}

fn read_field<'a>(reader: &mut ByteReader<'a>) -> Result<&'a [u8], DecodeError> {
    let length = reader.uvarint("length")?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let rest = reader.rest();
    let (field, rest) = rest
        .split_at_checked(length)
        .ok_or(DecodeError::CutShort { field: "field" })?;
    *reader = ByteReader::new(rest);
    Ok(field)
}

/// The sound record at `at`: its number and its body.
fn record_at(bytes: &Bytes, at: usize) -> Option<(u64, Bytes)> {
    let header = bytes.get(at..at + HEADER_BYTES)?;
    let number = |from: usize| {
        Some(u64::from_be_bytes(
            header.get(from..from + 8)?.try_into().ok()?,
        ))
    };
    let length = usize::try_from(number(16)?).ok()?;
    let end = at.checked_add(HEADER_BYTES)?.checked_add(length)?;
    let checked = bytes.get(at + 8..end)?;
    (length > 0 && xxh3_64(checked) == number(0)?).then_some(())?;
    Some((number(8)?, bytes.slice(at + HEADER_BYTES..end)))
}

fn failed(error: io::Error) -> LogError {
    LogError::Failed {
        reason: error.to_string().into(),
    }
}
