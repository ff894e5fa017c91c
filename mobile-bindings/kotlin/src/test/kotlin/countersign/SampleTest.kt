package countersign

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.PendingRequest
import java.io.File
import java.nio.file.Path
import kotlin.io.path.readBytes
import kotlin.io.path.writeBytes

/** The sample that docs/EMBEDDING.md shows does what it says there. */
class SampleTest {
    @TempDir
    lateinit var folder: Path

    /** A question on the screen; `closed` when it was taken away. */
    private class Question(val request: PendingRequest) {
        val answer = CompletableDeferred<Answer>()
        val closed = CompletableDeferred<Unit>()
    }

    /** A person, by a script. */
    private class Person : Screen {
        private val questions = Channel<Question>(Channel.UNLIMITED)
        private val said = Channel<String>(Channel.UNLIMITED)
        val digits = Channel<String>(Channel.UNLIMITED)

        suspend fun asked(): Question = withTimeout(PATIENCE) { questions.receive() }

        suspend fun told(): String = withTimeout(PATIENCE) { said.receive() }

        override suspend fun ask(request: PendingRequest): Answer {
            val question = Question(request)
            questions.send(question)
            return try {
                question.answer.await()
            } catch (gone: CancellationException) {
                question.closed.complete(Unit)
                throw gone
            }
        }

        override fun showDigits(laptop: String, digits: String) {
            this.digits.trySend(digits)
        }

        override fun say(text: String) {
            said.trySend(text)
        }
    }

    private val person = Person()

    /** Opens the app for as long as `body` runs. */
    private suspend fun opened(body: suspend CoroutineScope.(Sample) -> Unit) = coroutineScope {
        Sample(FileStorage(folder), FileKeychain(folder), person).use { app ->
            app.open("pixel")
            val answering = launch { app.answerRequests() }
            body(app)
            app.leave()
            answering.cancelAndJoin()
        }
    }

    private suspend fun CoroutineScope.pair(app: Sample, laptop: Laptop, name: String) {
        val screen = laptop.pair(name)
        val paired = async { app.pair(screen.pairingText()) }
        screen.say(person.digits.receive())
        assertEquals(name, paired.await().name)
        assertEquals(0, screen.end().code)
    }

    private suspend fun enroll(laptop: Laptop) {
        val enrolling = laptop.countersign("enroll", "npm", "--json")
        val number = enrolling.number()
        // A bad picture first: the request waits for a better one.
        person.asked().answer.complete(Answer.Approve(number, allow = true, picture = Pictures.empty()))
        assertTrue(person.told().contains("picture"))
        person.asked().answer.complete(Answer.Approve(number, allow = true, picture = Pictures.qr(URI)))
        assertEquals(0, enrolling.end().code)
    }

    @Test
    fun `from nothing to an approval`() = test {
        Laptop(Relay.shared.url).use { laptop ->
            opened { app ->
                pair(app, laptop, "acme/widget")
                enroll(laptop)
                val before = Totp.step()
                val job = laptop.code()
                person.asked().answer.complete(Answer.Approve(job.number(), allow = false))
                val ended = job.end()
                assertEquals(0, ended.code, ended.err)
                assertTrue(ended.out.trim() in (before..Totp.step()).map(Totp::code))
            }
            // Closed and opened again, after somebody has damaged a blob.
            folder.resolve("history").writeBytes(byteArrayOf(1))
            opened {
                assertEquals("The history was lost", person.told())
                val job = laptop.code()
                person.asked().answer.complete(Answer.Deny("not today"))
                assertEquals(200, job.end().code)
            }
        }
    }

    @Test
    fun `what is gone closes, what waits holds up nobody`() = test {
        val (laptop, other) = Laptop(Relay.shared.url) to Laptop(Relay.shared.url)
        opened { app ->
            pair(app, laptop, "acme/widget")
            enroll(laptop)
            pair(app, other, "acme/other")
            val withdrawn = laptop.code()
            val question = person.asked()
            withdrawn.number()
            withdrawn.terminate()
            assertEquals(130, withdrawn.end().code)
            withTimeout(PATIENCE) { question.closed.await() }
            // Somebody leaves this one for later, and answers the next first.
            val first = laptop.code()
            val later = person.asked()
            val second = other.countersign("enroll", "other", "--json")
            person.asked().answer.complete(Answer.Deny("not that"))
            assertEquals(200, second.end().code)
            later.answer.complete(Answer.Approve(first.number(), allow = false))
            assertEquals(0, first.end().code)
        }
        laptop.close()
        other.close()
    }

    @Test
    fun `a phone whose files are damaged is not replaced`() = test {
        opened {}
        val key = folder.resolve("key-unlock-root").readBytes()
        for (name in listOf("phone", "phone-copy")) folder.resolve(name).writeBytes(byteArrayOf())
        fails<AuthenticatorException.SetUp> { Sample(FileStorage(folder), FileKeychain(folder), person).open("pixel") }
        assertArrayEquals(key, folder.resolve("key-unlock-root").readBytes())
    }

    @Test
    fun `every region of the sample is closed`() {
        for (file in listOf("Sample.kt", "FileApp.kt")) {
            val open = mutableListOf<String>()
            for (line in File("src/test/kotlin/countersign/$file").readLines().map { it.trim() }) {
                if (line.startsWith("// region: ")) open += line
                if (line == "// endregion") open.removeLast()
                assertTrue(open.size <= 1, "$file: $open")
            }
            assertEquals(listOf<String>(), open)
        }
    }
}
