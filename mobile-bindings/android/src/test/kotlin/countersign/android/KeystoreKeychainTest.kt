package countersign.android

import android.security.keystore.UserNotAuthenticatedException
import java.io.File
import java.security.InvalidKeyException
import java.security.ProviderException
import java.security.UnrecoverableKeyException
import javax.crypto.IllegalBlockSizeException
import kotlin.concurrent.thread
import kotlin.coroutines.cancellation.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import uniffi.countersign_mobile.KeychainException

@Timeout(20)
class KeystoreKeychainTest {
    @TempDir
    lateinit var folder: File

    private val person = Person()

    @BeforeEach
    fun phone() = Phone.install()

    private fun keychain(sync: (File) -> Unit = ::syncWithNio, unlocking: Unlocking = Unlocking.BIOMETRIC, sdk: Int = 35) =
        KeystoreKeychain(WholeFiles({ folder }, sync), KeystoreKeys(unlocking, sdk), person)

    private fun secret(first: Int = 1) = ByteArray(32) { (first + it).toByte() }

    private fun protect(first: Int = 1) = runBlocking { keychain().protect("unlock-root", secret(first), "why") }

    private fun unlock() = runBlocking { keychain().unlock("unlock-root", "because") }

    @Test
    fun `an ordinary secret comes back without a question`() {
        assertNull(keychain().load("device-root"))
        keychain().store("device-root", secret())
        assertArrayEquals(secret(), keychain().load("device-root"))
        keychain().store("device-root", secret(9))
        assertArrayEquals(secret(9), keychain().load("device-root"))
        assertEquals(1, Phone.keys.size)
        assertEquals(emptyList<String>(), person.reasons)
    }

    @Test
    fun `a protected secret wants the person each time`() {
        protect()
        assertArrayEquals(secret(), unlock())
        assertArrayEquals(secret(), unlock())
        assertEquals(listOf("why", "because", "because"), person.reasons)
    }

    @Test
    fun `the question is of the kind that the key wants`() = runBlocking {
        for (unlocking in Unlocking.entries) {
            person.ways.clear()
            keychain(unlocking = unlocking).protect("unlock-root", secret(), "why")
            keychain(unlocking = unlocking).unlock("unlock-root", "because")
            assertEquals(listOf(unlocking, unlocking), person.ways)
        }
    }

    @Test
    fun `the key that is there is asked for in its own way, whatever is chosen now`() = runBlocking {
        suspend fun asked(made: Unlocking, sdk: Int, now: Unlocking): Unlocking {
            keychain(unlocking = made, sdk = sdk).protect("unlock-root", secret(), "why")
            assertArrayEquals(secret(), keychain(unlocking = now).unlock("unlock-root", "because"))
            return person.ways.last()
        }
        val (biometric, both) = Unlocking.BIOMETRIC to Unlocking.BIOMETRIC_OR_LOCK_SCREEN
        assertEquals(biometric, asked(made = biometric, sdk = 35, now = both))
        assertEquals(both, asked(made = both, sdk = 35, now = biometric))
        // Android was updated.
        assertEquals(biometric, asked(made = both, sdk = 29, now = both))
    }

    @Test
    fun `no secret is on disk, and what was handed in is wiped`() {
        val ordinary = secret()
        val protected = secret(100)
        keychain().store("device-root", ordinary)
        runBlocking { keychain().protect("unlock-root", protected, "why") }
        val disk = folder.walk().filter(File::isFile).map { it.readBytes().toString(Charsets.ISO_8859_1) }.toList()
        assertEquals(2, disk.size)
        for (it in listOf(secret(), secret(100))) {
            val part = it.copyOf(8).toString(Charsets.ISO_8859_1)
            assertTrue(disk.none { file -> part in file })
        }
        assertArrayEquals(ByteArray(32), ordinary)
        assertArrayEquals(ByteArray(32), protected)
    }

    @Test
    fun `a cipher that the system has not authorised opens nothing`() {
        protect()
        person.answer = { it }
        assertTrue("try again" in assertThrows<KeychainException.Unavailable> { unlock() }.detail)
    }

    @Test
    fun `each way not to be recognised has its name, and loses nothing`() {
        protect()
        val ways = listOf(
            PromptException.Cancelled() to KeychainException.Cancelled::class,
            PromptException.LockedOut() to KeychainException.LockedOut::class,
            PromptException.Unavailable("try later") to KeychainException.Unavailable::class,
            IllegalStateException("secret text") to KeychainException.Unavailable::class,
            // The screen that asked is gone; nobody cancelled us.
            CancellationException("secret text") to KeychainException.Cancelled::class,
        )
        for ((thrown, told) in ways) {
            person.answer = { throw thrown }
            val unlocking = assertThrows<KeychainException> { unlock() }
            assertEquals(told, unlocking::class)
            val protecting = assertThrows<KeychainException> { protect(50) }
            assertEquals(told, protecting::class)
            assertFalse("secret text" in unlocking.toString())
            if (thrown is PromptException.Unavailable) assertEquals("try later", (unlocking as KeychainException.Unavailable).detail)
        }
        assertEquals(1, Phone.keys.size)
        person.answer = person::recognised
        assertArrayEquals(secret(), unlock())
    }

