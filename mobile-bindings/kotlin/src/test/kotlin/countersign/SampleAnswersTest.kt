package countersign

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.delay
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import uniffi.countersign_mobile.Keychain
import java.nio.file.Path
import kotlin.time.Duration.Companion.milliseconds

/** How the sample asks and answers: many requests at once, on many threads. */
class SampleAnswersTest {
    @TempDir
    lateinit var folder: Path

    /** A job that wants anything: a seed. */
    private fun Laptop.asks() = countersign("enroll", "npm", "--json")

    private suspend fun Question.denied(job: Running) {
        answer(Answer.Deny("no"))
        assertEquals(200, job.end().code)
    }

    @Test
    fun `what is withdrawn closes, what waits holds up nobody`() = test {
        opened(folder) {
            val (laptop, other) = laptop("acme/widget") to laptop("acme/other")
            val withdrawn = laptop.asks()
            val question = person.asked()
            withdrawn.number()
            withdrawn.terminate()
            assertEquals(130, withdrawn.end().code)
            question.closed()
            // Somebody leaves this one for later, and answers the next first.
            val first = laptop.asks()
            val later = person.asked()
            val second = other.asks()
            person.asked().denied(second)
            later.answer(Answer.Approve(first.number(), allow = true, picture = Pictures.qr(URI)))
            assertEquals(0, first.end().code)
        }
    }

    @Test
    fun `what is answered elsewhere closes`() = test {
        opened(folder) {
            val laptop = laptop("acme/widget")
            val job = laptop.asks()
            person.asked().let { question ->
                app.phone.deny(question.request.id, "from the other screen")
                question.closed()
            }
            assertEquals(200, job.end().code)
            laptop.asks().use {
                val question = person.asked()
                app.phone.revoke(question.request.verified.pairingId)
                question.closed()
            }
        }
    }

    @Test
    fun `blocked, it never asks again`() = test {
        opened(folder) {
            val job = laptop("acme/widget").asks()
            person.asked().answer(Answer.Block)
            assertEquals(200, job.end().code)
            assertEquals(listOf<String>(), app.phone.pairings().map { it.name })
        }
    }

    @Test
    fun `begun again it asks about what waits, and about each once`() = test {
        opened(folder) {
            val laptops = List(3) { laptop("acme/widget$it") }
            val first = laptops[0].asks()
            val before = person.asked()
            answering.cancel()
            before.closed()
            // Comes while nobody asks: it is both among what waits and told.
            val second = laptops[1].asks()
            withTimeout(PATIENCE) { while (app.phone.pending().size < 2) delay(10.milliseconds) }
            beginAgain()
            val questions = listOf(person.asked(), person.asked()).associateBy { it.request.verified.pairing }
            assertEquals(setOf("acme/widget0", "acme/widget1"), questions.keys)
            // Once more, and not waited for.
            beginAgain()
            questions.values.forEach { it.closed() }
            val again = listOf(person.asked(), person.asked()).associateBy { it.request.verified.pairing }
            assertEquals(questions.keys, again.keys)
            val third = laptops[2].asks()
            person.asked().let { question ->
                assertEquals("acme/widget2", question.request.verified.pairing)
                question.denied(third)
            }
            again.getValue("acme/widget0").denied(first)
            again.getValue("acme/widget1").denied(second)
        }
    }

    @ParameterizedTest
    @MethodSource("ofScreens")
    fun `a screen that fails takes no other question with it, and asks again`(problem: Exception) = test {
        opened(folder) {
            val (laptop, other) = laptop("acme/widget") to laptop("acme/other")
            val first = laptop.asks()
            val waits = person.asked()
            person.askFails.set(problem)
            val second = other.asks()
            assertTrue(person.told().contains("comes again"))
            val again = person.asked()
            assertEquals("acme/other", again.request.verified.pairing)
            // And if it can't even say what is wrong.
            person.sayFails.set(problem)
            again.answer(Answer.Approve(second.number(), allow = true, picture = Pictures.empty()))
            person.asked().denied(second)
            waits.denied(first)
        }
    }

    @Test
    fun `it ends when the phone is closed`() = test {
        opened(folder) {
            laptop("acme/widget").asks().use {
                val question = person.asked()
                app.close()
                question.closed()
                withTimeout(PATIENCE) { answering.join() }
                assertFalse(answering.isCancelled, "it failed, or was cancelled")
                // Also where there was nothing to end yet.
                app.answerRequests()
            }
        }
    }

    @Test
    fun `what came of an answer is told though its request is gone`() = test {
        opened(folder) {
            val job = laptop("acme/widget").asks()
            val number = job.number()
            val wrong = (if (number.first() == '9') "0" else "9") + number.drop(1)
            person.asked().answer(Answer.Approve(wrong, allow = true, picture = Pictures.qr(URI)))
            assertTrue(person.told().contains("number"))
            assertEquals(202, job.end().code)
        }
    }

    @Test
    fun `a request that goes away at the prompt takes the prompt with it, and that is told`() = test {
        val prompt = Unanswered()
        val keychain = object : Keychain by FileKeychain(folder) {
            override suspend fun unlock(name: String, reason: String): ByteArray {
                prompt.prompt()
                error("nobody answers it")
            }
        }
        opened(folder, keychain) {
            val job = laptop("acme/widget").asks()
            person.asked().answer(Answer.Approve(job.number(), allow = true, picture = Pictures.qr(URI)))
            withTimeout(PATIENCE) { prompt.shown.await() }
            job.terminate()
            withTimeout(PATIENCE) { prompt.cancelled.await() }
            assertTrue(person.told().contains("no longer waiting"))
            assertEquals(130, job.end().code)
        }
    }

    companion object {
        /** Of its own: neither the engine's nor for the end of the sample. */
        @JvmStatic
        fun ofScreens() = listOf(IllegalStateException("no activity"), CancellationException("the screen's own"))
    }
}
