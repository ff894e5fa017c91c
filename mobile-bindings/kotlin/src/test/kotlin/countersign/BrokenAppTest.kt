package countersign

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.Found
import uniffi.countersign_mobile.KeychainException
import uniffi.countersign_mobile.Observer
import uniffi.countersign_mobile.PairingUi
import uniffi.countersign_mobile.StorageException
import uniffi.countersign_mobile.findPhone
import java.util.concurrent.atomic.AtomicInteger

/** What must not come back out of the engine. */
private const val PRIVATE = "hunter2-the-secret-in-an-exception"

/** An app whose own code fails. */
class BrokenAppTest {
    @ParameterizedTest
    @MethodSource("strange")
    fun `a keychain that throws leaves the request waiting`(problem: Throwable) = test {
        Setting.ready().use { setting ->
            val phone = setting.phone
            val job = setting.laptop.code()
            val (request, number) = phone.events.arrived() to job.number()
            phone.keychain.beforeUnlock = { throw problem }
            assertHarmless(fails<AuthenticatorException.Unlock> { phone.approve(request, number) })
            assertEquals(listOf(request.id), phone.engine.pending().map { it.id })
            phone.keychain.beforeUnlock = {}
            phone.approve(request, number)
            assertEquals(0, job.end().code)
        }
    }

    @Test
    fun `what a keychain says is told by what to do`() = test {
        Setting.ready().use { setting ->
            val phone = setting.phone
            val job = setting.laptop.code()
            val (request, number) = phone.events.arrived() to job.number()
            suspend fun says(problem: KeychainException): String {
                phone.keychain.beforeUnlock = { throw problem }
                return fails<AuthenticatorException> { phone.approve(request, number) }.let { "${it::class.simpleName}: ${it.message}" }
            }
            assertTrue(says(KeychainException.Cancelled()).startsWith("Unlock: unlocking was cancelled"))
            assertTrue(says(KeychainException.WrongPassphrase()).startsWith("Unlock: this did not unlock: the passphrase is wrong"))
            assertTrue(says(KeychainException.NotRecognised()).startsWith("Unlock: this did not unlock: the phone did not recognise you"))
            assertTrue(says(KeychainException.LockedOut()).contains("or wait"))
            assertTrue(says(KeychainException.Invalidated()).let { it.startsWith("SetUp: ") && it.contains("bring it back from a backup") })
            assertTrue(says(KeychainException.Missing()).let { it.startsWith("SetUp: ") && it.contains("a backup that was made with it") })
            assertTrue(says(KeychainException.Unavailable("restart the phone")).contains("restart the phone"))
            assertEquals(1, phone.engine.pending().size)
            phone.keychain.beforeUnlock = {}
            phone.approve(request, number)
            assertEquals(0, job.end().code)
        }
    }

    @ParameterizedTest
    @MethodSource("strange")
    fun `a storage that throws has saved nothing`(problem: Throwable) = test {
        Setting.ready().use { setting ->
            val phone = setting.phone
            val job = setting.laptop.code()
            val (request, number) = phone.events.arrived() to job.number()
            phone.storage.beforeSave = { throw problem }
            assertHarmless(fails<AuthenticatorException.Storage> { phone.approve(request, number) })
            assertEquals(listOf(request.id), phone.engine.pending().map { it.id })
            phone.storage.beforeSave = {}
            phone.approve(request, number)
            assertEquals(0, job.end().code)
        }
    }

    @ParameterizedTest
    @MethodSource("strange")
    fun `nothing opens when loading throws`(problem: Throwable) = test {
        Phone.create().use { phone ->
            phone.storage.beforeLoad = { throw problem }
            assertHarmless(fails<AuthenticatorException.Storage> { phone.reopen() })
            // What can't be read is not nothing.
            assertHarmless(fails<AuthenticatorException.Storage> { findPhone(phone.storage, phone.keychain) })
            phone.storage.beforeLoad = {}
            phone.keychain.beforeLoad = { throw problem }
            assertHarmless(fails<AuthenticatorException.Unlock> { phone.reopen() })
            assertHarmless(fails<AuthenticatorException.Unlock> { findPhone(phone.storage, phone.keychain) })
            phone.keychain.beforeLoad = {}
            phone.reopen()
        }
    }

