package countersign.example

import android.app.Application
import android.os.Build
import countersign.android.FileStorage
import countersign.android.KeystoreKeychain
import countersign.android.SystemPrompt
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import uniffi.countersign_mobile.Authenticator
import uniffi.countersign_mobile.AuthenticatorException
import uniffi.countersign_mobile.Found
import uniffi.countersign_mobile.KeychainException
import uniffi.countersign_mobile.Observer
import uniffi.countersign_mobile.PendingRequest
import uniffi.countersign_mobile.SeedImport
import uniffi.countersign_mobile.StorageException
import uniffi.countersign_mobile.findPhone

/** What the first screen of the app is about. */
sealed interface Start {
    /** Ask whether to [Home.create] a phone or to [Home.restore] one from a backup. */
    data object NoPhone : Start

    /** Go on with this. */
    class Ready(val phone: Authenticator) : Start

    /** It can't be opened now: show this, and offer to try again. [Home.eraseAll] only where nobody finds it by accident: mostly nothing is lost. */
    class Trouble(val problem: String) : Start

    /** A phone that can't be opened, or what is left of one. Show this first: it says what to do. Offer [Home.eraseAll] as the last resort. */
    class Remains(val problem: String) : Start
}

/** Where the phone of this app lives. One for the process: two would write over each other's files. */
class Home internal constructor(private val storage: FileStorage, private val keychain: KeystoreKeychain, private val observer: Observer) {
    /** To be called in `Application.onCreate`: [SystemPrompt] follows the app's screens from there on. Touches no disk. */
    constructor(application: Application, title: String, observer: Observer) :
        this(FileStorage(application), KeystoreKeychain(application, SystemPrompt(application, title)), observer)

    /** Until it gives [Start.Ready]; one [Authenticator] is enough. */
    suspend fun open(): Start = try {
        when (val found = findPhone(storage, keychain)) {
            is Found.NoPhone -> Start.NoPhone
            is Found.Phone -> Start.Ready(Authenticator.open(storage, keychain, observer))
            is Found.Remains -> Start.Remains(found.problem)
        }
    } catch (problem: AuthenticatorException.SetUp) {
        Start.Remains(problem.message.orEmpty())
    } catch (problem: AuthenticatorException) {
        Start.Trouble(problem.message.orEmpty())
    }

    /** Asks for finger or face. Fails with an [AuthenticatorException], whose text is for the person. Laptops show [name]. */
    suspend fun create(name: String = Build.MODEL): Authenticator = Authenticator.create(name, storage, keychain, observer)

    /** The same, from a backup. */
    suspend fun restore(backup: ByteArray, passphrase: String): Authenticator =
        Authenticator.restore(backup, passphrase, storage, keychain, observer)

    /**
     * Begins anew. Only after the person has been told that this phone's seeds and pairings are gone for good without a backup, and has said yes; close
     * the [Authenticator] first, if there is one, after what uses it has ended (`stayConnected`).
     *
     * @throws KeychainException with what to tell the person; do it again then
     * @throws StorageException as well
     */
    suspend fun eraseAll() = withContext(Dispatchers.IO) {
        // In this order: if the app is killed in between, `open` finds remains.
        keychain.erase()
        storage.erase()
    }
}

/**
 * Approves with the number that the person has typed. If [PendingRequest.verified] says that it is the first use, ask whether this pairing may
 * use the seed and hand the answer in as [allow]: without it such a request is refused for good. [seed] if the request needs one. If the request goes
 * away meanwhile, this ends and takes the system's question away; the app takes away its own.
 *
 * @return what to show if it was not approved; the request may still wait
 */
suspend fun approve(phone: Authenticator, request: PendingRequest, number: String, allow: Boolean, seed: SeedImport? = null): String? = try {
    phone.approve(request.id, number, codes = null, grant = allow, seed = seed)
    null
} catch (problem: AuthenticatorException) {
    problem.message.orEmpty()
}
