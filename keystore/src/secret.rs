//! 32 secret bytes that live in one place and are wiped when dropped.

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// On the heap, so that moving the owner does not leave copies behind on the stack (H14).
pub(crate) struct Secret(Box<[u8; 32]>);

impl Secret {
    /// Fresh bytes from the kernel, by getrandom(2) (K1).
    pub(crate) fn generate() -> Self {
        let mut bytes = Box::new([0; 32]);
        getrandom::fill(bytes.as_mut()).expect("Linux answers getrandom(2) once it has booted");
        Self(bytes)
    }

    pub(crate) fn from_bytes(bytes: &Zeroizing<[u8; 32]>) -> Self {
        let mut place = Box::new([0; 32]);
        place.copy_from_slice(bytes.as_ref());
        Self(place)
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Secret {}
