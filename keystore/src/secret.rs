//! 32 secret bytes that live in one place and are wiped when dropped.

use zeroize::{Zeroize, ZeroizeOnDrop};

/// On the heap, so that moving the owner does not leave copies behind on the stack (H14).
pub(crate) struct Secret(Box<[u8; 32]>);

impl Secret {
    /// Fresh bytes from the kernel, by getrandom(2) (K1).
    pub(crate) fn generate() -> Self {
        Self::written_by(|place| {
            getrandom::fill(place).expect("Linux answers getrandom(2) once it has booted");
        })
    }

    /// Lets somebody write it in place: no copy is made on the way.
    pub(crate) fn written_by(write: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut secret = Self(Box::new([0; 32]));
        write(&mut secret.0);
        secret
    }

    pub(crate) fn copy_of(bytes: &[u8; 32]) -> Self {
        Self::written_by(|place| place.copy_from_slice(bytes))
    }

    /// Two random halves that make the secret only together. It is written down like this because
    /// redb cannot be made to wipe its cache: there, nobody will find the secret itself (H14).
    pub(crate) fn split(&self) -> [[u8; 32]; 2] {
        let mut random = [0; 32];
        getrandom::fill(&mut random).expect("Linux answers getrandom(2) once it has booted");
        [random, std::array::from_fn(|at| random[at] ^ self.0[at])]
    }

    /// What [`Secret::split`] has split.
    pub(crate) fn join(halves: &[[u8; 32]; 2]) -> Self {
        Self::written_by(|place| {
            for (byte, (one, other)) in place.iter_mut().zip(halves[0].iter().zip(&halves[1])) {
                *byte = one ^ other;
            }
        })
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

/// A kind of secret: 32 bytes with a use of their own, which no other kind can stand in for. It
/// cannot be printed, compared or cloned.
macro_rules! secret_kind {
    ($(#[$doc:meta])* $Kind:ident) => {
        $(#[$doc])*
        pub struct $Kind(pub(crate) $crate::secret::Secret);

        impl $Kind {
            /// A fresh one from the kernel's randomness.
            #[must_use]
            pub fn generate() -> Self {
                Self($crate::secret::Secret::generate())
            }

            /// Takes 32 bytes as they are; the caller's copy is spent and wiped here.
            #[must_use]
            pub fn from_bytes(bytes: zeroize::Zeroizing<[u8; 32]>) -> Self {
                Self($crate::secret::Secret::copy_of(&bytes))
            }

            /// The bytes, for what this kind of secret is for and nothing else.
            #[must_use]
            pub fn expose(&self) -> &[u8; 32] {
                self.0.expose()
            }
        }
    };
}

pub(crate) use secret_kind;

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use super::*;
    use crate::{Keypair, Own, Passphrase, Psk, SealedKeys, SecretKey, SigningKey};

    /// Compiles only while a type has none of the traits: with one, `marker` could be two things.
    macro_rules! assert_has_none_of {
        ($Type:ty: $($Trait:path),*) => {$({
            trait Marker<A> {
                fn marker() {}
            }
            impl<T: ?Sized> Marker<()> for T {}
            impl<T: ?Sized + $Trait> Marker<u8> for T {}
            <$Type as Marker<_>>::marker();
        })*};
    }

    /// H16: what cannot be printed or compared ends up in no log, error or panic.
    #[test]
    fn secrets_cannot_be_printed_or_compared() {
        assert_has_none_of!(Secret: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(SecretKey: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(SigningKey: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(Psk: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(Keypair: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(Own: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(Passphrase: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(SealedKeys: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(crate::client::ClientKeys: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(crate::client::KnownTarget: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(crate::target::TargetKeys: Debug, Display, PartialEq, Clone);
        assert_has_none_of!(crate::target::PinnedClient: Debug, Display, PartialEq, Clone);
    }

    #[test]
    fn no_two_keys_are_alike() {
        assert_ne!(Secret::generate().expose(), Secret::generate().expose());
    }
}
