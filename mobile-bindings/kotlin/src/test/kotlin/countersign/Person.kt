package countersign

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertEquals
import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.PendingRequest
import java.nio.file.Path
import java.util.concurrent.atomic.AtomicReference

/** A question on the screen; `closed` when it was taken away. */
class Question(val request: PendingRequest) {
    private val answer = CompletableDeferred<Answer>()
    private val closed = CompletableDeferred<Unit>()

    fun answer(answer: Answer) = check(this.answer.complete(answer))

    suspend fun answered(): Answer = try {
        answer.await()
    } catch (gone: CancellationException) {
        closed.complete(Unit)
        throw gone
    }

    suspend fun closed() = withTimeout(PATIENCE) { closed.await() }
}

/** A person at the screens of [Sample], by a script. */
class Person : Screen {
    private val questions = Channel<Question>(Channel.UNLIMITED)
    private val said = Channel<String>(Channel.UNLIMITED)
    private val digits = Channel<String>(Channel.UNLIMITED)

    /** What the next question fails with. */
    val askFails = AtomicReference<Exception?>()

    /** What the next saying fails with. */
    val sayFails = AtomicReference<Exception?>()

    suspend fun asked(): Question = withTimeout(PATIENCE) { questions.receive() }

    suspend fun told(): String = withTimeout(PATIENCE) { said.receive() }

    /** What was asked or told and nobody has looked at. */
    fun rest(): List<Any> = generateSequence { questions.tryReceive().getOrNull() ?: said.tryReceive().getOrNull() }.toList()

    override suspend fun ask(request: PendingRequest): Answer {
        askFails.getAndSet(null)?.let { throw it }
        return Question(request).also { questions.send(it) }.answered()
    }

    override fun showDigits(laptop: String, digits: String) {
        this.digits.trySend(digits)
    }

    override fun say(text: String) {
        sayFails.getAndSet(null)?.let { throw it }
        said.trySend(text)
    }

    suspend fun digits(): String = withTimeout(PATIENCE) { digits.receive() }

    /** Pairs as a person does: scans, reads the digits, types them there. */
    suspend fun pair(app: Sample, laptop: Laptop, name: String) = coroutineScope {
        laptop.pair(name).use { screen ->
            val text = screen.pairingText()
            val paired = async { app.pair(text) }
            screen.say(digits())
            assertEquals(name, paired.await().name)
            assertEquals(0, screen.end().code)
        }
    }
}

/** The sample, open, with its person. */
class Opened(val app: Sample, val person: Person, private val scope: CoroutineScope) {
    var answering = begin()
        private set
    private val laptops = mutableListOf<Laptop>()

    /** Not waited for: one screen goes while the next one comes. */
    fun beginAgain() {
        answering.cancel()
        answering = begin()
    }

    /** On many threads, as in an app. */
    private fun begin(): Job = scope.launch(Dispatchers.Default) { app.answerRequests() }

    /** A laptop that is paired. */
    suspend fun laptop(name: String): Laptop = Laptop(Relay.shared.url).also {
        laptops += it
        person.pair(app, it, name)
    }

    suspend fun leave() {
        // What is closed already is left.
        if (!answering.isCompleted) app.leave()
        answering.cancelAndJoin()
        laptops.forEach { it.close() }
        assertEquals(listOf<Any>(), person.rest(), "asked or told, and not expected")
    }
}

/** Opens the sample for as long as `body` runs. */
suspend fun opened(folder: Path, keychain: Keychain = FileKeychain(folder), body: suspend Opened.() -> Unit) = coroutineScope {
    val person = Person()
    Sample(FileStorage(folder), keychain, person).use { app ->
        app.open("pixel")
        Opened(app, person, this).run {
            body()
            leave()
        }
    }
}
