//! A SHA-256 over the whole file, kept where redb's header page has room to spare.
//!
//! redb trusts the pages of a file that was closed in good order, and panics over some that it
//! should not trust. With this looked at first it only ever sees what it wrote itself, and every
//! single bit of the file counts (K3, K5). It tells damage, not malice: whoever can write the file
//! can also write the checksum. Its place and rule hold for every schema to come, so that damage is
//! never mistaken for another version.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::unfit::Unfit;

/// redb uses the first 320 bytes of its first page and leaves the rest of it alone.
const FIRST_PAGE: usize = 4096;
const TAG: &[u8; 8] = b"hpt keys";
const TAG_AT: Range<usize> = FIRST_PAGE - 40..FIRST_PAGE - 32;
const SUM_AT: Range<usize> = FIRST_PAGE - 32..FIRST_PAGE;

/// Fills in the checksum of a file that redb has written.
pub(crate) fn fill_in(file: &mut [u8]) {
    file[TAG_AT].copy_from_slice(TAG);
    let sum = sum(file);
    file[SUM_AT].copy_from_slice(&sum);
}

/// Whether every bit of the file is as it was when the checksum was filled in.
pub(crate) fn check(file: &[u8]) -> Result<(), Unfit> {
    if file.is_empty() {
        return Err(Unfit::damaged("it is empty"));
    }
    if file.len() < FIRST_PAGE {
        return Err(Unfit::damaged("most of it is missing"));
    }
    if &file[TAG_AT] != TAG {
        return Err(Unfit::damaged(
            "hpt did not write it, or its beginning is gone",
        ));
    }
    if file[SUM_AT] != sum(file) {
        return Err(Unfit::damaged("its content does not match its checksum"));
    }
    Ok(())
}

/// Over everything before and after the sum itself.
fn sum(file: &[u8]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(&file[..SUM_AT.start]);
    hash.chain_update(&file[SUM_AT.end..]).finalize().into()
}
