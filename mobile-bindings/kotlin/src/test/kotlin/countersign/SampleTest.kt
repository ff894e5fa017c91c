package countersign

import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import uniffi.countersign_mobile.PendingRequest
import java.io.File
import java.nio.file.Path

/** The sample that docs/EMBEDDING.md shows does what it says there. */
class SampleTest {
    @TempDir
    lateinit var folder: Path

    /** A person, by a script. */
    private class Person : Screen {
        val answers = Channel<Answer>(Channel.UNLIMITED)
        val digits = CompletableDeferred<String>()
        val said = Channel<String>(Channel.UNLIMITED)

        override suspend fun ask(request: PendingRequest) = answers.receive()

        override fun showDigits(laptop: String, digits: String) {
            this.digits.complete(digits)
        }

        override fun say(text: String) {
            said.trySend(text)
        }
    }

    @Test
    fun `from nothing to an approval`() = test {
        val person = Person()
        val app = Sample(FileStorage(folder), FileKeychain(folder), person)
        app.open("pixel")
        val answering = launch { app.answerRequests() }
        Laptop(Relay.shared.url).use { laptop ->
            val screen = laptop.pair("acme/widget")
            val paired = async { app.pair(screen.pairingText()) }
            screen.say(person.digits.await())
            assertEquals("acme/widget", paired.await().name)
            assertEquals(0, screen.end().code)

            val enrolling = laptop.countersign("enroll", "npm", "--json")
            val number = enrolling.number()
            // A bad picture first: the request waits for a better one.
            person.answers.send(Answer.Approve(number, allow = true, picture = Pictures.empty()))
            assertTrue(person.said.receive().contains("picture"))
            person.answers.send(Answer.Approve(number, allow = true, picture = Pictures.qr(URI)))
            assertEquals(0, enrolling.end().code)

            val job = laptop.code()
            person.answers.send(Answer.Approve(job.number(), allow = false))
            val ended = job.end()
            assertEquals(0, ended.code, ended.err)
            assertTrue(ended.out.trim() in (Totp.step() - 2..Totp.step()).map(Totp::code))

            // The app is closed and opened again.
            app.leave()
            app.close()
            app.open("never used")
            val other = laptop.code()
            person.answers.send(Answer.Deny("not today"))
            assertEquals(200, other.end().code)
        }
        app.leave()
        answering.cancelAndJoin()
        app.close()
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
