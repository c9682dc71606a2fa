//! Records as they lie in a file: each with its length and a hash that covers all before it.
//!
//! A frame is 4 bytes of length, big-endian; 16 bytes, the first of BLAKE3 over the check of the frame
//! before (zeros before the first) and the record; the record. A file that was cut anywhere, or whose
//! last bytes never reached the disk, reads as all whole frames before that.

/// The longest record, in bytes: what a gRPC message may hold.
pub(super) const LONGEST: usize = 5 << 20;
const HEAD: usize = 4 + 16;

/// What the last frame's hash was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Chain([u8; 16]);

impl Chain {
    fn next(self, record: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(record);
        let hash = hasher.finalize();
        Self(*hash.as_bytes().first_chunk().expect("16 of 32 bytes"))
    }

    /// Adds a frame to `to`.
    pub(super) fn write(&mut self, record: &[u8], to: &mut Vec<u8>) {
        *self = self.next(record);
        let length = u32::try_from(record.len()).expect("a record is short");
        to.extend_from_slice(&length.to_be_bytes());
        to.extend_from_slice(&self.0);
        to.extend_from_slice(record);
    }
}

/// Takes whole frames from bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Frames {
    chain: Chain,
    waiting: Vec<u8>,
    taken: usize,
}

impl Frames {
    /// More bytes of the file.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.waiting.drain(..self.taken);
        self.taken = 0;
        self.waiting.extend_from_slice(bytes);
    }

    /// The next record; `None` if it is not whole yet, or will never be.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let rest = &self.waiting[self.taken..];
        let length = u32::from_be_bytes(*rest.first_chunk()?);
        let length = usize::try_from(length).ok().filter(|n| *n <= LONGEST)?;
        let record = rest.get(HEAD..HEAD + length)?;
        let chain = self.chain.next(record);
        if rest[4..HEAD] != chain.0 {
            return None;
        }
        self.chain = chain;
        let start = self.taken + HEAD;
        self.taken = start + length;
        Some(&self.waiting[start..self.taken])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> (Vec<u8>, Vec<usize>) {
        let (mut chain, mut file, mut ends) = (Chain::default(), Vec::new(), vec![0]);
        for record in [&b"one"[..], b"", b"three is longer", &[7; 300]] {
            chain.write(record, &mut file);
            ends.push(file.len());
        }
        (file, ends)
    }

    fn whole(file: &[u8], chunk: usize) -> usize {
        let mut frames = Frames::default();
        let mut found = 0;
        for bytes in file.chunks(chunk) {
            frames.feed(bytes);
            while frames.next().is_some() {
                found += 1;
            }
        }
        found
    }

    #[test]
    fn a_file_that_is_cut_reads_as_what_is_whole() {
        let (file, ends) = written();
        for cut in 0..=file.len() {
            let whole_ones = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(whole(&file[..cut], 1 + cut % 7), whole_ones, "cut at {cut}");
        }
    }

    /// J1: nothing is read from the first byte on that is not what was written.
    #[test]
    fn a_flipped_bit_ends_the_file_there() {
        let (file, ends) = written();
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut file = file.clone();
                file[at] ^= 1 << bit;
                let before = ends.iter().filter(|end| **end <= at).count() - 1;
                assert_eq!(whole(&file, 64), before, "byte {at}, bit {bit}");
            }
        }
    }
}