    @Test
    fun `a new fingerprint ends a protected secret, for good and by name, and nothing else`() {
        keychain().store("device-root", secret(5))
        protect()
        val before = folder.walk().filter(File::isFile).associate { it.name to it.readBytes().toList() }
        Phone.addFingerprint()
        assertThrows<KeychainException.Invalidated> { unlock() }
        assertThrows<KeychainException.Invalidated> { unlock() }
        assertEquals(before, folder.walk().filter(File::isFile).associate { it.name to it.readBytes().toList() })
        assertArrayEquals(secret(5), keychain().load("device-root"))
        // From a backup:
        protect(70)
        assertArrayEquals(secret(70), unlock())
    }

    @Test
    fun `a key that the system has removed counts as ended`() {
        keychain().store("device-root", secret())
        protect()
        Phone.keys.clear()
        assertThrows<KeychainException.Invalidated> { unlock() }
        val ordinary = assertThrows<KeychainException.Unavailable> { keychain().load("device-root") }
        assertTrue("backup" in ordinary.detail)
    }

    @Test
    fun `a key that can't be had is told apart from one that has ended`() {
        protect()
        Phone.noKey = UnrecoverableKeyException("Key permanently invalidated")
        assertThrows<KeychainException.Invalidated> { unlock() }
        Phone.noKey = UnrecoverableKeyException("busy").apply { initCause(ProviderException()) }
        assertTrue("restart" in assertThrows<KeychainException.Unavailable> { unlock() }.detail)
        Phone.noKey = null
        assertArrayEquals(secret(), unlock())
    }

    @Test
    fun `nothing was ever protected`() {
        assertThrows<KeychainException.Missing> { unlock() }
        assertEquals(emptyList<String>(), person.reasons)
    }

    @Test
    fun `a question that could not be shown is not the key store's trouble`() {
        protect()
        person.answer = { throw SecurityException("secret text") }
        val told = assertThrows<KeychainException.Unavailable> { unlock() }.detail
        assertTrue("SecurityException" in told && "secret" !in told && "key store" !in told, told)
    }

    @Test
    fun `whoever reads while a secret is replaced gets one or the other`() {
        keychain().store("device-root", secret())
        val writer = thread { repeat(200) { keychain().store("device-root", secret(it % 2)) } }
        try {
            repeat(200) { assertTrue(keychain().load("device-root")!![0] in 0..1) }
        } finally {
            writer.join()
        }
    }

    @Test
    fun `a phone without fingerprints is told what to set up`() {
        Phone.biometricsEnrolled = false
        assertTrue("fingerprint" in assertThrows<KeychainException.Unavailable> { protect() }.detail)
        Phone.biometricsEnrolled = true
        protect()
        assertArrayEquals(secret(), unlock())
    }

    @Test
    fun `a full disk keeps the older secret`() {
        keychain().store("device-root", secret())
        protect()
        val sync: (File) -> Unit = ::full
        assertTrue("room" in assertThrows<KeychainException.Unavailable> { keychain(sync).store("device-root", secret(9)) }.detail)
        assertThrows<KeychainException.Unavailable> { runBlocking { keychain(sync).protect("unlock-root", secret(9), "why") } }
        assertArrayEquals(secret(), keychain().load("device-root"))
        assertArrayEquals(secret(), unlock())
        // What those calls left in the key store goes with the next.
        protect(3)
        keychain().store("device-root", secret(3))
        assertEquals(2, Phone.keys.size)
    }

    @Test
    fun `damaged, cut, swapped or of a later version does not open`() {
        keychain().store("device-root", secret())
        keychain().store("other", secret(9))
        val file = File(folder, "ordinary-device-root")
        val good = file.readBytes()
        val bad = listOf(
            byteArrayOf(),
            good.copyOf(20),
            good.copyOf(good.size - 1),
            good.copyOf().also { it[0] = 2 },
            good.copyOf().also { it[1] = 3 },
            good.copyOf().also { it[good.size - 1] = (it[good.size - 1] + 1).toByte() },
            good.copyOf().also { it[13] = (it[13] + 1).toByte() },
            File(folder, "ordinary-other").readBytes(),
        )
        for (bytes in bad) {
            file.writeBytes(bytes)
            val told = assertThrows<KeychainException.Unavailable> { keychain().load("device-root") }
            assertTrue("backup" in told.detail, told.detail)
        }
        file.writeBytes(good)
        assertArrayEquals(secret(), keychain().load("device-root"))
    }

