package countersign

import kotlinx.coroutines.CompletableJob
import kotlinx.coroutines.Job
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelChildren
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.delay
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import uniffi.countersign_mobile.Attention
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.Found
import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.LostPart
import uniffi.countersign_mobile.Observer
import uniffi.countersign_mobile.Pairing
import uniffi.countersign_mobile.PairingUi
import uniffi.countersign_mobile.PendingRequest
import uniffi.countersign_mobile.SeedImport
import uniffi.countersign_mobile.Storage
import uniffi.countersign_mobile.findPhone
import kotlin.time.Duration.Companion.seconds

// region: screen
/** What the person decided. */
sealed interface Answer {
    /** `number`: as typed from the job's log. `allow`: this pairing may use the seed from now on. `picture`: of the seed's QR code, if one is asked for. */
    class Approve(val number: String, val allow: Boolean, val picture: ByteArray? = null) : Answer

    class Deny(val reason: String) : Answer

    /** Denies, and takes the pairing back for good: ask twice. */
    data object Block : Answer
}

/** The app's screens. They are called on any thread: go to the main one for what is shown. */
interface Screen {
    /**
     * Lists the request and shows it: [PendingRequest.verified] as it is, [PendingRequest.claimed] as claims; asks for the number (and a picture, if it
     * needs a seed). Returns when the person has decided: who goes back to the list decides later. Cancelled when the request is gone: take it away.
     */
    suspend fun ask(request: PendingRequest): Answer

    fun showDigits(laptop: String, digits: String)

    fun say(text: String)
}
// endregion

/** A whole authenticator, but for its screens and its key store. One phone, opened once; after [close] make another. */
class Sample(private val storage: Storage, private val keychain: Keychain, private val screen: Screen) : AutoCloseable {
    // region: observer
    /** What somebody was about to take who was cancelled at that moment is for the next. */
    private val events: Channel<Event> = Channel(Channel.UNLIMITED) { add(it) }

    private fun add(event: Event) {
        events.trySend(event)
    }

    /** Called on a thread of the engine: hand over and return. */
    private val observer = object : Observer {
        override fun onEvent(event: Event) = add(event)
    }
    // endregion

    // region: open
    private val opening = Mutex()

    @Volatile
    private var opened: Authenticator? = null

    @Volatile
    private var closed = false

    /** For the other screens too: pairings, seeds, history. */
    val phone get() = checkNotNull(opened) { "open it first" }

    /**
     * Again only if it failed: one Sample, one phone. [AuthenticatorException.SetUp] needs its person: show the text, and erase nothing unless they say so.
     */
    suspend fun open(name: String) = opening.withLock {
        check(opened == null && !closed) { "it was opened or closed before: one Sample, one phone" }
        val phone = when (val found = findPhone(storage, keychain)) {
            // Also after a set-up that was cut short: it begins anew.
            Found.NoPhone -> Authenticator.create(name, storage, keychain, observer)
            Found.Phone -> Authenticator.open(storage, keychain, observer)
            // A new phone in its place would make what is left worthless.
            is Found.Remains -> throw AuthenticatorException.SetUp(found.problem)
        }
        opened = phone
        phone.connect()
    }

    /** Before the app goes away, unless a request waits; being killed instead loses nothing. */
    suspend fun leave() = phone.disconnect()

    /** Ends what waits for the person, and [answerRequests] too. Not while [open] runs. */
    override fun close() {
        if (closed) return
        closed = true
        events.close()
        opened?.run {
            // A call that has begun keeps the phone until it ends.
            cancelPairing()
            cancelUnlock()
            close()
        }
    }
    // endregion

    // region: pair
    /** `scanned`: the text of the QR code that `countersign pair` shows; scanned inside the app, never from a link. */
    suspend fun pair(scanned: String): Pairing = phone.pair(scanned, object : PairingUi {
        override fun showDigits(name: String, digits: String) = screen.showDigits(name, digits)
    })
    // endregion

    // region: answer
    /** Held by whoever asks: a new screen that begins before the old one has ended waits for it, and nothing is asked twice. */
    private val answering = Mutex()

