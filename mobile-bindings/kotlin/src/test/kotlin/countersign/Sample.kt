package countersign

import kotlinx.coroutines.Job
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import uniffi.countersign_mobile.Attention
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.Gone
import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.LostPart
import uniffi.countersign_mobile.Observer
import uniffi.countersign_mobile.Pairing
import uniffi.countersign_mobile.PairingUi
import uniffi.countersign_mobile.PendingRequest
import uniffi.countersign_mobile.SeedImport

// region: screen
/** What the person decided. */
sealed interface Answer {
    /** `number`: as typed from the job's log. `allow`: this pairing may use the seed from now on. */
    class Approve(val number: String, val allow: Boolean, val picture: ByteArray? = null) : Answer

    class Deny(val reason: String) : Answer
}

/** The app's screens. */
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

/** A whole authenticator, but for its screens and its key store. */
class Sample(private val storage: FileStorage, private val keychain: Keychain, private val screen: Screen) : AutoCloseable {
    // region: observer
    private val events = Channel<Event>(Channel.UNLIMITED)

    /** Called on a thread of the engine: hand over and return. */
    private val observer = object : Observer {
        override fun onEvent(event: Event) {
            events.trySend(event)
        }
    }
    // endregion

    // region: open
    private lateinit var phone: Authenticator

    suspend fun open(name: String) {
        // A new phone only where nothing was ever kept: of one that is damaged, `open` says what is missing.
        phone = if (storage.isEmpty()) {
            Authenticator.create(name, storage, keychain, observer)
        } else {
            Authenticator.open(storage, keychain, observer)
        }
        phone.connect()
    }

    /** Before the app goes away, unless a request waits; being killed instead loses nothing. */
    suspend fun leave() = phone.disconnect()

    override fun close() = phone.close()
    // endregion

    // region: pair
    /** `scanned`: the text of the QR code that `countersign pair` shows; scanned inside the app, never from a link. */
    suspend fun pair(scanned: String): Pairing = phone.pair(scanned, object : PairingUi {
        override fun showDigits(name: String, digits: String) = screen.showDigits(name, digits)
    })
    // endregion

    // region: answer
    /** Runs as long as the phone is open. Each request is asked about for itself: one that nobody answers holds up no other. */
    suspend fun answerRequests() = coroutineScope {
        val asked = mutableMapOf<String, Job>()
        for (event in events) {
            when (event) {
                is Event.RequestArrived -> asked[event.request.id] = launch { answer(event.request) }
                // Withdrawn: the question closes, and the system's prompt. Answered: what came of it is still told.
                is Event.RequestGone -> asked.remove(event.id)?.let { if (event.why == Gone.WITHDRAWN) it.cancel() }
                is Event.AttentionNeeded -> screen.say(words(event.attention))
                else -> {}
            }
        }
    }

    private suspend fun answer(request: PendingRequest) {
        // What went wrong may leave the request waiting: ask again.
        while (phone.pending().any { it.id == request.id }) {
            try {
                return give(request, screen.ask(request))
            } catch (problem: AuthenticatorException) {
                screen.say(problem.message.orEmpty())
            }
        }
    }

    private suspend fun give(request: PendingRequest, answer: Answer) = when (answer) {
        // Checks the number, then has the keychain ask the person, then answers the job. No code comes here.
        is Answer.Approve -> answer.picture?.let { SeedImport.fromPicture(it) }.use {
            phone.approve(request.id, answer.number, codes = null, grant = answer.allow, seed = it)
        }
        is Answer.Deny -> phone.deny(request.id, answer.reason)
    }
    // endregion
}

private fun words(attention: Attention) = when (attention) {
    is Attention.ClockApart -> "The clock of ${attention.pairing} and this phone's are ${attention.seconds} s apart: set the one that is wrong"
    is Attention.Evicted -> "Another device answers for this phone now: stop using one of the two"
    is Attention.RelayProblem -> "${attention.relay}: ${attention.problem}"
    is Attention.WakeUpRegistered -> "Run `countersign renew` at ${attention.pairing} now"
    is Attention.WakeUpRefused -> "${attention.relay} will not wake this phone: ${attention.problem}"
    is Attention.StorageProblem -> attention.problem
    is Attention.Lost -> when (attention.what) {
        LostPart.SEEDS -> "The list of seeds was lost: import the sealed ones, or restore a backup"
        LostPart.PAIRINGS -> "The pairings were lost: pair again, or restore a backup"
        LostPart.REQUESTS -> "Requests under way were lost: start the jobs again"
        LostPart.HISTORY -> "The history was lost"
    }
    is Attention.SeedUnused -> "${attention.label} has not been used for long: remove it if nobody needs it"
}
