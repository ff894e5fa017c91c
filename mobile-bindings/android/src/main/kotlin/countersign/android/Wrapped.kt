package countersign.android

import java.security.SecureRandom

private const val VERSION: Byte = 1
private const val ID_BYTES = 8
private const val NONCE_BYTES = 12
private const val TAG_BYTES = 16

/** A file of wrapped secrets can't be read. */
internal class WrappedDamaged : Exception("the wrapped secret is damaged")

/** A secret encrypted by a key of the key store: version (1 byte), id of that key (8), nonce (12), ciphertext with tag. */
internal class Wrapped(val keyId: String, val nonce: ByteArray, val ciphertext: ByteArray) {
    init {
        require(nonce.size == NONCE_BYTES) { "a nonce of ${nonce.size} bytes" }
    }

    fun toBytes(): ByteArray = byteArrayOf(VERSION) + keyId.hexToByteArray() + nonce + ciphertext

    companion object {
        fun newKeyId(): String = ByteArray(ID_BYTES).also(SecureRandom()::nextBytes).toHexString()

        fun parse(bytes: ByteArray): Wrapped {
            val head = 1 + ID_BYTES + NONCE_BYTES
            if (bytes.size < head + TAG_BYTES || bytes[0] != VERSION) throw WrappedDamaged()
            val nonce = bytes.copyOfRange(1 + ID_BYTES, head)
            return Wrapped(bytes.copyOfRange(1, 1 + ID_BYTES).toHexString(), nonce, bytes.copyOfRange(head, bytes.size))
        }
    }
}
