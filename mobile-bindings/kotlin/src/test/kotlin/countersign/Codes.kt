package countersign

import com.eatthepath.otp.TimeBasedOneTimePasswordGenerator
import com.google.zxing.BarcodeFormat
import com.google.zxing.common.BitMatrix
import com.google.zxing.qrcode.QRCodeWriter
import java.awt.image.BufferedImage
import java.io.ByteArrayOutputStream
import java.time.Duration
import java.time.Instant
import javax.crypto.spec.SecretKeySpec
import javax.imageio.ImageIO

/** RFC 6238's own secret, `12345678901234567890`. */
const val SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
const val URI = "otpauth://totp/ACME:release?secret=$SECRET&issuer=ACME&algorithm=SHA1&digits=6&period=30"

/** What somebody else's TOTP library says. */
object Totp {
    private val generator = TimeBasedOneTimePasswordGenerator(Duration.ofSeconds(30))

    /** The code of a step of 30 seconds. */
    fun code(step: Long, secret: ByteArray = "12345678901234567890".toByteArray()): String =
        generator.generateOneTimePasswordString(SecretKeySpec(secret, "HmacSHA1"), Instant.ofEpochSecond(step * 30))

    fun step(): Long = Instant.now().epochSecond / 30
}

/** Pictures of QR codes, drawn by somebody else's library. */
object Pictures {
    fun qr(vararg texts: String): ByteArray {
        val codes = texts.map { QRCodeWriter().encode(it, BarcodeFormat.QR_CODE, 400, 400) }
        val image = BufferedImage(400 * codes.size, 400, BufferedImage.TYPE_BYTE_GRAY)
        codes.forEachIndexed { place, code -> image.draw(code, place * 400) }
        return png(image)
    }

    /** A grey picture without any. */
    fun empty(width: Int = 300, height: Int = 200): ByteArray = png(BufferedImage(width, height, BufferedImage.TYPE_BYTE_GRAY))

    private fun BufferedImage.draw(code: BitMatrix, left: Int) {
        for (x in 0 until code.width) for (y in 0 until code.height) setRGB(left + x, y, if (code.get(x, y)) 0 else 0xffffff)
    }

    private fun png(image: BufferedImage): ByteArray =
        ByteArrayOutputStream().also { check(ImageIO.write(image, "png", it)) }.toByteArray()
}
