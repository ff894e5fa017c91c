package countersign

/** RFC 4648, without padding. */
fun base32(bytes: ByteArray): String {
    val bits = bytes.joinToString("") { (it.toInt() and 0xff).toString(2).padStart(8, '0') }
    return bits.chunked(5).joinToString("") { "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[it.padEnd(5, '0').toInt(2)].toString() }
}

/** Bech32 (BIP-173) of any length, as pairing texts are written. */
object Bech32 {
    private const val LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    private val generator = listOf(0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)

    /** The same text with other data: `change` gets the bytes, and the checksum is right again. */
    fun changed(text: String, change: (ByteArray) -> Unit): String {
        val lower = text.lowercase()
        val prefix = lower.substringBeforeLast('1')
        val values = lower.substringAfterLast('1').map { LETTERS.indexOf(it) }
        check(polymod(expand(prefix) + values) == 1) { "this is no Bech32" }
        val bytes = regroup(values.dropLast(6), 5, 8).map { it.toByte() }.toByteArray()
        change(bytes)
        val data = regroup(bytes.map { it.toInt() and 0xff }, 8, 5, pad = true)
        val sum = polymod(expand(prefix) + data + List(6) { 0 }) xor 1
        val checksum = List(6) { (sum shr (5 * (5 - it))) and 31 }
        return (prefix + "1" + (data + checksum).map { LETTERS[it] }.joinToString("")).uppercase()
    }

    private fun expand(prefix: String) = prefix.map { it.code shr 5 } + 0 + prefix.map { it.code and 31 }

    private fun polymod(values: List<Int>): Int = values.fold(1) { sum, value ->
        val top = sum shr 25
        generator.foldIndexed(((sum and 0x1ffffff) shl 5) xor value) { bit, it, term -> if ((top shr bit) and 1 == 1) it xor term else it }
    }

    private fun regroup(values: List<Int>, from: Int, to: Int, pad: Boolean = false): List<Int> {
        val bits = values.joinToString("") { it.toString(2).padStart(from, '0') }
        val groups = bits.chunked(to)
        return (if (pad) groups.map { it.padEnd(to, '0') } else groups.filter { it.length == to }).map { it.toInt(2) }
    }
}
