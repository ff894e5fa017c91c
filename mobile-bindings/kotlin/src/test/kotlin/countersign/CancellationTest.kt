package countersign

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import uniffi.countersign_mobile.AuthenticatorException
import java.util.concurrent.Executors
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration.Companion.milliseconds

/** Coroutines that are cancelled, and many at once. */
class CancellationTest {
    @Test
    fun `an approval that is cancelled at the prompt leaves the request waiting`() = test {
        Setting.ready().use { setting ->
            val phone = setting.phone
            val job = setting.laptop.code()
            val (request, number) = phone.events.arrived() to job.number()
            val prompt = Unanswered()
            phone.keychain.beforeUnlock = prompt::prompt
            val approving = launch { phone.approve(request, number) }
            prompt.shown.await()
            approving.cancelAndJoin()
            // The engine's end of it is cancelled, and so the app's prompt closes.
            withTimeout(PATIENCE) { prompt.cancelled.await() }
            assertEquals(listOf(request.id), phone.engine.pending().map { it.id })
            phone.keychain.beforeUnlock = {}
            phone.approve(request, number)
            assertEquals(0, job.end().code)
        }
    }

    @Test
    fun `a prompt closes when its request is withdrawn`() = test {
        Setting.ready().use { setting ->
            val phone = setting.phone
            val job = setting.laptop.code()
            val (request, number) = phone.events.arrived() to job.number()
            val prompt = Unanswered()
            phone.keychain.beforeUnlock = prompt::prompt
            val approving = async { fails<AuthenticatorException.Gone> { phone.approve(request, number) } }
            prompt.shown.await()
            job.terminate()
            withTimeout(PATIENCE) { prompt.cancelled.await() }
            assertTrue(approving.await().message!!.contains("no longer waiting"))
            assertEquals(request.id, phone.events.gone().id)
            assertEquals(130, job.end().code)
        }
    }

    @Test
    fun `a pairing that is cancelled stores nothing`() = test {
        Laptop(Relay.shared.url).use { laptop ->
            Phone.create().use { phone ->
                val screen = laptop.pair("acme/widget")
                val (text, ui) = screen.pairingText() to Digits()
                val pairing = launch { phone.engine.pair(text, ui) }
                val digits = ui.shown.await()
                pairing.cancelAndJoin()
                screen.say(digits)
                // 204 if the digits crossed the phone's goodbye: what is sent then goes nowhere.
                val ended = screen.end()
                assertTrue(ended.code in setOf(203, 204), "$ended")
                assertFalse(laptop.config.exists(), "the laptop has stored nothing either")
                assertEquals(listOf<String>(), phone.engine.pairings().map { it.name })
                assertEquals("acme/widget", phone.pair(laptop).name)
            }
        }
    }

    @Test
    fun `fifty threads call while requests come and go`() = test {
        Setting.ready().use { setting ->
            val (phone, engine) = setting.phone to setting.phone.engine
            val (pairing, seed) = engine.pairings().single().id to engine.seeds().single().id
            val (calls, refused) = AtomicInteger() to AtomicInteger()
            Executors.newFixedThreadPool(50).asCoroutineDispatcher().use { threads ->
                coroutineScope {
                    val callers = List(50) { number ->
                        launch(threads) {
                            while (true) {
                                try {
                                    call(setting, number, pairing, seed)
                                } catch (_: AuthenticatorException.Gone) {
                                    refused.incrementAndGet()
                                }
                                calls.incrementAndGet()
                                delay(1.milliseconds)
                            }
                        }
                    }
                    repeat(8) {
                        val job = setting.laptop.code()
                        phone.engine.deny(phone.events.arrived().id, "no")
                        assertEquals(200, job.end().code)
                    }
                    callers.forEach { it.cancelAndJoin() }
                }
            }
            assertTrue(calls.get() > 1000, "${calls.get()} calls")
            assertTrue(refused.get() > 0)
            // All is as it was, and it still works.
            assertEquals(1 to 1, engine.pairings().size to engine.seeds().size)
            engine.allow(pairing, seed, true)
            val job = setting.laptop.code()
            phone.approve(phone.events.arrived(), job.number())
            assertEquals(0, job.end().code)
        }
    }

    private suspend fun call(setting: Setting, number: Int, pairing: String, seed: String) {
        val engine = setting.phone.engine
        when (number % 10) {
            0 -> engine.pending().forEach { check(it.verified.pairing == "acme/widget") }
            1 -> check(engine.identity().name == "pixel")
            2 -> engine.history()
            3 -> check(engine.seeds().single().label == "ACME:release")
            4 -> check(engine.pairings().single().id == pairing)
            5 -> engine.allow(pairing, seed, true)
            6 -> engine.deny("00".repeat(16), "no such request")
            7 -> check(engine.connections().size == 1)
            8 -> engine.connect()
            else -> withTimeout(PATIENCE) { engine.removeWakeUp(null) }
        }
    }

    @Test
    fun `twenty approvals of one request make one answer`() = test {
        Setting.ready().use { setting ->
            val phone = setting.phone
            val job = setting.laptop.code()
            val (request, number) = phone.events.arrived() to job.number()
            val answers = List(20) {
                async(Dispatchers.IO) {
                    try {
                        phone.approve(request, number)
                        true
                    } catch (_: AuthenticatorException.Gone) {
                        false
                    }
                }
            }.awaitAll()
            assertEquals(1, answers.count { it })
            assertEquals(0, job.end().code)
        }
    }
}