    @ParameterizedTest
    @MethodSource("strange")
    fun `an observer that throws is told the rest all the same`(problem: Throwable) = test {
        Setting.ready().use { setting ->
            val (phone, told) = setting.phone to AtomicInteger()
            phone.engine.disconnect()
            phone.engine.close()
            phone.reopen(observer = object : Observer {
                override fun onEvent(event: Event) {
                    phone.events.onEvent(event)
                    told.incrementAndGet()
                    throw problem
                }
            })
            phone.connect()
            val job = setting.laptop.code()
            phone.approve(phone.events.arrived(), job.number())
            assertEquals(0, job.end().code)
            phone.events.next { it as? Event.Settled }
            assertTrue(told.get() > 3)
            assertFalse(phone.engine.history().toString().contains(PRIVATE))
        }
    }

    @ParameterizedTest
    @MethodSource("strange")
    fun `a screen that throws ends the pairing`(problem: Throwable) = test {
        Laptop(Relay.shared.url).use { laptop ->
            Phone.create().use { phone ->
                val screen = laptop.pair("acme/widget")
                val text = screen.pairingText()
                assertHarmless(fails<AuthenticatorException.StartAgain> {
                    phone.engine.pair(text, object : PairingUi {
                        override fun showDigits(name: String, digits: String) = throw problem
                    })
                })
                assertTrue(phone.engine.pairings().isEmpty())
                screen.close()
            }
        }
    }

    @Test
    fun `the third write fails, and what needed it can be tried again`() = test {
        val (storage, keychain) = MemoryStorage() to MemoryKeychain()
        storage.beforeSave = { if (it == 3) throw StorageException.Failed("the disk is full; make room") }
        assertTrue(fails<AuthenticatorException.Storage> { Authenticator.create("pixel", storage, keychain, Events()) }.message!!.contains("make room"))
        // Half a set-up is none.
        storage.beforeSave = {}
        assertEquals(Found.NoPhone, findPhone(storage, keychain))
        Authenticator.create("pixel", storage, keychain, Events()).close()
    }

    @Test
    fun `whichever write of an approval fails, the request still waits`() = test {
        Setting.ready().use { setting ->
            val phone = setting.phone
            var failed = 0
            // The first, second and third write from now on.
            for (nth in 1..3) {
                // A seed of its own each time: a second code of one would have to wait for its step.
                phone.enroll(setting.laptop, "seed$nth", "otpauth://totp/ACME:seed$nth?secret=${"ABCDEFGH"[nth].toString().repeat(32)}")
                val job = setting.laptop.code("seed$nth")
                val (request, number) = phone.events.arrived() to job.number()
                val from = phone.storage.saves.get()
                phone.storage.beforeSave = { if (it == from + nth) throw StorageException.Failed("the disk is full; make room") }
                val problem = runCatching { phone.approve(request, number) }.exceptionOrNull()
                phone.storage.beforeSave = {}
                if (problem != null) {
                    failed++
                    assertTrue((problem as AuthenticatorException.Storage).message!!.contains("make room"))
                    assertEquals(listOf(request.id), phone.engine.pending().map { it.id })
                    phone.approve(request, number)
                }
                val ended = job.end()
                assertEquals(0, ended.code, ended.err)
                phone.events.next { it as? Event.Settled }
            }
            assertTrue(failed > 0, "an approval writes")
        }
    }

    private fun assertHarmless(failure: AuthenticatorException) {
        assertFalse(failure.stackTraceToString().contains(PRIVATE), failure.toString())
        assertTrue(failure.message!!.isNotBlank())
    }

    companion object {
        /** Exceptions that no trait knows; errors of the machine, too. */
        @JvmStatic
        fun strange() = listOf(IllegalStateException(PRIVATE), OutOfMemoryError(PRIVATE))
    }
}
