//! The content of a push message, encrypted for one subscription (RFC 8291, RFC 8188).
//!
//! Written here from the RFC's own pieces and checked with its vector: `web-push` and `ece` want openssl, `web-push-native` brings a second generation of
//! every RustCrypto crate and draws its own randomness. What is used instead is in this program anyway.

use aes_gcm::{
    Aes128Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use p256::{NonZeroScalar, PublicKey, SecretKey, ecdh::diffie_hellman, elliptic_curve::sec1::ToEncodedPoint as _};
use rand_core::{CryptoRng, RngCore};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The one record is the whole message; what RFC 8291 says it must hold.
const RECORD_SIZE: u32 = 4096;
/// After the plaintext of the last record.
const LAST: u8 = 2;

/// The message could not be encrypted: the subscription's key is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the subscription's key is not a P-256 public key")]
pub(crate) struct BadKey;

/// Encrypts a short message for the subscription with this public key (65 bytes) and authentication secret: `aes128gcm` content coding.
///
/// # Errors
/// [`BadKey`].
pub(crate) fn encrypt(plain: &[u8], p256dh: &[u8; 65], auth: &[u8; 16], rng: &mut (impl RngCore + CryptoRng)) -> Result<Vec<u8>, BadKey> {
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    encrypt_with(plain, p256dh, auth, &salt, &SecretKey::random(rng))
}

fn encrypt_with(plain: &[u8], p256dh: &[u8; 65], auth: &[u8; 16], salt: &[u8; 16], own: &SecretKey) -> Result<Vec<u8>, BadKey> {
    let theirs = PublicKey::from_sec1_bytes(p256dh).map_err(|_| BadKey)?;
    let own_public = own.public_key().to_encoded_point(false);
    let scalar: NonZeroScalar = own.to_nonzero_scalar();
    let shared = diffie_hellman(scalar, theirs.as_affine());
    let info = [b"WebPush: info\0".as_slice(), p256dh, own_public.as_bytes()].concat();
    let ikm: Zeroizing<[u8; 32]> = derive(auth, shared.raw_secret_bytes(), &info)?;
    let key: Zeroizing<[u8; 16]> = derive(salt, &*ikm, b"Content-Encoding: aes128gcm\0")?;
    let nonce: Zeroizing<[u8; 12]> = derive(salt, &*ikm, b"Content-Encoding: nonce\0")?;
    let padded = [plain, &[LAST]].concat();
    let cipher = Aes128Gcm::new_from_slice(&*key).map_err(|_| BadKey)?;
    let sealed = cipher.encrypt(Nonce::from_slice(&*nonce), Payload { msg: &padded, aad: &[] }).map_err(|_| BadKey)?;
    let length = u8::try_from(own_public.len()).map_err(|_| BadKey)?;
    Ok([salt.as_slice(), &RECORD_SIZE.to_be_bytes(), &[length], own_public.as_bytes(), &sealed].concat())
}

fn derive<const N: usize>(salt: &[u8], ikm: &[u8], info: &[u8]) -> Result<Zeroizing<[u8; N]>, BadKey> {
    let mut out = Zeroizing::new([0; N]);
    // Only a longer output than 255 hashes fails.
    Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, &mut *out).map_err(|_| BadKey)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        BASE64URL_NOPAD.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_vector_of_rfc_8291() {
        let p256dh = bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4");
        let own = SecretKey::from_slice(&bytes::<32>("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        let (auth, salt) = (bytes("BTBZMqHH6r4Tts7J_aSIgg"), bytes("DGv6ra1nlYgDCS1FRnbzlw"));
        let sealed = encrypt_with(b"When I grow up, I want to be a watermelon", &p256dh, &auth, &salt, &own).unwrap();
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_\
                        yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(BASE64URL_NOPAD.encode(&sealed), expected);
    }

    #[test]
    fn no_point_no_message() {
        let mut rng = rand_core::OsRng;
        assert_eq!(encrypt(b"x", &[4; 65], &[0; 16], &mut rng), Err(BadKey));
        assert_eq!(encrypt(b"x", &[0; 65], &[0; 16], &mut rng), Err(BadKey));
    }
}