    @Test
    fun `another name's ciphertext does not open even under its own key`() {
        keychain().store("a", secret())
        val wrapped = Wrapped.parse(File(folder, "ordinary-a").readBytes())
        File(folder, "ordinary-b").writeBytes(wrapped.toBytes())
        Phone.keys[Kind.ORDINARY.alias("b", wrapped.keyId)] = Phone.keys.getValue(Kind.ORDINARY.alias("a", wrapped.keyId))
        assertTrue("damaged" in assertThrows<KeychainException.Unavailable> { keychain().load("b") }.detail)
    }

    @Test
    fun `only names reach the disk and the key store`() {
        for (name in listOf("", "../x", "a.b", "A")) {
            assertThrows<KeychainException.Unavailable> { keychain().store(name, secret()) }
            assertThrows<KeychainException.Unavailable> { keychain().load(name) }
        }
        assertEquals(0, Phone.keys.size)
    }

    @Test
    fun `cancelled by the engine, the question goes away and the next one comes`() = runBlocking {
        protect()
        val shown = CompletableDeferred<Unit>()
        val takenAway = CompletableDeferred<Unit>()
        person.answer = {
            shown.complete(Unit)
            try {
                awaitCancellation()
            } finally {
                takenAway.complete(Unit)
            }
        }
        val waiting = launch(Dispatchers.Default) { keychain().unlock("unlock-root", "because") }
        shown.await()
        waiting.cancelAndJoin()
        assertTrue(waiting.isCancelled && takenAway.isCompleted)
        person.answer = person::recognised
        assertArrayEquals(secret(), keychain().unlock("unlock-root", "because"))
    }

    @Test
    fun `cancelled while another question is shown, what was handed in is wiped, too`() = runBlocking {
        protect()
        person.answer = { awaitCancellation() }
        val shown = launch(start = CoroutineStart.UNDISPATCHED) { keychain().unlock("unlock-root", "because") }
        val secret = secret(3)
        val waiting = launch(start = CoroutineStart.UNDISPATCHED) { keychain().protect("unlock-root", secret, "why") }
        assertArrayEquals(secret(3), secret)
        waiting.cancelAndJoin()
        assertArrayEquals(ByteArray(32), secret)
        shown.cancelAndJoin()
        assertEquals(listOf("why", "because"), person.reasons)
    }

    @Test
    fun `one question at a time, also over two objects`() = runBlocking {
        protect()
        var shown = 0
        person.answer = {
            shown += 1
            yield()
            assertEquals(1, shown)
            shown -= 1
            person.recognised(it)
        }
        val all = (1..20).map { n ->
            async { if (n % 5 == 0) keychain().protect("unlock-root", secret(n), "why") else keychain().unlock("unlock-root", "because") }
        }
        all.forEach { it.await() }
        assertArrayEquals(secret(20), keychain().unlock("unlock-root", "because"))
        assertEquals(1, Phone.keys.size)
    }

    @Test
    fun `a StrongBox that fails when it is used is left, while nothing depends on it`() {
        fun works(questions: Int) {
            person.reasons.clear()
            protect()
            keychain().store("device-root", secret(5))
            assertEquals(questions, person.reasons.size)
            assertTrue(Phone.keys.size == 2 && Phone.keys.values.none { it.spec.isStrongBoxBacked })
            assertArrayEquals(secret(), unlock())
            assertArrayEquals(secret(5), keychain().load("device-root"))
        }
        Phone.strongBoxInit = InvalidKeyException("secret text")
        works(questions = 1)
        Phone.strongBoxInit = ProviderException("secret text")
        works(questions = 1)
        Phone.strongBoxInit = null
        Phone.strongBoxDoFinal = IllegalBlockSizeException("secret text")
        // The system has authorised one key, and now it is another.
        works(questions = 2)
        // Not because of the person, and not once something depends on it.
        Phone.strongBoxDoFinal = null
        protect()
        Phone.strongBoxInit = ProviderException("secret text")
        assertTrue("restart" in assertThrows<KeychainException.Unavailable> { unlock() }.detail)
        Phone.strongBoxInit = null
        person.reasons.clear()
        person.answer = { throw PromptException.Cancelled() }
        assertThrows<KeychainException.Cancelled> { protect() }
        assertEquals(1, person.reasons.size)
    }

    @Test
    fun `erasing leaves nothing`() {
        keychain().store("device-root", secret())
        protect()
        keychain().erase()
        assertNull(keychain().load("device-root"))
        assertEquals(0, Phone.keys.size)
        assertEquals(0, folder.list().orEmpty().size)
    }

    @Test
    fun `what key stores say stays inside`() {
        for (e in listOf(ProviderException("secret text"), UserNotAuthenticatedException("secret text"))) {
            val told = tell(e, Kind.PROTECTED) as KeychainException.Unavailable
            assertFalse("secret text" in told.detail)
            assertTrue("try again" in told.detail)
        }
    }
}
