package countersign

import kotlinx.coroutines.channels.Channel
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.Observer
import uniffi.countersign_mobile.Pairing
import uniffi.countersign_mobile.PairingUi
import uniffi.countersign_mobile.PendingRequest
import uniffi.countersign_mobile.SeedImport
import uniffi.countersign_mobile.Storage

// region: screen
/** What the person decided. */
sealed interface Answer {
    /** `number`: as typed from the job's log. `allow`: this pairing may use the seed from now on. */
    class Approve(val number: String, val allow: Boolean, val picture: ByteArray? = null) : Answer

    class Deny(val reason: String) : Answer

    data object Later : Answer
}

/** The app's screens. */
interface Screen {
    /** Shows [PendingRequest.verified] as it is, [PendingRequest.claimed] as claims, and asks for the number (and a picture, if it needs a seed). */
    suspend fun ask(request: PendingRequest): Answer

    fun showDigits(laptop: String, digits: String)

    fun say(text: String)
}
// endregion

/** A whole authenticator, but for its screens and its key store. */
class Sample(private val storage: Storage, private val keychain: Keychain, private val screen: Screen) : AutoCloseable {
    // region: observer
    private val arrived = Channel<PendingRequest>(Channel.UNLIMITED)

    /** Called on a thread of the engine: hand over and return. */
    private val observer = object : Observer {
        override fun onEvent(event: Event) {
            if (event is Event.RequestArrived) arrived.trySend(event.request)
        }
    }
    // endregion

    // region: open
    private lateinit var phone: Authenticator

    suspend fun open(name: String) {
        phone = try {
            Authenticator.open(storage, keychain, observer)
        } catch (_: AuthenticatorException.SetUp) {
            // Refuses, too, if the keys of an older phone are there.
            Authenticator.create(name, storage, keychain, observer)
        }
        phone.connect()
    }

    /** Before the app goes away; being killed instead loses nothing. */
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
    /** Runs as long as the app does. */
    suspend fun answerRequests() {
        for (request in arrived) {
            // What went wrong may leave the request waiting: ask again.
            while (phone.pending().any { it.id == request.id }) {
                try {
                    if (!answer(request, screen.ask(request))) break
                } catch (problem: AuthenticatorException) {
                    screen.say(problem.message.orEmpty())
                }
            }
        }
    }

    private suspend fun answer(request: PendingRequest, answer: Answer): Boolean {
        when (answer) {
            is Answer.Approve -> {
                val seed = answer.picture?.let { SeedImport.fromPicture(it) }
                // Checks the number, then has the keychain ask the person, then answers the job. No code comes here.
                seed.use { phone.approve(request.id, answer.number, codes = null, grant = answer.allow, seed = seed) }
            }
            is Answer.Deny -> phone.deny(request.id, answer.reason)
            is Answer.Later -> return false
        }
        return true
    }
    // endregion
}
