//! The record layer without I/O: plaintext to sealed records, sealed records to plaintext (H10, H11).

use bytes::{Buf, BytesMut};
use snow::TransportState;
use tokio::io::ReadBuf;
use tokio::time::Instant;

use crate::wire::{KEY_AGE, LENGTH, PLAINTEXT, RECORD, RECORDS_PER_KEY, TAG};

/// Sealed bytes held back for the network before writers have to wait.
const BACKLOG: usize = 4 * (LENGTH + RECORD);

/// The outgoing direction. Its buffers exist only while something is in them.
pub(crate) struct Sealer {
    /// Small writes until a flush: HTTP/2 writes its 9 byte headers by themselves.
    staged: Vec<u8>,
    sealed: Vec<u8>,
    /// How much of `sealed` is with the network already.
    sent: usize,
    records: u32,
    keyed: Instant,
}

impl Sealer {
    /// `now` is when the current key came into use.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            staged: Vec::new(),
            sealed: Vec::new(),
            sent: 0,
            records: 0,
            keyed: now,
        }
    }

    /// Whether the network has to take something before more plaintext is accepted.
    pub(crate) fn is_full(&self) -> bool {
        self.sealed.len() - self.sent >= BACKLOG
    }

    /// Takes as much of `plaintext` as fits, at least a byte unless it is empty or the sealer full.
    pub(crate) fn push(&mut self, noise: &mut TransportState, plaintext: &[u8]) -> usize {
        let mut rest = plaintext;
        while !rest.is_empty() && !self.is_full() {
            if self.staged.is_empty() && rest.len() >= PLAINTEXT {
                let (record, after) = rest.split_at(PLAINTEXT);
                self.seal(noise, record);
                rest = after;
                continue;
            }
            let room = PLAINTEXT - self.staged.len();
            let (taken, after) = rest.split_at(room.min(rest.len()));
            self.staged.extend_from_slice(taken);
            rest = after;
            if self.staged.len() == PLAINTEXT {
                self.seal_staged(noise);
            }
        }
        plaintext.len() - rest.len()
    }

    /// Makes a record of what small writes left behind.
    pub(crate) fn seal_staged(&mut self, noise: &mut TransportState) {
        if !self.staged.is_empty() {
            let staged = std::mem::take(&mut self.staged);
            self.seal(noise, &staged);
            self.staged = staged;
            self.staged.clear();
        }
    }

    /// What the network is to take next.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.sealed[self.sent..]
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.sealed.len() {
            self.sealed.clear();
            self.sent = 0;
        }
    }

    /// Gives the buffers back, with what may be in them.
    pub(crate) fn rest(&mut self) {
        self.staged = Vec::new();
        self.sealed = Vec::new();
        self.sent = 0;
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.staged.capacity() + self.sealed.capacity()
    }

    fn seal(&mut self, noise: &mut TransportState, plaintext: &[u8]) {
        let now = Instant::now();
        if self.records + 1 >= RECORDS_PER_KEY || now - self.keyed >= KEY_AGE {
            self.append(noise, &[]);
            noise.rekey_outgoing();
            self.records = 0;
            self.keyed = now;
        }
        self.append(noise, plaintext);
        self.records += 1;
    }

    fn append(&mut self, noise: &mut TransportState, plaintext: &[u8]) {
        let start = self.sealed.len();
        let length = plaintext.len() + TAG;
        self.sealed.resize(start + LENGTH + length, 0);
        let (field, record) = self.sealed[start..].split_at_mut(LENGTH);
        let length = u16::try_from(length).expect("a record is at most 16 KiB");
        field.copy_from_slice(&length.to_be_bytes());
        noise
            .write_message(plaintext, record)
            .expect("the record has room, and its key is far from worn out");
    }
}

/// The incoming direction. Its buffers exist only while something is in them.
pub(crate) struct Opener {
    /// Bytes of the network from the start of a record on.
    pub(crate) sealed: BytesMut,
    /// What of an opened record the reader had no room for.
    left: BytesMut,
    records: u32,
}

/// What became of the record at the front.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Plaintext was delivered.
    Data,
    /// It has not arrived whole.
    Incomplete,
}

