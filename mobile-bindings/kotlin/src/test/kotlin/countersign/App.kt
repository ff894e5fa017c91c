package countersign

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.withTimeoutOrNull
import uniffi.countersign_mobile.Event
import uniffi.countersign_mobile.Keychain
import uniffi.countersign_mobile.KeychainException
import uniffi.countersign_mobile.LinkState
import uniffi.countersign_mobile.Observer
import uniffi.countersign_mobile.PairingUi
import uniffi.countersign_mobile.PendingRequest
import uniffi.countersign_mobile.Storage
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.atomic.AtomicInteger

/** Blobs in memory; `beforeSave` may throw. */
class MemoryStorage : Storage {
    val blobs = ConcurrentHashMap<String, ByteArray>()
    val saves = AtomicInteger()

    @Volatile
    var beforeSave: (Int) -> Unit = {}

    @Volatile
    var beforeLoad: () -> Unit = {}

    override fun load(name: String): ByteArray? {
        beforeLoad()
        return blobs[name]
    }

    override fun save(name: String, bytes: ByteArray) {
        beforeSave(saves.incrementAndGet())
        blobs[name] = bytes
    }
}

/** Secrets in memory; `beforeUnlock` stands for the system's prompt. */
class MemoryKeychain : Keychain {
    val secrets = ConcurrentHashMap<String, ByteArray>()
    val protected = ConcurrentHashMap<String, ByteArray>()

    /** The reason that each prompt showed. */
    val prompts = CopyOnWriteArrayList<String>()

    @Volatile
    var beforeUnlock: suspend () -> Unit = {}

    @Volatile
    var beforeLoad: () -> Unit = {}

    override fun load(name: String): ByteArray? {
        beforeLoad()
        return secrets[name]
    }

    override fun store(name: String, secret: ByteArray) {
        secrets[name] = secret
    }

    override suspend fun protect(name: String, secret: ByteArray, reason: String) {
        protected[name] = secret
    }

    override suspend fun unlock(name: String, reason: String): ByteArray {
        prompts += reason
        beforeUnlock()
        return protected[name] ?: throw KeychainException.Missing()
    }
}

/** A prompt that nobody answers: for [MemoryKeychain.beforeUnlock]. */
class Unanswered {
    val shown = CompletableDeferred<Unit>()
    val cancelled = CompletableDeferred<Unit>()

    suspend fun prompt() {
        shown.complete(Unit)
        try {
            awaitCancellation()
        } finally {
            cancelled.complete(Unit)
        }
    }
}

/** Keeps what it is told until a test asks. */
class Events : Observer {
    private val events = Channel<Event>(Channel.UNLIMITED)

    override fun onEvent(event: Event) {
        events.trySend(event)
    }

    /** The next event that `wanted` gives something for. */
    suspend fun <T : Any> next(wanted: (Event) -> T?): T {
        val seen = mutableListOf<Event>()
        val found = withTimeoutOrNull(PATIENCE) {
            var found: T? = null
            while (found == null) found = wanted(events.receive().also { seen += it })
            found
        }
        return found ?: error("not told what was waited for, but: $seen")
    }

    suspend fun arrived(): PendingRequest = next { (it as? Event.RequestArrived)?.request }

    suspend fun gone() = next { it as? Event.RequestGone }

    suspend fun connected() = next { event ->
        (event as? Event.ConnectionChanged)?.takeIf { it.connection.state is LinkState.Connected }
    }
}

/** Shows the digits to a test. */
class Digits : PairingUi {
    val shown = CompletableDeferred<String>()

    @Volatile
    var name = ""

    override fun showDigits(name: String, digits: String) {
        this.name = name
        shown.complete(digits)
    }
}