    /**
     * Runs as long as the phone is open. Each request is asked about for itself: one that nobody answers holds up no other. Cancelled with its screens and
     * begun again, it asks about what still waits.
     */
    suspend fun answerRequests() = answering.withLock {
        coroutineScope {
            // By request; done when it is gone.
            val asked = mutableMapOf<String, CompletableJob>()
            fun begin(request: PendingRequest) {
                if (request.id in asked) return
                val gone = Job().also { asked[request.id] = it }
                launch { answer(request, gone) }
            }
            pending().forEach(::begin)
            for (event in events) {
                when (event) {
                    is Event.RequestArrived -> begin(event.request)
                    is Event.RequestGone -> asked.remove(event.id)?.complete()
                    is Event.AttentionNeeded -> tell(words(event.attention))
                    else -> {}
                }
            }
            // Closed: so is what is still on the screen.
            coroutineContext.cancelChildren()
        }
    }

    private suspend fun answer(request: PendingRequest, gone: Job) {
        fun waits() = gone.isActive && pending().any { it.id == request.id }
        // What went wrong may leave the request waiting: ask again.
        while (waits()) {
            try {
                return give(request, ask(request, gone))
            } catch (problem: AuthenticatorException) {
                tell(problem.message.orEmpty())
            } catch (problem: Exception) {
                currentCoroutineContext().ensureActive()
                // The question was closed.
                if (!waits()) return
                // The screen has failed: it must not take the other questions with it.
                tell("The question could not be shown; it comes again")
                delay(1.seconds)
            }
        }
    }

    /** Withdrawn, expired, answered elsewhere: the question closes. What was decided before goes on, and what came of it is told. */
    private suspend fun ask(request: PendingRequest, gone: Job): Answer = coroutineScope {
        val asking = async { screen.ask(request) }
        gone.invokeOnCompletion { asking.cancel() }
        asking.await()
    }

    private suspend fun give(request: PendingRequest, answer: Answer) = when (answer) {
        // Checks the number, then has the keychain ask the person, then answers the job. No code comes here. If the request goes away meanwhile, the
        // keychain's question does too.
        is Answer.Approve -> answer.picture?.let { SeedImport.fromPicture(it) }.use {
            phone.approve(request.id, answer.number, codes = null, grant = answer.allow, seed = it)
        }
        is Answer.Deny -> phone.deny(request.id, answer.reason)
        Answer.Block -> phone.block(request.id)
    }

    /** Nothing waits for a phone that was closed. */
    private fun pending(): List<PendingRequest> {
        val phone = phone
        return try {
            phone.pending()
        } catch (_: IllegalStateException) {
            emptyList()
        }
    }

    private fun tell(text: String) {
        // Whoever can't be told one thing is still asked about the next.
        runCatching { screen.say(text) }
    }
    // endregion
}

// region: words
/** What a person should know, in words of the app. */
private fun words(attention: Attention) = when (attention) {
    is Attention.ClockApart -> "The clock of ${attention.pairing} and this phone's are ${attention.seconds} s apart: set the one that is wrong"
    is Attention.Evicted -> "Another device answers for this phone now: stop using one of the two"
    is Attention.RelayProblem -> "${attention.relay}: ${attention.problem}"
    is Attention.WakeUpRegistered -> "Run `countersign renew` at ${attention.pairing} now"
    is Attention.WakeUpRefused -> "${attention.relay} will not wake this phone: ${attention.problem}"
    is Attention.StorageProblem -> attention.problem
    is Attention.Lost -> when (attention.what) {
        LostPart.SEEDS -> "The list of seeds was lost: import the sealed ones from countersign.toml"
        LostPart.PAIRINGS -> "The pairings were lost: pair again"
        LostPart.REQUESTS -> "Requests under way were lost: start the jobs again"
        LostPart.HISTORY -> "The history was lost"
    }
    is Attention.SeedUnused -> "${attention.label} has not been used for long: remove it if nobody needs it"
}
// endregion