/// The record at the front is not one that the peer made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadRecord;

impl Opener {
    pub(crate) fn new() -> Self {
        Self {
            sealed: BytesMut::new(),
            left: BytesMut::new(),
            records: 0,
        }
    }

    /// Delivers plaintext of what has arrived. An empty record delivers nothing and rekeys.
    pub(crate) fn open(
        &mut self,
        noise: &mut TransportState,
        out: &mut ReadBuf<'_>,
    ) -> Result<Opened, BadRecord> {
        while self.left.is_empty() {
            let Some(length) = self.front()? else {
                return Ok(Opened::Incomplete);
            };
            if self.records == RECORDS_PER_KEY {
                return Err(BadRecord);
            }
            self.records += 1;
            let record = &self.sealed[LENGTH..LENGTH + length];
            let plain = length - TAG;
            if plain == 0 {
                noise.read_message(record, &mut []).map_err(|_| BadRecord)?;
                noise.rekey_incoming();
                self.records = 0;
            } else if plain <= out.remaining() {
                noise
                    .read_message(record, out.initialize_unfilled_to(plain))
                    .map_err(|_| BadRecord)?;
                out.advance(plain);
            } else {
                self.left.resize(plain, 0);
                if noise.read_message(record, &mut self.left).is_err() {
                    self.left.clear();
                    return Err(BadRecord);
                }
            }
            self.sealed.advance(LENGTH + length);
            if 0 < plain && self.left.is_empty() {
                return Ok(Opened::Data);
            }
        }
        let taken = self.left.len().min(out.remaining());
        out.put_slice(&self.left.split_to(taken));
        if self.left.is_empty() {
            self.left = BytesMut::new();
        }
        Ok(Opened::Data)
    }

