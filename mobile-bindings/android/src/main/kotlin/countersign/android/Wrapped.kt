package countersign.android

import java.security.SecureRandom

private const val VERSION: Byte = 1
/** Who unlocks a key: its place here is in files. */
private val WAYS = listOf(null, Unlocking.BIOMETRIC, Unlocking.BIOMETRIC_OR_LOCK_SCREEN)

private const val ID_BYTES = 8
private const val NONCE_BYTES = 12
private const val TAG_BYTES = 16

/** A file of wrapped secrets can't be read. */
internal class WrappedDamaged : Exception("the wrapped secret is damaged")

/**
 * A secret encrypted by a key of the key store: version (1 byte), how the person unlocks that key (1), its id (8), nonce (12), ciphertext with tag.
 * [unlocking] is null for a key that wants nobody.
 */
internal class Wrapped(val unlocking: Unlocking?, val keyId: String, val nonce: ByteArray, val ciphertext: ByteArray) {
    init {
        require(nonce.size == NONCE_BYTES) { "a nonce of ${nonce.size} bytes" }
    }

    fun toBytes(): ByteArray = byteArrayOf(VERSION, WAYS.indexOf(unlocking).toByte()) + keyId.hexToByteArray() + nonce + ciphertext

    companion object {
        fun newKeyId(): String = ByteArray(ID_BYTES).also(SecureRandom()::nextBytes).toHexString()

        fun parse(bytes: ByteArray): Wrapped {
            val id = 2 + ID_BYTES
            val head = id + NONCE_BYTES
            if (bytes.size < head + TAG_BYTES || bytes[0] != VERSION || bytes[1] !in WAYS.indices) throw WrappedDamaged()
            val nonce = bytes.copyOfRange(id, head)
            return Wrapped(WAYS[bytes[1].toInt()], bytes.copyOfRange(2, id).toHexString(), nonce, bytes.copyOfRange(head, bytes.size))
        }
    }
}
