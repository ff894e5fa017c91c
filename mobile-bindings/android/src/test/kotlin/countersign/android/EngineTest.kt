package countersign.android

import java.io.File
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.io.TempDir
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.Observer

private const val PASSPHRASE = "correct horse battery"

/** The real engine on this storage and this keychain. */
@Timeout(60)
class EngineTest {
    @TempDir
    lateinit var folder: File

    private val person = Person()
    private var storageSync: (File) -> Unit = ::syncWithNio

    private val storage get() = FileStorage(WholeFiles(File(folder, "countersign"), storageSync))
    private val keychain
        get() = KeystoreKeychain(WholeFiles(File(folder, "countersign-keys"), ::syncWithNio), KeystoreKeys(Unlocking.BIOMETRIC, 35), person)

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
        assertTrue(storage.isEmpty())
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
    fun `erased, a phone can be restored from its backup`() = runBlocking {
        val (recipient, backup) = create().use { it.identity().recipient to it.backUp(PASSPHRASE, withUnlockKey = true) }
        storage.erase()
        keychain.erase()
        Authenticator.restore(backup, PASSPHRASE, storage, keychain, Nobody).use {
            assertEquals(recipient, it.identity().recipient)
        }
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