    /// The length of the record at the front, once all of it is there.
    fn front(&self) -> Result<Option<usize>, BadRecord> {
        let Some(field) = self.sealed.first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*field));
        if !(TAG..=RECORD).contains(&length) {
            return Err(BadRecord);
        }
        Ok((self.sealed.len() >= LENGTH + length).then_some(length))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tamper::Ends;

    fn pair() -> (TransportState, TransportState) {
        let (client, target) = Ends::new().session();
        (client.noise, target.noise)
    }

    /// Moves what is sealed over, and opens it with `room` for plaintext at a time.
    fn carry(
        sealer: &mut Sealer,
        opener: &mut Opener,
        noise: &mut TransportState,
        room: usize,
    ) -> Result<Vec<u8>, BadRecord> {
        opener.sealed.extend_from_slice(sealer.unsent());
        sealer.sent(sealer.unsent().len());
        let mut all = Vec::new();
        let mut plain = vec![0; room];
        loop {
            let mut out = ReadBuf::new(&mut plain);
            match opener.open(noise, &mut out)? {
                Opened::Data => all.extend_from_slice(out.filled()),
                Opened::Incomplete => return Ok(all),
            }
        }
    }

    /// However bytes are cut when written and when read, they come out as they went in.
    #[test]
    fn cuts_do_not_matter() {
        let (mut client, mut target) = pair();
        let (mut sealer, mut opener) = (Sealer::new(Instant::now()), Opener::new());
        let said: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for (write, room) in [
            (1, 1),
            (9, 100),
            (16_367, 16_368),
            (16_368, 16_367),
            (16_369, 7),
            (200_000, 65_536),
        ] {
            let part = &said[..said.len().min(write * 500)];
            let mut heard = Vec::new();
            for mut chunk in part.chunks(write) {
                while !chunk.is_empty() {
                    chunk = &chunk[sealer.push(&mut client, chunk)..];
                    heard.extend(carry(&mut sealer, &mut opener, &mut target, room).unwrap());
                }
            }
            sealer.seal_staged(&mut client);
            heard.extend(carry(&mut sealer, &mut opener, &mut target, room).unwrap());
            assert!(heard == part, "written by {write}, read by {room}");
        }
    }

    /// HTTP/2 writes its headers by themselves; they must not each become a record.
    #[test]
    fn small_writes_share_a_record() {
        let (mut client, _) = pair();
        let mut sealer = Sealer::new(Instant::now());
        for _ in 0..100 {
            assert_eq!(sealer.push(&mut client, &[1; 9]), 9);
        }
        assert!(sealer.unsent().is_empty());
        sealer.seal_staged(&mut client);
        assert_eq!(sealer.unsent().len(), LENGTH + 900 + TAG);
    }

    /// A link may break while half of a record is with the network.
    #[test]
    fn resting_forgets_what_was_sent() {
        let (mut client, _) = pair();
        let mut sealer = Sealer::new(Instant::now());
        sealer.push(&mut client, &[0; PLAINTEXT]);
        sealer.sent(10);
        sealer.rest();
        assert!(sealer.unsent().is_empty());
        assert_eq!(sealer.capacity(), 0);
    }

    #[test]
    fn a_network_that_takes_nothing_stops_the_writer() {
        let (mut client, _) = pair();
        let mut sealer = Sealer::new(Instant::now());
        let megabyte = vec![0; 1 << 20];
        let taken = sealer.push(&mut client, &megabyte);
        assert!(sealer.is_full());
        assert!(taken < BACKLOG);
        assert_eq!(sealer.push(&mut client, &megabyte), 0);
    }

    /// H11: one key seals 2^20 records at most, and both ends take the next at the same place.
    #[test]
    fn a_key_is_worn_out_by_records() {
        let (mut client, mut target) = pair();
        let (mut sealer, mut opener) = (Sealer::new(Instant::now()), Opener::new());
        let mut total = 0;
        for _ in 0..RECORDS_PER_KEY + 5 {
            sealer.push(&mut client, &[7]);
            sealer.seal_staged(&mut client);
            total += sealer.unsent().len();
            let heard = carry(&mut sealer, &mut opener, &mut target, 8);
            assert_eq!(heard.as_deref(), Ok(&[7][..]));
        }
        let records = usize::try_from(RECORDS_PER_KEY + 5).unwrap();
        let rekey = LENGTH + TAG;
        assert_eq!(total, records * (LENGTH + 1 + TAG) + rekey);
        assert_eq!(opener.records, 6);
    }

    #[test]
    fn a_peer_that_does_not_rekey_is_cut_off() {
        let (mut client, mut target) = pair();
        let mut opener = Opener::new();
        let mut sealer = Sealer::new(Instant::now());
        opener.records = RECORDS_PER_KEY - 1;
        sealer.push(&mut client, &[7]);
        sealer.seal_staged(&mut client);
        carry(&mut sealer, &mut opener, &mut target, 8).unwrap();
        sealer.push(&mut client, &[7]);
        sealer.seal_staged(&mut client);
        let refused = carry(&mut sealer, &mut opener, &mut target, 8);
        assert_eq!(refused, Err(BadRecord));
    }

    /// H11: a key is used for a quarter of an hour.
    #[tokio::test(start_paused = true)]
    async fn a_key_is_worn_out_by_time() {
        let (mut client, mut target) = pair();
        let (mut sealer, mut opener) = (Sealer::new(Instant::now()), Opener::new());
        for (minutes, records) in [(14, 1), (1, 2), (14, 1), (16, 2)] {
            tokio::time::advance(Duration::from_mins(minutes)).await;
            sealer.push(&mut client, &[7]);
            sealer.seal_staged(&mut client);
            let data = LENGTH + 1 + TAG;
            let expected = data + (records - 1) * (LENGTH + TAG);
            assert_eq!(sealer.unsent().len(), expected, "after {minutes} minutes");
            let heard = carry(&mut sealer, &mut opener, &mut target, 8);
            assert_eq!(heard.as_deref(), Ok(&[7][..]));
        }
    }

    #[test]
    fn lengths_out_of_range_are_refused() {
        let (_, mut target) = pair();
        for length in [0, 1, 15, 16_385, 65_535_u16] {
            let mut opener = Opener::new();
            opener.sealed.extend_from_slice(&length.to_be_bytes());
            let mut out = [0; 8];
            let refused = opener.open(&mut target, &mut ReadBuf::new(&mut out));
            assert_eq!(refused, Err(BadRecord), "{length}");
        }
    }
}
