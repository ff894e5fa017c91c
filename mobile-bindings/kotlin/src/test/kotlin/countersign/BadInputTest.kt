package countersign

import kotlinx.coroutines.async
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.AuthenticatorException.BadInput
import uniffi.countersign_mobile.AuthenticatorException.Gone
import uniffi.countersign_mobile.AuthenticatorException.StartAgain
import uniffi.countersign_mobile.AuthenticatorException.TryAgain
import uniffi.countersign_mobile.SeedImport
import java.net.URLEncoder
import java.util.Base64
import kotlin.reflect.KClass

/** Bad input: the error is named by what comes next, and its text says what to do. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class BadInputTest {
    private val phone = runBlocking { Phone.create() }
    private val used = Laptop(Relay.shared.url)
    private val usedText = runBlocking {
        used.pair("used").use { screen ->
            val (text, ui) = screen.pairingText() to Digits()
            val paired = async { phone.engine.pair(text, ui) }
            screen.say(ui.shown.await())
            check(screen.end().code == 0)
            paired.await()
            text
        }
    }

    /** Of a relay that is no longer there. */
    private val lonelyText = runBlocking {
        Relay().use { relay -> Laptop(relay.url).use { laptop -> laptop.pair("lonely").use { it.pairingText() } } }
    }
    private val backup = runBlocking { phone.engine.backUp(PASSPHRASE, true) }

    @AfterAll
    fun close() {
        phone.close()
        used.close()
    }

    class Case(private val name: String, val kind: KClass<out AuthenticatorException>, val says: String, val run: suspend () -> Any?) {
        override fun toString() = name
    }

    fun cases() = listOf(
        Case("a QR code of something else", BadInput::class, "must start with COUNTERSIGN-PAIR-1") { pair("https://example.org") },
        Case("nothing", BadInput::class, "must start with COUNTERSIGN-PAIR-1") { pair("") },
        Case("a text that was cut", BadInput::class, "copy all of it") { pair(usedText.dropLast(7)) },
        Case("a text with a typing error", BadInput::class, "copy all of it") { pair(usedText.dropLast(1) + if (usedText.last() == 'Q') 'P' else 'Q') },
        Case("a later version", BadInput::class, "update this program") { pair(Bech32.changed(usedText) { it[0] = 2 }) },
        Case("a later flag", BadInput::class, "update this program") { pair(Bech32.changed(usedText) { it[1] = 1 }) },
        Case("used already", StartAgain::class, "ask for a new one with countersign pair") { pair(usedText) },
        Case("a relay that can't be reached", TryAgain::class, "The pairing code is still good") { pair(lonelyText) },
        Case("no picture", BadInput::class, "take a PNG or JPEG") { SeedImport.fromPicture("hello".toByteArray()) },
        Case("an empty file", BadInput::class, "take a PNG or JPEG") { SeedImport.fromPicture(ByteArray(0)) },
        Case("a file that is too large", BadInput::class, "larger than 16 MiB") { SeedImport.fromPicture(ByteArray(16 * 1024 * 1024 + 1)) },
        Case("a picture that is too wide", BadInput::class, "a side longer than 8192") { SeedImport.fromPicture(Pictures.empty(8193, 1)) },
        Case("a picture that was cut", BadInput::class, "take a PNG or JPEG") { SeedImport.fromPicture(Pictures.qr(URI).copyOf(400)) },
        Case("a picture without a QR code", BadInput::class, "that shows the QR code alone") { SeedImport.fromPicture(Pictures.empty()) },
        Case("a picture with two", BadInput::class, "that shows the QR code alone") { SeedImport.fromPicture(Pictures.qr(URI, "$URI&x=1")) },
        Case("a QR code of something else in a picture", BadInput::class, "that shows the QR code alone") { SeedImport.fromPicture(Pictures.qr("hello")) },
        Case("a text that is no seed", BadInput::class, "otpauth://") { SeedImport.fromText("hello") },
        Case("an endless text", BadInput::class, "longer than any QR code") { SeedImport.fromText("otpauth://" + "x".repeat(10_000)) },
        Case("the wrong passphrase", BadInput::class, "type it again") { restore(backup, "correct horse batterx") },
        Case("a backup that was cut", BadInput::class, "copy it again") { restore(backup.copyOf(backup.size - 1)) },
        Case("half a header", BadInput::class, "copy it again") { restore(backup.copyOf(40)) },
        Case("no backup", BadInput::class, "copy it again") { restore("hello".toByteArray()) },
        Case("a backup of a later version", BadInput::class, "update the app first") { restore(laterBackup) },
        Case("a backup that was changed", BadInput::class, "copy it again") { restore(backup.copyOf().also { it[it.size - 20]++ }) },
        Case("a passphrase that is guessed too soon", BadInput::class, "at least 12 characters") { phone.engine.backUp("short", true) },
    )

    @ParameterizedTest
    @MethodSource("cases")
    fun `says what to do`(case: Case) = test {
        val saves = phone.storage.saves.get()
        val failure = fails<AuthenticatorException> { case.run() }
        assertEquals(case.kind, failure::class, failure.message)
        assertTrue(failure.message!!.contains(case.says), failure.message)
        for (typed in listOf(SECRET, PASSPHRASE, usedText)) assertFalse(failure.message!!.contains(typed))
        assertEquals(saves, phone.storage.saves.get(), "nothing was changed")
    }

    @Test
    fun `too late`() = test {
        Setting.ready().use { setting ->
            val (phone, laptop) = setting.phone to setting.laptop
            // Nobody shows this code any more: the phone looks for its laptop for a while.
            val text = Laptop(Relay.shared.url).use { gone -> gone.pair("gone").use { it.pairingText() } }
            val pairing = async { fails<TryAgain> { phone.engine.pair(text, Digits()) } }
            val job = laptop.code("npm", "--timeout", "5s")
            val (request, number) = phone.events.arrived() to job.number()
            assertEquals(request.id, phone.events.gone().id)
            assertTrue(fails<Gone> { phone.approve(request, number) }.message!!.contains("has expired"))
            assertEquals(201, job.end().code)
            assertTrue(pairing.await().message!!.contains("start again there with: countersign pair"))
        }
    }

    @Test
    fun `a good backup still opens`() = test {
        val (storage, keychain) = MemoryStorage() to MemoryKeychain()
        val bytes = phone.engine.backUp(PASSPHRASE, true)
        Authenticator.restore(bytes, PASSPHRASE, storage, keychain, Events()).use {
            assertEquals(phone.engine.identity(), it.identity())
        }
    }

    @ParameterizedTest
    @MethodSource("hostile")
    fun `a hostile name is harmless on the screen`(name: String) = test {
        val encoded = URLEncoder.encode(name, Charsets.UTF_8).replace("+", "%20")
        fails<BadInput> { SeedImport.fromText("otpauth://totp/$encoded?secret=$SECRET") }
        Authenticator.create(name, MemoryStorage(), MemoryKeychain(), Events()).use { assertShown(it.identity().name, 64) }
        Phone.create().use { phone ->
            Laptop(Relay.shared.url).use { laptop -> assertShown(phone.pair(laptop, name).name, 64) }
        }
    }

    fun hostile() = listOf("evil\u202Egnp.exe", "red\u001B[31m\u0007bell", "two\u2028lines\u200B", "a".repeat(10_000))

    private fun assertShown(text: String, most: Int) {
        assertTrue(text.codePointCount(0, text.length) in 1..most, text)
        assertFalse(text.any { it.isISOControl() || it in "\u202E\u2028\u200B" }, text)
    }

    private suspend fun pair(text: String) = phone.engine.pair(text, Digits())

    private suspend fun restore(bytes: ByteArray, passphrase: String = PASSPHRASE) =
        Authenticator.restore(bytes, passphrase, MemoryStorage(), MemoryKeychain(), Events())

    private companion object {
        const val PASSPHRASE = "correct horse battery"

        /** `{"v": 2}` as CBOR, encrypted with `age -p`. */
        val laterBackup: ByteArray = Base64.getDecoder().decode(
            "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCA0Y3JBVENEbVhGRzNuaVc5c0FNR3FRIDE4CnB4blNtRzRiMDBveFI2MHNXb1NyaDQ4ajVDbmtYMGpF" +
                "QVhURnBPMDNrMjQKLS0tIEpKemxlNzBVaGxLd1lrclIyTWdBM2N6b1NwY1F2czd0bzFvTGVWUEdURUkK2xOKSphN/bj1nEBLpYho96RQJRZYiw7Xl2Xumxu2" +
                "+/pA5mSA",
        )
    }
}
