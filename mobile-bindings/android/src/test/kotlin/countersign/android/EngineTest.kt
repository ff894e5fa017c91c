package countersign.android

import countersign.example.Home
import countersign.example.Start
import java.io.File
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.Found
import uniffi.countersign_mobile.Observer
import uniffi.countersign_mobile.findPhone

private const val PASSPHRASE = "correct horse battery"

/** The real engine on this storage and this keychain. */
@Timeout(60)
class EngineTest {
    @TempDir
    lateinit var folder: File

    private val person = Person()
    private var storageSync: (File) -> Unit = ::syncWithNio

    private val storage get() = FileStorage(WholeFiles({ File(folder, "countersign") }, storageSync))
    private val keychain
        get() = KeystoreKeychain(WholeFiles({ File(folder, "countersign-keys") }, ::syncWithNio), KeystoreKeys(Unlocking.BIOMETRIC, 35), person)

    private object Nobody : Observer {
        override fun onEvent(event: Event) = Unit
    }

    @BeforeEach
    fun phone() = Phone.install()

    private suspend fun create() = Authenticator.create("test", storage, keychain, Nobody)

    private suspend fun open() = Authenticator.open(storage, keychain, Nobody)

    @Test
    fun `a phone is set up, opened again and unlocked`() = runBlocking {
        val recipient = create().use { it.identity().recipient }
        open().use {
            assertEquals(recipient, it.identity().recipient)
            assertTrue(it.backUp(PASSPHRASE, withUnlockKey = true).isNotEmpty())
        }
        assertThrows<AuthenticatorException.SetUp> { runBlocking { create() } }
        // Once when it was set up, once for the backup.
        assertEquals(2, person.reasons.size)
    }

    @Test
    fun `cancelled while setting up, nothing is there`() = runBlocking {
        person.answer = { throw PromptException.Cancelled() }
        assertThrows<AuthenticatorException.Unlock> { runBlocking { create() } }
        assertEquals(Found.NoPhone, findPhone(storage, keychain))
        person.answer = person::recognised
        create().close()
    }

    @Test
    fun `what ends an unlocking arrives as what to do next`() = runBlocking {
        create().use { phone ->
            fun backup(): ByteArray = runBlocking { phone.backUp(PASSPHRASE, withUnlockKey = true) }
            person.answer = { throw PromptException.Cancelled() }
            assertThrows<AuthenticatorException.Unlock> { backup() }
            person.answer = { throw PromptException.LockedOut() }
            assertThrows<AuthenticatorException.Unlock> { backup() }
            person.answer = { throw IllegalStateException() }
            assertThrows<AuthenticatorException.Unlock> { backup() }
            person.answer = person::recognised
            val backup = backup()
            Phone.addFingerprint()
            val ended = assertThrows<AuthenticatorException.SetUp> { backup() }
            assertTrue("backup" in ended.message!!, ended.message)
            phone.restoreUnlockKey(backup, PASSPHRASE)
            assertTrue(backup().isNotEmpty())
        }
    }

    @Test
    fun `the example begins anew only when it is told to`() = runBlocking {
        fun home() = Home(storage, keychain, Nobody)
        assertSame(Start.NoPhone, home().open())
        val (recipient, backup) = home().create("test").use { it.identity().recipient to it.backUp(PASSPHRASE, withUnlockKey = true) }
        assertEquals(recipient, (home().open() as Start.Ready).phone.use { it.identity().recipient })
        // Killed while it erased: neither opened nor replaced.
        keychain.erase()
        assertTrue("device key" in (home().open() as Start.Remains).problem)
        assertThrows<AuthenticatorException.SetUp> { runBlocking { home().create("test") } }
        assertTrue("device key" in (home().open() as Start.Remains).problem)
        home().eraseAll()
        assertSame(Start.NoPhone, home().open())
        home().restore(backup, PASSPHRASE).use { assertEquals(recipient, it.identity().recipient) }
        home().eraseAll()
        assertSame(Start.NoPhone, home().open())
        assertEquals(0, Phone.keys.size)
    }

    @Test
    fun `the example tells what it can't look at`() = runBlocking {
        create().close()
        Phone.keys.clear()
        assertTrue("erase" in (Home(storage, keychain, Nobody).open() as Start.Trouble).problem)
    }

    @Test
    fun `restored without the unlock key, that is what is missing`() = runBlocking {
        val backup = create().use { it.backUp(PASSPHRASE, withUnlockKey = false) }
        keychain.erase()
        storage.erase()
        Authenticator.restore(backup, PASSPHRASE, storage, keychain, Nobody).use { phone ->
            val missing = assertThrows<AuthenticatorException.SetUp> { runBlocking { phone.backUp(PASSPHRASE, withUnlockKey = true) } }
            assertTrue("not on this phone" in missing.message!!, missing.message)
        }
    }

    @Test
    fun `killed before a phone is set up, the next attempt comes to its end`() = runBlocking {
        // The key store has made its key, the file is there, and nothing else.
        keychain.protect("unlock-root", ByteArray(32), "why")
        assertEquals(Found.NoPhone, findPhone(storage, keychain))
        create().use { assertTrue(it.backUp(PASSPHRASE, withUnlockKey = true).isNotEmpty()) }
        assertEquals(2, Phone.keys.size)
    }

    @Test
    fun `a full disk is told as one, and does no harm`() = runBlocking {
        storageSync = ::full
        assertThrows<AuthenticatorException.Storage> { runBlocking { create() } }
        storageSync = ::syncWithNio
        create().close()
        open().close()
    }
}
